//! A setting that was set and can do nothing is refused, with what it needs or where else it belongs.

use pushnote_tests::{Launch, Process, Single};

use super::{MQ, WITH_SECRET, fails};

const SINGLE: [&str; 2] = ["--single", "--mq_socket=tcp://127.0.0.1:0"];
/// What comes in by HTTP alone; there are no keys, but that is found later.
const BY_API: [&str; 3] = ["--single", "--api=127.0.0.1:0", "--api-keys=/nowhere"];

#[test]
fn a_server_refuses_what_does_nothing() {
    let behind = |flags: &[&'static str], words: &[&str]| {
        fails("pushnote-server", &[&[MQ], flags].concat(), WITH_SECRET, 64, words);
    };
    for (flags, needs) in [
        (&["--publish-ack=tcp://127.0.0.1:3"][..], "--publish-to"),
        (&["--ack=tcp://127.0.0.1:3"], "--single"),
        (&["--curve-clients=/nowhere"], "--single"),
        (&["--allow-network=10.0.0.0/8"], "--single"),
        (&["--peers-max=7"], "--single"),
        (&["--allow-plaintext"], "pushnote-mq"),
        (&["--api-keys=/nowhere"], "--api=127.0.0.1:8081"),
        (&["--fallback-timeout=7"], "--fallback, too"),
        (&["--fallback-requests-max=7"], "--fallback, too"),
        (&["--fsync=always"], "--data-dir"),
        (&["--redis-password-file=/nowhere"], "--redis, too"),
        (&["--redis-prefix=other:"], "--redis, too"),
        (&["--redis-unsubscribe-delay=7"], "--redis, too"),
        (&["--lightpush-address=127.0.0.2"], "--lightpush-port"),
        (&["--lightpush-key-file=/nowhere"], "--lightpush-port"),
        (&["--vapid-key-file=/nowhere"], "--vapid-subject"),
        (&["--vapid-old-key-file=/nowhere"], "--vapid-subject"),
        (&["--push-allowed-host=push.example.org"], "--vapid-subject"),
        (&["--push-allowed-net=10.0.0.0/8"], "--vapid-subject"),
        (&["--push-subscriptions-per-user-max=7"], "--vapid-subject"),
        (&["--push-subscriptions-per-address-max=7"], "--vapid-subject"),
        (&["--webhook-url=http://127.0.0.1:1/"], "--vapid-subject"),
        (&["--webhook-secret-file=/nowhere"], "--vapid-subject"),
        (&["--message-states-age=7"], "--vapid-subject"),
        (&["--message-states-max=7"], "--vapid-subject"),
        (&["--port=1", "--unix-socket=/nowhere/socket"], "--unix-socket"),
        (&["--address=127.0.0.1", "--unix-socket=/nowhere/socket"], "--unix-socket"),
        (&["--connections-per-ip-max=7", "--unix-socket=/nowhere/socket"], "--unix-socket"),
        (&["--connections-per-ip-max=7", "--connections-max=7"], "--connections-max"),
    ] {
        let flag = flags[0].split('=').next().unwrap();
        behind(flags, &[&format!(": {flag}: "), needs]);
    }
    let push =
        ["--vapid-subject=mailto:ops@example.org", "--data-dir=/nowhere", "--webhook-secret-file=/nowhere"];
    behind(&push, &["--webhook-secret-file: ", "--webhook-url"]);
    // One reason is said once.
    behind(
        &["--redis-prefix=a", "--redis-unsubscribe-delay=7"],
        &["--redis-prefix, --redis-unsubscribe-delay: "],
    );
}

#[test]
fn a_server_of_its_own_refuses_what_does_nothing() {
    let key = format!("--curve-server-key={}", "0".repeat(40));
    for (flags, needs) in [
        (&["--publish-to=tcp://127.0.0.1:3"][..], "do without one of the two"),
        (&["--publish-ack=tcp://127.0.0.1:3"], "do without one of the two"),
        (&[&key], "--curve-secret-key-file"),
        (&["--curve-clients=/nowhere"], "--curve-secret-key-file"),
        (&["--allow-plaintext", "--curve-secret-key-file=/nowhere"], "--curve-secret-key-file"),
    ] {
        let flag = flags[0].split('=').next().unwrap();
        fails(
            "pushnote-server",
            &[&SINGLE, flags].concat(),
            WITH_SECRET,
            64,
            &[&format!(": {flag}: "), needs],
        );
    }
    for flag in [
        "--heartbeat-interval=7",
        "--zmq-frame-bytes-max=2MiB",
        "--curve-secret-key-file=/nowhere",
        "--curve-clients=/nowhere",
        "--allow-network=10.0.0.0/8",
        "--peers-max=7",
        "--allow-plaintext",
    ] {
        let words = [&format!(": {}: ", flag.split('=').next().unwrap()), "--mq_socket, too"];
        fails("pushnote-server", &[&BY_API[..], &[flag]].concat(), WITH_SECRET, 64, &words);
    }
    let file = ["--single", "--mq_socket=ipc:///nowhere/socket", "--allow-network=10.0.0.0/8"];
    fails("pushnote-server", &file, WITH_SECRET, 64, &["--allow-network: ", "ipc://"]);
}

#[test]
fn a_forwarder_refuses_what_does_nothing() {
    let listen = ["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"];
    for (flags, needs) in [
        (&["--message-bytes-max=1MiB"][..], "--ack, too"),
        (&["--curve-clients=/nowhere"], "--curve-secret-key-file"),
        (&["--allow-plaintext", "--curve-secret-key-file=/nowhere"], "--curve-secret-key-file"),
    ] {
        let flag = flags[0].split('=').next().unwrap();
        fails("pushnote-mq", &[&listen, flags].concat(), &[], 64, &[&format!(": {flag}: "), needs]);
    }
    let files = ["--sub=ipc:///nowhere/a", "--pub=ipc:///nowhere/b", "--allow-network=10.0.0.0/8"];
    fails("pushnote-mq", &files, &[], 64, &["--allow-network: ", "ipc://"]);
}

#[test]
fn what_does_nothing_is_named_where_it_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    let shown = path.display();
    std::fs::write(&path, format!("[server]\nmq_socket = '{}'\nredis_prefix = 'a'\n", &MQ[12..])).unwrap();
    let named = [&format!("--redis-prefix ({shown}, line 3): "), "--redis, too"];
    fails("pushnote-server", &[&format!("--config={shown}")], WITH_SECRET, 64, &named);
    fails("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET, 78, &named);
    let variable = [WITH_SECRET, &[("PUSHNOTE_REDIS_PREFIX", "a")]].concat();
    fails("pushnote-server", &[MQ], &variable, 64, &["--redis-prefix (PUSHNOTE_REDIS_PREFIX): "]);

    // Who starts one of several servers with a file of all has said what is to count.
    std::fs::write(&path, "[server]\nport = 1\naddress = '127.0.0.1'\n").unwrap();
    let socket = format!("--unix-socket={}", folder.path().join("http").display());
    let server =
        Launch::server().arguments([&format!("--config={shown}"), &socket]).arguments(SINGLE).start();
    server.line_after("listening on http://unix:");
    let other = format!("unix_socket = '{}'\n", folder.path().join("http2").display());
    std::fs::write(&path, format!("[server]\nport = 1\nmq_socket = '{}'\n{other}", &MQ[12..])).unwrap();
    fails(
        "pushnote-server",
        &[&format!("--config={shown}")],
        WITH_SECRET,
        64,
        &["--port (", "line 2): ", "--unix-socket"],
    );
}

#[test]
fn a_default_that_is_written_down_does_no_harm() {
    let printed = Process::output("pushnote", &["config", "--print"], &[("PUSHNOTE_MQ_SOCKET", &MQ[12..])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, printed.stdout).unwrap();
    let environment =
        [WITH_SECRET, &[("PUSHNOTE_SUB", "tcp://127.0.0.1:4002"), ("PUSHNOTE_PUB", "tcp://127.0.0.1:4003")]];
    let checked =
        Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &environment.concat());
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_variable_of_both_programs_is_warned_of() {
    let single = Single::of(Launch::server().variable("PUSHNOTE_ALLOW_NETWORK", "127.0.0.0/8"));
    assert!(!single.server.process.log().contains("does nothing"), "{}", single.server.process.log());
    let launch = Launch::server().arguments(["--port=0", "--address=127.0.0.1", MQ]);
    let server = launch.variable("PUSHNOTE_ALLOW_NETWORK", "127.0.0.0/8").start_logged();
    server.logged("--allow-network (PUSHNOTE_ALLOW_NETWORK) does nothing for this program: ");
    let launch = Launch::forwarder().arguments(["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"]);
    let forwarder = launch.variable("PUSHNOTE_MESSAGE_BYTES_MAX", "1MiB").start_logged();
    forwarder.logged("--message-bytes-max (PUSHNOTE_MESSAGE_BYTES_MAX) does nothing for this program: ");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushnote.toml");
    std::fs::write(&path, format!("[server]\nmq_socket = '{}'\n", &MQ[12..])).unwrap();
    let environment = [WITH_SECRET, &[("PUSHNOTE_PEERS_MAX", "7")]].concat();
    let checked = Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], &environment);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("[server]: warning: --peers-max (PUSHNOTE_PEERS_MAX) does nothing"), "{said}");
}
