//! The file of settings: what it may say, and what is said about what it may not.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory;
use pushnote_config::{
    ConfigError, File, Mq, Schema, Server, check, default_file, load, manual, print, unknown_variables,
};
use pushnote_core::{ChannelName, ChannelRule, HistoryRule, SlowPolicy};
use tempfile::TempDir;

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn with_file<S: Schema>(text: &str, flags: &[&str]) -> Result<S, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("--config={}", file(&folder, text).display());
    load([S::PROGRAM, &config].into_iter().chain(flags.iter().copied()).map(OsString::from))
}

/// What is said of a file, behind its name.
fn fault(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text);
    let checked = File::read(&path).map_err(ConfigError::from).and_then(|file| {
        check::<Server>(&file)?;
        check::<Mq>(&file)
    });
    let error = checked.unwrap_err().to_string();
    error.strip_prefix(path.to_str().unwrap()).expect("the file is named").to_owned()
}

#[test]
fn a_file_sets_what_a_flag_can_and_flags_go_before_it() {
    let text = "[server]
        port = 80
        mq_socket = ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2']
        single = true
        token_max_age = '24h'
        heartbeat_interval = 2.5
        log_bytes_max = '2MiB'
        message_form = 'string'
        heartbeat_delay = 1_000
        [mq]
        sub = 'tcp://127.0.0.1:3'
        pub = ['ipc:///run/mq']
        slow_subscriber = 'wait'";
    let server: Server = with_file(text, &["--port=81"]).unwrap();
    assert_eq!((server.port, server.single, server.token_max_age), (81, true, 86_400));
    assert_eq!(server.mq_socket.len(), 2);
    assert_eq!(server.heartbeat_interval.as_millis(), 2500);
    let limits = server.limits(10).unwrap();
    assert_eq!((limits.log_bytes_max, limits.heartbeat_delay_s, limits.connections_max), (2 << 20, 1000, 10));
    let server: Server =
        with_file(text, &["-s", "tcp://127.0.0.1:1, tcp://127.0.0.1:2", "--allow-network=10.0.0.0/8 , ::1"])
            .unwrap();
    assert_eq!((server.mq_socket.len(), server.listen.allow_network.len()), (2, 2));
    let server: Server = with_file(text, &["-s", "tcp://127.0.0.1:9"]).unwrap();
    assert_eq!(server.mq_socket.len(), 1, "a list of flags takes the place of the file's");
    let mq: Mq = with_file(text, &[]).unwrap();
    assert_eq!((mq.sub.len(), mq.r#pub[0].to_string()), (1, "ipc:///run/mq".to_owned()));
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_may_be_meant() {
    for (text, said) in [
        ("[server]\n\nprot = 80", ", line 3: there is no setting prot; is port meant?"),
        ("[server]\nmq-socket = ''", ", line 2: there is no setting mq-socket; is mq_socket meant?"),
        (
            "[server]\nzzz = 1",
            ", line 2: there is no setting zzz; 'pushnote config --default' shows all of [server]",
        ),
        ("[sever]\nport = 80", ", line 1: there is no table sever; is server meant?"),
        ("port = 80", ", line 1: port stands above any table: write [server] above it, or [mq] if"),
        ("mq_socket = ['x']", ", line 1: mq_socket stands above any table: write [server] above it"),
        ("[[channels]]\nprefix = ''", ", line 1: there is no table channels: write [[server.channels]]"),
        ("[zzz]", ", line 1: there is no table zzz; there are [server] and [mq]"),
        (
            "[server.channels]\nprefix = ''",
            ", line 1: channels: write [[server.channels]] with two brackets, a line for each rule",
        ),
        (
            "[server]\nchannels = { prefix = '' }",
            ", line 2: channels: write [[server.channels]] with two brackets, a line for each rule",
        ),
        ("[mq.sub]", ", line 1: sub: it has no tables"),
        ("server = 1", ", line 1: server must be a table: write [server], and its settings below"),
        ("[server]\nport = 70000", ", line 2: port = 70000: give a port from 0 to 65535, as in 8080"),
        ("[server]\nport = [1, 2]", ", line 2: port: it has one value, not a list"),
        ("[server]\nport = true", ", line 2: port: true or false is no value of it"),
        ("[server]\nsingle = 'yes'", ", line 2: single: give true or false, without quotes"),
        ("[server]\nroute = 1979-05-27", ", line 2: route: give a string, a number, true, false or a list"),
        ("[server]\nmq_socket = [[1]]", ", line 2: mq_socket: a list holds strings or numbers"),
        ("[mq]\n\n\nheartbeat_interval = 0", ", line 4: heartbeat_interval = 0: give a time from 0.1"),
        (
            "[mq]\nhistory_bytes = 'much'",
            ", line 2: history_bytes = much: give a number of bytes, as in 65536",
        ),
        ("[server]\nmessage_form = 'text'", ", line 2: message_form = text: give string or value"),
        (
            "[server]\naddress = 'a.example'",
            ", line 2: address = a.example: give an IP address of this machine's",
        ),
        ("[server]\npeers_max = 1e3", ", line 2: peers_max = 1e3: give a whole number, from 0 on"),
        (
            "[server]\nchannels = ['news.']",
            ", line 2: channels: write [[server.channels]], and its settings below",
        ),
        ("[server]\nmq_socket = [{ a = 1 }]", ", line 2: mq_socket: it has no tables"),
        ("[[server.channels]]\n\n\npublic = true", ", line 1: channels: it has no prefix; say for which"),
        (
            "[server]\nport = 1\n[[server.channels]]\nprefix = ''\n[[server.channels]]\nprefix = 'a'\npubic = 1",
            ", line 7: channels: pubic: there is no setting of channels pubic; is public meant?",
        ),
        (
            "[[server.channels]]\nprefix = ''\nhistory_age = 'x'",
            ", line 3: channels: history_age: give whole seconds, as in 86400 or 24h",
        ),
        ("[server]\nport = 1\nport = 2", ", line 3: duplicate key"),
        ("[server\n", ", line 1: "),
    ] {
        let fault = fault(text);
        assert!(fault.starts_with(said), "{text}: {fault}");
    }
    assert!(
        File::read("/nonexistent/file".as_ref())
            .unwrap_err()
            .to_string()
            .starts_with("/nonexistent/file: cannot")
    );
}

#[test]
fn all_that_is_wrong_is_found_at_once() {
    let text = "port = 80
        [server]
        prot = 80
        single = 'yes'
        [[server.channels]]
        pubic = true
        [[server.channels]]
        slow = 'drop'
        [sever]
        [mq]
        sub = 'x'";
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text);
    let (read, error) = File::read_what_can_be(&path).unwrap();
    let mut faults: Vec<_> = error.iter().flat_map(|error| error.faults()).collect();
    for error in [check::<Server>(&read).unwrap_err(), check::<Mq>(&read).unwrap_err()] {
        faults.extend(error.faults());
    }
    let lines: Vec<_> = faults
        .iter()
        .map(|fault| {
            fault.split_once(", line ").unwrap().1.split_once(':').unwrap().0.parse::<usize>().unwrap()
        })
        .collect();
    assert_eq!(lines, [1, 9, 3, 4, 6, 8, 11], "{faults:#?}");
    // A program says it in one line.
    let said =
        with_file::<Server>("[server]\nprot = 80\nruote = 'x'\nport = 'y'", &[]).unwrap_err().to_string();
    assert!(
        said.contains(", line 2: there is no setting prot; is port meant? (and 2 more: pushnote config"),
        "{said}"
    );
}

#[test]
fn channels_have_rules_each_a_table_of_the_file() {
    let text = "[server]
        mq_socket = 'tcp://127.0.0.1:1'
        [[server.channels]]
        prefix = 'news.'
        public = true
        history_count = 100
        history_age = '10m'
        history_bytes = '1MiB'
        presence = true
        slow = 'latest'
        [[server.channels]]
        prefix = 'a, \"b\"'
        [mq]
        sub = 'tcp://127.0.0.1:3'";
    let of = |server: &Server, name: &str| {
        server.channel_rules().unwrap().of(&ChannelName::new(name).unwrap()).clone()
    };
    let server: Server = with_file(text, &[]).unwrap();
    let history = HistoryRule { bytes: Some(1 << 20), count: Some(100), age_s: Some(600) };
    let news = ChannelRule { public: true, history, presence: true, slow: SlowPolicy::Latest };
    assert_eq!(of(&server, "news.a"), news);
    assert_eq!(of(&server, "news"), ChannelRule::default());
    assert_eq!(server.channels[1].0[0].0, "a, \"b\"");

    let folder = tempfile::tempdir().unwrap();
    let printed = print::<Server>(Some(&File::read(&file(&folder, text)).unwrap())).unwrap();
    let line = printed.lines().find(|line| line.starts_with("channels = [{")).unwrap();
    assert!(line.contains("pushnote.toml, line 3"), "{line}");
    let again: Server = with_file(&printed, &[]).unwrap();
    assert_eq!(again.channels, server.channels, "what is printed is a file, too: {printed}");

    let flags = ["--channels={prefix='x',presence=true}", "--channels", "[{prefix='y'}, {prefix='z'}]"];
    let server: Server = with_file(text, &flags).unwrap();
    assert!(
        of(&server, "xy").presence && !of(&server, "news.a").public,
        "flags take the place of the file's"
    );
    let twice: Server = with_file(text, &[flags[0], flags[0]]).unwrap();
    assert!(twice.channel_rules().unwrap_err().to_string().contains("\"x\" has two rules"));
}

/// What the manual shows is a file that is taken, and has every key.
#[test]
fn the_manuals_rules_are_taken() {
    let manual = manual::<Server>();
    let (_, example) = manual.split_once("```toml\n").unwrap();
    let server: Server = with_file(
        &format!("[server]\nmq_socket = 'tcp://127.0.0.1:1'\n{}", example.split_once("```").unwrap().0),
        &[],
    )
    .unwrap();
    let rules = server.channel_rules().unwrap();
    let of = |name: &str| rules.of(&ChannelName::new(name).unwrap()).clone();
    let history = HistoryRule { bytes: Some(1 << 20), count: Some(100), age_s: Some(600) };
    assert_eq!(of("news.a"), ChannelRule { public: true, history, presence: true, slow: SlowPolicy::Latest });
    assert_eq!(of("newspaper"), ChannelRule::default());
    assert_eq!(of("game.1"), ChannelRule { presence: true, ..ChannelRule::default() });
}

/// Every default stands in the file, and uncommented it changes nothing.
#[test]
fn the_default_file_is_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let commented = format!("{}\n{}", default_file::<Server>(), default_file::<Mq>());
    let uncommented: Vec<_> = commented
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect();
    assert!(
        uncommented.contains(&"port = 8080") && uncommented.contains(&"history_bytes = 16777216"),
        "{commented}"
    );
    for text in [&commented, &uncommented.join("\n")] {
        let file = File::read(&file(&folder, text)).unwrap();
        let server = check::<Server>(&file).unwrap();
        assert_eq!(
            format!("{server:?}"),
            format!("{:?}", check::<Server>(&File::read(&self::file(&folder, "")).unwrap()).unwrap())
        );
        check::<Mq>(&file).unwrap();
    }
}

/// Whoever takes away what makes a line a comment has TOML, whose placeholder is then to be replaced.
#[test]
fn every_setting_of_the_default_file_can_be_uncommented() {
    let folder = tempfile::tempdir().unwrap();
    let uncommented: Vec<_> = default_file::<Server>()
        .lines()
        .map(|line| {
            let rest = line.trim_start_matches(['#', ' ']).to_owned();
            let key = rest.split(" = ").next().filter(|key| rest.len() > key.len());
            let is_setting = key.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            if is_setting { rest } else { line.to_owned() }
        })
        .collect();
    assert!(uncommented.iter().any(|line| line.starts_with("secret_file = \"PATH\"")), "{uncommented:?}");
    File::read(&file(&folder, &uncommented.join("\n"))).unwrap();
}

#[test]
fn variables_that_nobody_reads_are_told_but_for_those_of_kubernetes() {
    let names = [
        "PUSHNOTE_PROT",
        "PUSHNOTE_PORT",
        "PUSHNOTE_SECRET",
        "PUSHNOTE_LOG",
        "PUSHNOTE_SERVICE_HOST",
        "PUSHNOTE_PORT_8080_TCP",
        "PUSHNOTE_XYZZY",
        "PUSHNOTE_SLAT",
        "HOME",
    ];
    let unknown = unknown_variables(names.map(str::to_owned));
    assert_eq!(
        unknown,
        [
            ("PUSHNOTE_PROT".to_owned(), Some("PUSHNOTE_PORT")),
            ("PUSHNOTE_XYZZY".to_owned(), None),
            ("PUSHNOTE_SLAT".to_owned(), Some("PUSHNOTE_SALT")),
        ]
    );
}

#[test]
fn every_settings_variable_is_known() {
    for command in [Server::command(), Mq::command()] {
        let variables = command.get_arguments().filter_map(|arg| arg.get_env());
        let names: Vec<_> = variables.map(|name| name.to_str().unwrap().to_owned()).collect();
        assert!(names.len() > 10);
        assert_eq!(unknown_variables(names), []);
    }
}

#[test]
fn relative_paths_are_seen_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[server]
        mq_socket = 'ipc://mq.sock'
        secret_file = 'secret'
        jwt_keys = ['a.pem', 'keys/b.pem']
        legacy_salt_file = '/etc/salt'
        data_dir = '.'";
    let config = format!("--config={}", file(&folder, text).display());
    let arguments = ["pushnote-server", &config, "--api-keys=keys"].map(OsString::from);
    let server: Server = load(arguments).unwrap();
    let beside = |path: &str| folder.path().join(path);
    assert_eq!(server.secret_file, Some(beside("secret")));
    assert_eq!(server.jwt_keys, [beside("a.pem"), beside("keys/b.pem")]);
    assert_eq!(server.data_dir, Some(beside(".")));
    assert_eq!(server.legacy_salt_file, Some("/etc/salt".into()));
    assert_eq!(server.api_keys, Some("keys".into()), "of a flag: the shell's folder");
    assert_eq!(server.mq_socket[0].to_string(), "ipc://mq.sock");
    let printed = print::<Server>(Some(&File::read(&beside("pushnote.toml")).unwrap())).unwrap();
    assert!(printed.contains(&format!("secret_file = \"{}\"", beside("secret").display())), "{printed}");
}
