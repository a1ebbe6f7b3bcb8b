//! Settings from file, environment and flags, in the real programs.

use pushnote_tests::{Launch, Process, Single};

use super::fails;

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
    fails("pushnote", &["config", "--check", path.to_str().unwrap()], &[], 78, &[&line, "tcp://"]);
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
    std::fs::write(&path, "[server]\nmessage_bytes_max = '65MiB'\n").unwrap();
    let check = ["config", "--check", path.to_str().unwrap()];
    fails("pushnote", &check, &[], 78, &["[server]", "log_bytes_max", "message_bytes_max"]);
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let single = Single::of(Launch::server().variable("PUSHNOTE_RUOTE", "/x"));
    single.server.process.logged("is PUSHNOTE_ROUTE meant?");
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
    let checked = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &[]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_check_finds_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let output = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &[]);
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
fn what_nothing_is_kept_for_needs_no_policy() {
    let fsync = ["-s", "tcp://127.0.0.1:1", "--fsync=always"];
    fails("pushnote-server", &fsync, super::WITH_SECRET, 64, &["--fsync", "--data-dir"]);
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
