//! What a person sees: one line that names what is wrong and what to do, and an exit code of `sysexits.h`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod checks;
mod copies;
mod doctor;
mod idle;
mod metrics;
mod mq;
mod server_metrics;
mod settings;
mod supervised;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use pushnote_tests::{Launch, PATIENCE, Process, SECRET, Single};

/// Runs a binary that must fail: with this exit code, and one line on stderr that holds these words.
#[track_caller]
fn fails(binary: &str, arguments: &[&str], environment: &[(&str, &str)], code: i32, words: &[&str]) {
    let output = Process::output(binary, arguments, environment);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{binary} {arguments:?}: {stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line, but: {stderr}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is not in: {stderr}");
    }
}

const WITH_SECRET: &[(&str, &str)] = &[("PUSHNOTE_SECRET", SECRET)];
const MQ: &str = "--mq_socket=tcp://127.0.0.1:1";

#[test]
fn a_server_without_a_secret_says_how_to_make_one() {
    fails("pushnote-server", &[MQ], &[], 78, &["PUSHNOTE_SECRET", "--secret-file", "openssl rand"]);
    fails("pushnote-server", &[MQ], &[("PUSHNOTE_SECRET", "short")], 78, &["secret", "32", "openssl rand"]);
    let empty_salt = [("PUSHNOTE_SECRET", SECRET), ("PUSHNOTE_LEGACY_SALT", "")];
    fails("pushnote-server", &[MQ], &empty_salt, 78, &["PUSHNOTE_LEGACY_SALT", "empty"]);
    let missing = ["--secret-file=/nonexistent/secret", MQ];
    fails(
        "pushnote-server",
        &missing,
        &[],
        78,
        &["--secret-file", "/nonexistent/secret", "correct the path"],
    );
    fails(
        "pushnote-server",
        &["--secret-file=/", MQ],
        &[],
        78,
        &["--secret-file", "it is a directory: name a file"],
    );
    fails(
        "pushnote-server",
        &["--config=nowhere"],
        &[],
        78,
        &["no such file: it is looked for at /", "/nowhere"],
    );
}

#[test]
fn what_is_easily_taken_for_a_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let keygen = |arguments: &[&str]| {
        let output = Process::output("pushnote", &[&["keygen"], arguments].concat(), &[]);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let (api, curve) = (file("api"), file("curve"));
    std::fs::write(file("line"), keygen(&["--api", "shop", "--secret-file", &api])).unwrap();
    std::fs::write(file("both"), keygen(&["--api", "shop"])).unwrap();
    std::fs::write(file("public"), keygen(&["--secret-file", &curve])).unwrap();
    std::fs::write(file("printed"), keygen(&[])).unwrap();
    for (name, words) in [
        ("api", "a key of the API"),
        ("both", "a key of the API"),
        ("line", "a line for the file of --api-keys"),
        ("printed", "a CURVE key"),
    ] {
        let secret = format!("--secret-file={}", file(name));
        fails("pushnote-server", &[MQ, &secret], &[], 78, &["--secret-file: this is", words, "openssl rand"]);
    }
    let curve_key = format!("--curve-secret-key-file={curve}");
    for name in ["public", "curve"] {
        let secret = format!("--secret-file={}", file(name));
        let arguments = ["--single", "--mq_socket=tcp://127.0.0.1:0", &curve_key, &secret];
        fails("pushnote-server", &arguments, &[], 78, &["--secret-file: this is a CURVE key"]);
    }
    for name in ["both", "api"] {
        let keys = format!("--api-keys={}", file(name));
        let words = ["--api-keys", "begins with pn_", "for whoever publishes", "line of the --api-keys file"];
        fails("pushnote-server", &["--single", "--api=localhost", &keys], WITH_SECRET, 78, &words);
    }
}

#[test]
fn without_zeromq_messages_come_by_the_api_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = Process::output("pushnote", &["keygen", "--api", "shop", "--secret-file", &file("key")], &[]);
    std::fs::write(file("keys"), made.stdout).unwrap();
    let arguments = ["--single", "--port=0", "--address=127.0.0.1", "--api=localhost:0"];
    let server =
        Launch::server().arguments(arguments).arguments([format!("--api-keys={}", file("keys"))]).start();
    let pages = server.line_after("listening on http://");
    let pages = pages.strip_suffix("/sockjs, without ZeroMQ").unwrap();
    let url = server.line_after("api listening on ");
    let publish = ["publish", "1", "--url", url.trim_end_matches("/v1/"), "--api-key-file", &file("key")];
    // Where applications publish over ZeroMQ, which a flag beats.
    let elsewhere =
        [("PUSHNOTE_MQ_SOCKET", "tcp://127.0.0.1:1"), ("PUSHNOTE_ACK_SOCKET", "tcp://127.0.0.1:1")];
    let published = Process::output("pushnote", &publish, &elsewhere);
    assert!(published.status.success(), "{published:?}");
    // At another port it is said what is there, and where to go.
    let pages = format!("http://{pages}");
    let publish = ["publish", "1", "--url", &pages, "--api-key-file", &file("key")];
    fails("pushnote", &publish, &[], 65, &["404", "nothing is served at this path", "--api"]);
    let api = url.trim_end_matches("/v1/");
    fails("pushnote", &["tail", "--url", api], &[], 65, &["404", "API for applications", "--port"]);
    fails("pushnote", &["tail", "--url", "http://127.0.0.1:1"], &[], 69, &["nothing listens there"]);
}

#[test]
fn a_token_for_a_user_is_asked_for_in_both_ways() {
    let user = |arguments: &[&str]| {
        let token = Process::output("pushnote", &[&["token"], arguments].concat(), WITH_SECRET).stdout;
        String::from_utf8(token).unwrap().split(':').next().unwrap().to_owned()
    };
    assert_eq!([user(&["42"]), user(&["--user", "42"]), user(&["-u42"])], ["42", "42", "42"]);
    fails("pushnote", &["token", "42", "--user", "42"], WITH_SECRET, 64, &["cannot be used with"]);
}

#[test]
fn a_servers_flags_are_checked() {
    fails("pushnote-server", &[], WITH_SECRET, 64, &["--mq_socket"]);
    fails("pushnote-server", &["--mq_socket=http://x"], WITH_SECRET, 64, &["--mq_socket", "tcp://"]);
    fails("pushnote-server", &["--route=sockjs", MQ], WITH_SECRET, 64, &["--route", "slash", "sockjs"]);
    fails("pushnote-server", &["--address=here", MQ], WITH_SECRET, 64, &["--address", "here"]);
    fails("pushnote-server", &["--port=70000", MQ], WITH_SECRET, 64, &["--port", "70000"]);
    fails("pushnote-server", &["--nonsense", MQ], WITH_SECRET, 64, &["--nonsense"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let port_flag = format!("--port={port}");
    let port_text = port.to_string();
    fails(
        "pushnote-server",
        &[&port_flag, "--address=127.0.0.1", MQ],
        WITH_SECRET,
        69,
        &["--port", &port_text],
    );
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = other.local_addr().unwrap().port().to_string();
    let words = [&web, "--port", &port_text, "--mq_socket", "--port 0 -s tcp://127.0.0.1:0"];
    fails("pushnote", &["dev", "--port", &web, "-s", &endpoint], &[], 69, &words);
    let single = ["--single", "--port=0", &format!("--mq_socket={endpoint}")];
    fails("pushnote-server", &single, WITH_SECRET, 69, &["--mq_socket", &port_text]);
    let sub = format!("--sub={endpoint}");
    fails("pushnote-mq", &[&sub, "--pub=tcp://127.0.0.1:0"], &[], 69, &["--sub", &port_text]);
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let too_many = ["--connections-max=4000000000", MQ];
    fails("pushnote-server", &too_many, WITH_SECRET, 78, &["--connections-max", "ulimit -n"]);
    fails("pushnote-server", &["--coalescing-window=200000", MQ], WITH_SECRET, 64, &["--coalescing-window"]);
}

#[test]
fn who_asks_twice_does_not_wait_for_the_drain() {
    let mut single = Single::start();
    // A request whose body never comes holds the drain up, for ten seconds at most.
    let mut stuck = std::net::TcpStream::connect(&single.server.address).unwrap();
    let head =
        "POST /sockjs/0/id/xhr_send HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    stuck.write_all(head.as_bytes()).unwrap();
    // The server reads the body, so it is in the request.
    let mut waiting = [0; 12];
    stuck.read_exact(&mut waiting).unwrap();
    assert_eq!(&waiting, b"HTTP/1.1 100");
    let asked = Instant::now();
    single.server.process.terminate();
    while asked.elapsed() < PATIENCE && single.server.process.is_running() {
        let _ = single.server.process.try_terminate();
    }
    assert_eq!(single.server.process.ended().code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited");
}

#[test]
fn a_forwarders_flags_are_checked() {
    fails("pushnote-mq", &["--sub=tcp://127.0.0.1:0"], &[], 64, &["--pub"]);
    fails("pushnote-mq", &["--sub=udp://127.0.0.1:1", "--pub=tcp://127.0.0.1:0"], &[], 64, &["--sub", "udp"]);
}

#[test]
fn listening_to_the_world_in_the_clear_has_to_be_meant() {
    let words =
        &["other machines can connect to", "--curve-secret-key-file", "127.0.0.1", "--allow-plaintext"];
    for endpoint in
        ["tcp://*:0", "tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://[::ffff:0.0.0.0]:0", "tcp://192.0.2.1:0"]
    {
        let (here, there) = ("tcp://127.0.0.1:0", endpoint);
        let with_flag = [&["--sub"][..], words].concat();
        fails("pushnote-mq", &["--sub", there, "--pub", here], &[], 78, &with_flag);
        let with_flag = [&["--pub"][..], words].concat();
        fails("pushnote-mq", &["--sub", here, "--pub", there], &[], 78, &with_flag);
        let with_flag = [&["--mq_socket"][..], words].concat();
        fails("pushnote-server", &["--single", "--mq_socket", there], WITH_SECRET, 78, &with_flag);
    }
    fails(
        "pushnote",
        &["dev", "--mq_socket=tcp://*:0"],
        &[],
        78,
        &["--mq_socket", "other machines", "127.0.0.1"],
    );
    for meant in [&["--allow-plaintext"][..], &[]] {
        let mut launch = Launch::forwarder().arguments(["--sub=tcp://*:0", "--pub=tcp://127.0.0.1:0"]);
        launch = match meant {
            [] => launch.variable("PUSHNOTE_ALLOW_PLAINTEXT", "1"),
            meant => launch.arguments(meant.iter().copied()),
        };
        let forwarder = launch.start();
        forwarder.line_after("sub listening on ");
    }
}

#[test]
fn keys_and_lists_of_clients_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret = folder.path().join("secret").to_str().unwrap().to_owned();
    let made = Process::output("pushnote", &["keygen", "--secret-file", &secret], &[]);
    let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let secret = format!("--curve-secret-key-file={secret}");
    let listen = ["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"];
    let forwarder = |flags: &[&str], code: i32, words: &[&str]| {
        fails("pushnote-mq", &[&listen, flags].concat(), &[], code, words);
    };
    forwarder(&["--curve-secret-key-file=/nowhere/key"], 78, &["--curve-secret-key-file", "/nowhere/key"]);
    let short = format!("--curve-secret-key-file={}", file("short", "key"));
    forwarder(&[&short], 78, &["short", "40 characters, not 3", "keygen"]);
    let list = format!("--curve-clients={}", file("list", &format!("both {public}\nall {public}\n")));
    forwarder(&[&secret, &list], 78, &["--curve-clients", "list", "line 2", "\"all\"", "publish KEY"]);
    forwarder(&[&list], 64, &["--curve-clients", "--curve-secret-key-file"]);
    forwarder(&["--allow-network=10.0.0.1/33"], 64, &["--allow-network", "10.0.0.1/33"]);

    let key = format!("--curve-server-key={public}");
    fails(
        "pushnote-server",
        &[MQ, &key],
        WITH_SECRET,
        78,
        &["--curve-server-key", "--curve-secret-key-file"],
    );
    fails(
        "pushnote-server",
        &[MQ, &secret],
        WITH_SECRET,
        78,
        &["--curve-server-key", "--curve-secret-key-file"],
    );
    fails(
        "pushnote-server",
        &[MQ, "--curve-server-key=x"],
        WITH_SECRET,
        64,
        &["--curve-server-key", "40 characters"],
    );
    fails("pushnote-server", &[MQ, "--single", &key], WITH_SECRET, 64, &["--curve-server-key", "--single"]);
    fails(
        "pushnote-server",
        &[MQ, "--allow-network=10.0.0.0/8"],
        WITH_SECRET,
        64,
        &["--allow-network", "--single"],
    );
}

#[test]
fn publishing_to_nobody_is_an_error() {
    let nobody = pushnote_tests::free_endpoint();
    let arguments = ["publish", "--timeout=300ms", "-s", &nobody, "1"];
    fails("pushnote", &arguments, &[], 69, &[&nobody]);
    let ack = ["publish", "--timeout=300ms", "--ack", &nobody, "1"];
    fails("pushnote", &ack, &[], 69, &["--ack: not connected to", &nobody, "with this --ack?"]);
    fails("pushnote", &["publish", "-s", &nobody, "{msg:1}"], &[], 65, &["JSON"]);
    fails("pushnote", &["publish", "-s", &nobody, "1", "--channel="], &[], 65, &["channel name is empty"]);
    fails("pushnote", &["publish", "-s", &nobody, "1", "--event="], &[], 65, &["event name has 0 bytes"]);
    fails("pushnote", &["publish", "-s", "nowhere", "1"], &[], 64, &["--mq_socket", "nowhere"]);
    let (both, words) =
        (["publish", "-s", &nobody, "1", "--url", "http://127.0.0.1:1"], ["cannot be used with"]);
    fails("pushnote", &both, &[], 64, &words);
    let nobody = [("PUSHNOTE_MQ_SOCKET", nobody.as_str())];
    fails("pushnote", &["publish", "--timeout=300ms", "1"], &nobody, 69, &["not connected"]);
    let web = [("PUSHNOTE_MQ_SOCKET", "http://127.0.0.1:1")];
    fails("pushnote", &["publish", "1"], &web, 64, &["use --url http://127.0.0.1:1"]);
}

#[test]
fn tokens_need_a_secret_and_a_user() {
    fails("pushnote", &["token", "42"], &[], 78, &["PUSHNOTE_SECRET"]);
    fails("pushnote", &["token", ""], WITH_SECRET, 64, &["user"]);
    fails("pushnote", &["token", "42", "--ttl", "soon"], WITH_SECRET, 64, &["--ttl"]);
    fails(
        "pushnote",
        &["token"],
        WITH_SECRET,
        64,
        &["<USER|--user <USER>|--channel <CHANNEL>|--check <TOKEN>>"],
    );
    fails("pushnote", &["token", "--channel", "news.*"], WITH_SECRET, 64, &["--channel", "ends in *"]);
}

#[test]
fn a_token_is_looked_into() {
    let tool = |arguments: &[&str]| {
        let output = Process::output("pushnote", &[&["token"], arguments].concat(), WITH_SECRET);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let said = tool(&["--check", &tool(&["42", "--ttl", "1h"])]);
    assert!(said.starts_with("good for another 3") && said.ends_with(" s: user 42"), "{said}");
    assert!(tool(&["--check", &tool(&["--channel", "news"])]).ends_with(" s: channel news"));
    let said = tool(&["--check", &tool(&["42"])]);
    let left = said.strip_prefix("good for another ").and_then(|rest| rest.split(' ').next()).unwrap();
    let left: u64 = left.parse().unwrap();
    assert!((86_300..=86_400).contains(&left), "a day: {said}");
    let invalid = |token: &str, words: &[&str]| {
        fails("pushnote", &["token", "--check", token], WITH_SECRET, 65, &[&["invalid"][..], words].concat());
    };
    invalid("", &["it is empty", "template printed nothing"]);
    invalid("undefined", &["\"undefined\", JavaScript's", "set before the page subscribes"]);
    invalid("null", &["\"null\", JavaScript's", "nobody is signed in"]);
    invalid("[object Promise]", &["await it"]);
    invalid("42", &["it has no colon"]);
    invalid("42:abc", &["no secret of this server has signed it", "pushnote.timestamped"]);
    // {"alg":"HS256"} and {"sub":"42"}, signed with another key.
    invalid("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.AAAA", &["no secret", "not decoded from base64"]);
    invalid("eyJhbGciOiJIUzM4NCJ9.eyJzdWIiOiI0MiJ9.AAAA", &["\"alg\" is none of HS256"]);
    fails("pushnote", &["token", "--check", "x", "--ttl", "1h"], WITH_SECRET, 64, &["--ttl"]);
}

#[test]
fn a_supervisors_signal_ends_both_servers_cleanly() {
    let mut single = Single::start();
    single.server.process.terminate();
    assert!(single.server.process.ended().success());

    let mut forwarder = pushnote_tests::Forwarder::start();
    forwarder.process.terminate();
    assert!(forwarder.process.ended().success());
}

#[test]
fn the_legacy_salt_warns_at_every_start() {
    let server = Single::of(Launch::server().variable("PUSHNOTE_LEGACY_SALT", "pushnote_salt")).server;
    assert!(server.process.logged("forge").contains("WARN"));
}
