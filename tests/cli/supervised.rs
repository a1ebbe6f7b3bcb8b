//! Under a supervisor such as systemd: it is told how things are, and its sockets outlive the program.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

use pushnote_tests::{Launch, PATIENCE, Process, SECRET};

const SERVER: &[&str] = &["--single", "--mq_socket=tcp://127.0.0.1:*", "--drain-deadline=7"];

/// Where systemd would listen.
fn supervisor(folder: &tempfile::TempDir) -> (UnixDatagram, String) {
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, path.to_str().unwrap().to_owned())
}

fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 4096];
    let length = loop {
        match socket.recv(&mut message) {
            // This process stood still: a read with a timeout is not taken up again after that.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            length => break length.expect("a message in time"),
        }
    };
    String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn a_supervisor_hears_of_the_start_of_files_read_again_and_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, path) = supervisor(&folder);
    let mut server = Launch::server().arguments(SERVER.iter().copied().chain(["--port=0"]));
    server = server.variable("NOTIFY_SOCKET", &path);
    let mut server = server.start();
    assert_eq!(told(&socket)[0], "READY=1");
    server.line_after("listening on http://");
    server.signal("-HUP");
    let reloading = told(&socket);
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(told(&socket)[0], "READY=1");
    server.terminate();
    let stopping = told(&socket);
    assert_eq!(stopping[0], "STOPPING=1");
    // The drain's seven seconds, and ten more.
    assert_eq!(stopping[1], "EXTEND_TIMEOUT_USEC=17000000");
    assert!(server.ended().success());

    let forwarder = Launch::forwarder().arguments(["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"]);
    let _forwarder = forwarder.variable("NOTIFY_SOCKET", &path).start();
    assert_eq!(told(&socket)[0], "READY=1");
}

/// A program that gets `socket` as a supervisor would give it, under this name.
fn with_socket(program: &str, socket: impl Into<OwnedFd>, name: &str, arguments: &[&str]) -> Command {
    // Descriptor 3 is the first of them; the program keeps the shell's process id.
    let given = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$; exec "$0" "$@""#;
    let mut command = Command::new("bash");
    command.args(["-c", given]).arg(Process::path(program)).args(arguments);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name).env("PUSHNOTE_SECRET", SECRET);
    command.stdin(Stdio::from(socket.into()));
    command
}

fn refused(command: Command, words: &[&str]) {
    refused_with(78, command, words);
}

fn refused_with(code: i32, mut command: Command, words: &[&str]) {
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(code), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
}

#[test]
fn a_restart_on_a_supervisor_s_socket_refuses_nobody() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = |name: &str| {
        let mut command = with_socket("pushnote-server", socket.try_clone().unwrap(), name, SERVER);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let health = || {
        let mut stream = TcpStream::connect(address).expect("the socket stays open");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream
    };
    let answered = |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    // Who comes before the first, and between it and the second, waits.
    for name in ["pushnote-server.socket", "http", ""] {
        let waiting = health();
        let mut server = start(name);
        answered(waiting);
        answered(health());
        assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
        assert!(server.wait().unwrap().success());
    }
}

#[test]
fn a_socket_that_cannot_be_used_is_named() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    refused(with_socket("pushnote-server", listener(), "metrics", SERVER), &["\"metrics\"", "http", "api"]);
    refused(with_socket("pushnote-server", listener(), "api", SERVER), &["\"api\"", "with --api"]);
    let mq = &["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"];
    refused(with_socket("pushnote-mq", listener(), "sub", mq), &["\"sub\"", "--sub"]);
    let connected = {
        let listener = listener();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    };
    refused(with_socket("pushnote-server", connected, "http", SERVER), &["(http)", "ListenStream="]);
    let datagrams = UnixDatagram::unbound().unwrap();
    refused(with_socket("pushnote-server", datagrams, "http", SERVER), &["(http)", "ListenStream="]);
}

/// Where a supervisor's socket is counts, not what flags would say without it.
#[test]
fn what_is_in_the_way_of_a_supervisor_s_socket() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let key = folder.path().join("key");
    let key = ["keygen", "--api=x", "--rights=publish", &format!("--secret-file={}", key.display())];
    std::fs::write(&keys, Process::output("pushnote", &key, &[]).stdout).unwrap();
    let keys = format!("--api-keys={}", keys.display());
    let with = |flags: &[&str]| {
        let arguments = [SERVER, flags].concat();
        with_socket("pushnote-server", socket.try_clone().unwrap(), "http", &arguments)
    };
    let fallback = format!("--fallback=http://{address}");
    let words = ["where this server itself listens", "the supervisor's socket http"];
    refused_with(64, with(&[&fallback, "--unix-socket=/nowhere"]), &words);
    let api = format!("--api={address}");
    refused_with(64, with(&[&api, &keys]), &["the supervisor's socket http and --api: both listen on port"]);

    // The port that browsers would come to without it is free for others.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags =
        [format!("--port={}", free.port()), format!("--api={free}"), format!("--fallback=http://{free}")];
    let mut command = with(&[&flags[0], &flags[1], &flags[2], &keys]);
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let api = said.find(|line| line.starts_with("api listening on http://"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(api, Some(format!("api listening on http://{free}/v1/")));
}

#[test]
fn what_is_meant_for_another_process_is_left_alone() {
    let server = Launch::server().arguments(SERVER.iter().copied().chain(["--port=0"]));
    let server = server.variable("LISTEN_PID", "1").variable("LISTEN_FDS", "1").start();
    server.line_after("listening on http://");
}

#[test]
fn health_is_asked_by_a_command() {
    let server = Launch::server().arguments(SERVER.iter().copied().chain(["--port=0"])).start();
    let line = server.line_after("listening on http://");
    let (_, port) = line.split_once("/sockjs").unwrap().0.rsplit_once(':').unwrap();
    let ask = |url: &str| Process::output("pushnote", &["health", url], &[]);
    let well = ask(&format!("http://127.0.0.1:{port}/health"));
    assert!(well.status.success() && well.stdout.starts_with(b"ok"), "{well:?}");
    assert_eq!(ask(&format!("http://127.0.0.1:{port}/none")).status.code(), Some(69));
}
