//! Settings from file, environment and flags, in the real programs.

use pushnote_tests::{Launch, Process, SECRET, Single};

use super::{WITH_SECRET, fails};

const ENDPOINT: &str = "tcp://127.0.0.1:4001";
const ENDPOINT2: &str = "tcp://127.0.0.1:4002";

/// The route that a server says it serves.
fn route(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let launch = Launch::server().arguments(["--port=0", "--address=127.0.0.1"]);
    let launch = launch.arguments(arguments.iter().copied());
    let launch = environment.iter().fold(launch, |launch, (name, value)| launch.variable(name, value));
    let server = launch.start();
    let line = server.line_after("listening on http://");
    line.split_once('/').unwrap().1.split(',').next().unwrap().to_owned()
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, "[server]\nroute = '/file'\nmq_socket = 'tcp://127.0.0.1:1'\n[mq]\nsub = 'x'\n")
        .unwrap();
    let config = format!("--config={}", path.display());
    assert_eq!(route(&["-s", "tcp://127.0.0.1:1"], &[]), "sockjs");
    assert_eq!(route(&[&config], &[]), "file");
    assert_eq!(route(&[], &[("PUSHNOTE_CONFIG", path.to_str().unwrap())]), "file");
    assert_eq!(route(&[&config], &[("PUSHNOTE_ROUTE", "/env")]), "env");
    assert_eq!(route(&[&config, "--route=/flag"], &[("PUSHNOTE_ROUTE", "/env")]), "flag");
    // What is wrong is another program's affair.
    let line = format!("{}, line 5", path.display());
    fails("pushnote-mq", &[&config, "--pub=tcp://127.0.0.1:0"], &[], 78, &[&line, "sub = x", "tcp://"]);
    fails("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET, 78, &[&line, "tcp://"]);
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, "[server]\nprot = 80\n").unwrap();
    let config = format!("--config={}", path.display());
    let line = format!("{}, line 2", path.display());
    fails("pushnote-server", &[&config], &[], 78, &[&line, "prot", "is port meant"]);
    fails("pushnote-server", &["--config=/nonexistent"], &[], 78, &["/nonexistent", "cannot read"]);
    let mq_socket = ["-s", "tcp://127.0.0.1:1"];
    fails(
        "pushnote-server",
        &mq_socket,
        &[("PUSHNOTE_PORT", "99999")],
        78,
        &["PUSHNOTE_PORT=99999", "65535"],
    );
    fails("pushnote-server", &mq_socket, &[("PUSHNOTE_CONFIG", "")], 78, &["PUSHNOTE_CONFIG=", "--config"]);
    fails("pushnote-server", &["-s", "tcp://127.0.0.1:1,"], &[], 64, &["--mq_socket", "tcp://"]);
    fails("pushnote-server", &[], &[("PUSHNOTE_MQ_SCKET", "x")], 64, &["PUSHNOTE_MQ_SOCKET meant"]);
    let endpoints = "tcp://127.0.0.1:1,127.0.0.1:2";
    fails(
        "pushnote-server",
        &[],
        &[("PUSHNOTE_MQ_SOCKET", endpoints)],
        78,
        &["PUSHNOTE_MQ_SOCKET", "tcp://"],
    );
    std::fs::write(&path, "[server]\nmq_socket = 'tcp://127.0.0.1:1'\nmessage_bytes_max = '65MiB'\n")
        .unwrap();
    let check = ["config", "--check", path.to_str().unwrap()];
    fails("pushnote", &check, WITH_SECRET, 78, &["[server]", "log_bytes_max", "message_bytes_max"]);
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let single = Single::of(Launch::server().variable("PUSHNOTE_RUOTE", "/x"));
    single.server.process.logged("is PUSHNOTE_ROUTE meant?");
}

#[test]
fn a_variable_that_a_file_overrules_is_warned_of() {
    const OTHER: &str = "another-secret-of-the-suites-0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let (path, secret) = (folder.path().join("pushnote.toml"), folder.path().join("secret"));
    std::fs::write(&secret, format!("{SECRET}\n{OTHER}\n")).unwrap();
    let settings = format!(
        "{}secret_file = 'secret'\nredis = 'redis://127.0.0.1:1'\nredis_password_file = 'secret'\n",
        single("")
    );
    std::fs::write(&path, settings).unwrap();
    let checked = |environment: &[(&str, &str)]| {
        let check = ["config", "--check", path.to_str().unwrap()];
        let output = Process::output("pushnote", &check, environment);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // One that was, and still counts, is no other.
    assert_eq!(checked(&[("PUSHNOTE_SECRET", OTHER)]).lines().count(), 1);
    let said = checked(&[("PUSHNOTE_SECRET", "a-third"), ("PUSHNOTE_REDIS_PASSWORD", "x")]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    for (line, names) in lines
        .iter()
        .zip([["PUSHNOTE_SECRET", "--secret-file"], ["PUSHNOTE_REDIS_PASSWORD", "--redis-password-file"]])
    {
        assert!(line.contains("[server]: warning: ") && line.contains("unset the variable"), "{said}");
        assert!(names.iter().all(|name| line.contains(name)) && !line.contains("a-third"), "{said}");
    }

    let secret_file = format!("--secret-file={}", secret.display());
    let server = Launch::server().arguments([&secret_file]).variable("PUSHNOTE_SECRET", "a-third");
    let single = Single::of(server);
    single.server.process.logged("PUSHNOTE_SECRET is set, and --secret-file names");
}

#[test]
fn the_api_s_url_of_applications_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, url) = (folder.path().join("keys"), "http://127.0.0.1:0");
    let line = Process::output(
        "pushnote",
        &["keygen", "--api", "a", "--secret-file", folder.path().join("key").to_str().unwrap()],
        &[],
    );
    std::fs::write(&keys, line.stdout).unwrap();
    let api_keys = format!("--api-keys={}", keys.display());
    let single = Single::of(Launch::server().arguments([&api_keys]).variable("PUSHNOTE_API", url));
    single.server.process.line_after("api listening on http://127.0.0.1:");
    let publishes = ["leave it out of this server's environment"];
    fails(
        "pushnote-server",
        &["-Ss", ENDPOINT],
        &[("PUSHNOTE_SECRET", SECRET), ("PUSHNOTE_API", url)],
        64,
        &publishes,
    );
    let elsewhere = [("PUSHNOTE_SECRET", SECRET), ("PUSHNOTE_API", "https://push.example.org")];
    let words = ["PUSHNOTE_API=https://push.example.org", "for applications", "leave PUSHNOTE_API out"];
    fails("pushnote-server", &["-Ss", ENDPOINT], &elsewhere, 78, &words);
}

#[test]
fn the_settings_in_force_are_printed_with_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, "[server]\nport = 80\n\n[mq]\npub = 'tcp://127.0.0.1:1'\n").unwrap();
    let path = path.to_str().unwrap();
    let environment = [
        ("PUSHNOTE_CONFIG", path),
        ("PUSHNOTE_ROUTE", "/env"),
        ("PUSHNOTE_ROTE", "/misspelt"),
        ("PUSHNOTE_SECRET", "not-to-be-printed-000000000000000"),
    ];
    let printed =
        String::from_utf8(Process::output("pushnote", &["config", "--print"], &environment).stdout).unwrap();
    let config = ["config", "--print", "--config", path];
    assert_eq!(printed.as_bytes(), Process::output("pushnote", &config, &environment[1..]).stdout);
    for line in [
        &format!("port = 80  # {path}, line 2"),
        &format!("pub = [\"tcp://127.0.0.1:1\"]  # {path}, line 5"),
        "route = \"/env\"  # PUSHNOTE_ROUTE",
        "heartbeat_delay = 25  # default",
        "# sub: not set, and must be",
        "# there is no setting PUSHNOTE_ROTE; is PUSHNOTE_ROUTE meant?",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no {line} in:\n{printed}");
    }
    assert!(!printed.contains("not-to-be-printed"), "{printed}");
}

#[test]
fn several_rules_of_channels_in_a_variable_are_printed_as_a_file_has_them() {
    let rules = "[{ prefix = \"a.\" }, { prefix = \"b.\", public = true },]";
    let printed = Process::output("pushnote", &["config", "--print"], &[("PUSHNOTE_CHANNELS", rules)]).stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains(
        "\nchannels = [{ prefix = \"a.\" }, { prefix = \"b.\", public = true }]  # PUSHNOTE_CHANNELS\n"
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, printed).unwrap();
    let environment = [
        ("PUSHNOTE_SECRET", SECRET),
        ("PUSHNOTE_MQ_SOCKET", ENDPOINT),
        ("PUSHNOTE_SUB", ENDPOINT),
        ("PUSHNOTE_PUB", ENDPOINT2),
    ];
    let checked = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &environment);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_check_refuses_what_the_start_would() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    let other = folder.path().join("other");
    std::fs::write(&other, "not what is looked for").unwrap();
    let publisher = "[[server.locations]]\ntype = 'publisher'\n";
    for (text, words) in [
        ("[mq]\npub = 'tcp://127.0.0.1:4001'".to_owned(), &["[mq]: --sub is missing"][..]),
        (
            format!("[mq]\nsub = '{ENDPOINT}'\npub = '{ENDPOINT}'"),
            &["--sub and --pub: both listen on port 4001"],
        ),
        (format!("[mq]\nsub = '{ENDPOINT}'\npub = 'tcp://*:4002'"), &["--pub: other machines"]),
        (
            format!("[mq]\nsub = '{ENDPOINT}'\npub = '{ENDPOINT2}'\ncurve_secret_key_file = 'none'"),
            &["--curve-secret-key-file", "/none"],
        ),
        ("[server]\nport = 4001".to_owned(), &["[server]: --mq_socket is missing"]),
        ("[server]\nport = 4001\nsingle = true".to_owned(), &["--mq_socket", "--api"]),
        ("[server]\nport = 4001\nredis = 'redis://127.0.0.1'".to_owned(), &["--mq_socket", "--single"]),
        (single("publish_to = 'tcp://127.0.0.1:3'"), &["--publish-to"]),
        ("[server]\nmq_socket = 'tcp://127.0.0.1:*'".to_owned(), &["--mq_socket", "no port to connect to"]),
        (
            format!("[server]\nmq_socket = '{ENDPOINT}'\npublish_to = '{ENDPOINT}'"),
            &["--mq_socket and --publish-to: both are tcp://127.0.0.1:4001;"],
        ),
        (single("port = 4001"), &["--mq_socket and --port: both listen on port 4001"]),
        (
            single("port = 4004\nmetrics = '127.0.0.1:4004'"),
            &["--port and --metrics: both listen on port 4004"],
        ),
        (single("api = '127.0.0.1:4004'"), &["--api-keys"]),
        (single("api_keys = 'other'"), &["--api-keys", "--api=127.0.0.1:8081"]),
        (single("api = 'localhost:4004'\napi_keys = 'none'"), &["--api-keys", "cannot read", "/none"]),
        (
            single("api = '127.0.0.1:4004'\napi_keys = 'other'"),
            &["--api-keys", "line 1: there is no right what"],
        ),
        (single("jwt_keys = 'other'"), &["--jwt-keys", "/other"]),
        (single("lightpush_port = 4004"), &["PUSHNOTE_LIGHTPUSH_KEY"]),
        (single("redis = '127.0.0.1:6379'"), &["--redis: it does not begin with redis://"]),
        (single("redis_password_file = 'other'"), &["--redis-password-file", "--redis"]),
        (
            single("fallback = 'http://localhost:8080'"),
            &["--fallback: http://localhost:8080/ is where this server"],
        ),
        (
            single("fallback = '127.0.0.1:8000'"),
            &["fallback = 127.0.0.1:8000: give an address on HTTP, as in http://127.0.0.1:8000"],
        ),
        (single("data_dir = 'other'"), &["--data-dir", "not a directory"]),
        (single("route = '/events'"), &["--route: /events is something else"]),
        (single("route = '/streams'"), &["--route: /streams/ is something else"]),
        (single(&format!("{publisher}url = '/(events)'")), &["--locations", "/events"]),
        (single(&format!("{publisher}url = '/streams/(.*)'")), &["--locations", "/streams/x"]),
    ] {
        std::fs::write(&path, &text).unwrap();
        fails("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET, 78, words);
    }
    // What the programs themselves say first is the same.
    let server = [&format!("--config={}", path.display())];
    fails("pushnote-server", &server.map(String::as_str), WITH_SECRET, 64, &["--locations", "/streams/x"]);
    let same = ["--single", "--port=4004", "--api=localhost:4004", "--api-keys=none"];
    fails("pushnote-server", &same, WITH_SECRET, 64, &["--port and --api: both listen on port 4004"]);
    fails("pushnote-mq", &["--sub", ENDPOINT, "--pub", ENDPOINT], &[], 64, &["--sub and --pub: both"]);
}

#[test]
fn a_check_needs_the_secret_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, single("port = 0")).unwrap();
    let check = ["config", "--check", path.to_str().unwrap()];
    fails("pushnote", &check, &[], 78, &["no secret for user tokens"]);
    let sound = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET);
    assert!(sound.status.success(), "{sound:?}");
}

/// A file for a server that hears applications itself.
fn single(more: &str) -> String {
    format!("[server]\nsingle = true\nmq_socket = '{ENDPOINT}'\n{more}")
}

#[test]
fn paths_in_a_file_are_seen_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    std::fs::write(&path, single("port = 0\nsecret_file = 'secret'").replace(ENDPOINT, "tcp://127.0.0.1:0"))
        .unwrap();
    let config = format!("--config={}", path.display());
    Launch::of("pushnote-server").arguments([&config]).start().line_after("listening on http://");
    // A flag is the shell's affair.
    fails("pushnote-server", &[&config, "--secret-file=secret"], &[], 78, &["cannot read secret"]);
}

#[test]
fn a_check_finds_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let environment = [("PUSHNOTE_SECRET", SECRET), ("PUSHNOTE_MQ_SOCKET", ENDPOINT)];
        let output =
            Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &environment);
        assert_eq!(output.status.code(), Some(78));
        String::from_utf8(output.stderr).unwrap().trim().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let faults = check("port = 80\n[server]\nprot = 80\n[mq]\nsub = 'x'\n");
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains(", line 1: port stands above any table"), "{faults:?}");
    let faults =
        check("[server]\nroute = 'x'\nlog_age = 10\n[[server.channels]]\nprefix = 'a'\nhistory_age = 11\n");
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].contains("channels: the rule of prefix \"a\"") && faults[1].contains("route: "),
        "{faults:?}"
    );
}

#[test]
fn the_default_file_is_sound_and_the_manual_is_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    let default = Process::output("pushnote", &["config", "--default"], &[]).stdout;
    std::fs::write(&path, default).unwrap();
    let checked = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &[]);
    assert!(checked.status.success(), "{checked:?}");
    let made = String::from_utf8(Process::output("pushnote", &["config", "--manual"], &[]).stdout).unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let kept = std::fs::read_to_string(page).unwrap();
    assert_eq!(made, kept, "run: pushnote config --manual > docs/configuration.md");
}

#[test]
fn what_web_push_cannot_use_is_refused_at_the_start_and_by_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, path) = (folder.path().join("webhook.secret"), folder.path().join("pushnote.toml"));
    std::fs::write(&secret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let webhook = ["--webhook-url=http://127.0.0.1:1/", "--webhook-secret-file", secret.to_str().unwrap()];
    let off = ["--webhook-url", "--vapid-subject switches it on"];
    fails("pushnote-server", &[&["-s", ENDPOINT], &webhook[..]].concat(), WITH_SECRET, 64, &off);
    let settings = "[server]\nmq_socket = 'tcp://127.0.0.1:1'\nwebhook_url = 'http://127.0.0.1:1/'\n\
                    webhook_secret_file = 'webhook.secret'\n";
    std::fs::write(&path, settings).unwrap();
    fails("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET, 78, &off);
    let host = ["-s", ENDPOINT, "--push-allowed-host=https://push.apple.com/"];
    fails("pushnote-server", &host, WITH_SECRET, 64, &["--push-allowed-host", "without https://"]);
}
