//! The parts of a set-up, started with the command lines of the README.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::launch::{Launch, SECRET};
use crate::process::Process;

/// The first of those that are looked at, and how many: above those that suites and pages name, and below those that Linux gives
/// to connections, and to whoever asks for port 0.
const PORTS: (u32, u32) = (17_000, 9_000);

/// A TCP port of 127.0.0.1 that nobody listens on at the moment, and that nobody else is given: what is killed comes back there.
///
/// # Panics
///
/// If this machine has no free port.
pub fn free_port() -> u16 {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    let (first, count) = PORTS;
    // A suite that runs at the same time begins elsewhere.
    let begin = std::process::id().wrapping_mul(997) % count;
    (0..count)
        .map(|_| first + (begin + DRAWN.fetch_add(1, Ordering::Relaxed)) % count)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// A ZeroMQ endpoint nobody listens on at the moment.
///
/// # Panics
///
/// If this machine has no free port.
pub fn free_endpoint() -> String {
    format!("tcp://127.0.0.1:{}", free_port())
}

/// A token for `user`, made by `pushnote token`.
///
/// # Panics
///
/// If the tool fails.
pub fn token(user: &str) -> String {
    let made = Process::output("pushnote", &["token", user], &[("PUSHNOTE_SECRET", SECRET)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).expect("text").trim().to_owned()
}

/// `pushnote-mq`.
pub struct Forwarder {
    /// The running process.
    pub process: Process,
    /// Where applications publish to.
    pub sub: String,
    /// Where servers subscribe.
    pub publ: String,
    launch: Launch,
}

impl Forwarder {
    /// Starts it on free ports.
    pub fn start() -> Self {
        Self::start_on(&free_endpoint(), &free_endpoint())
    }

    /// Starts it on these endpoints.
    pub fn start_on(sub: &str, publ: &str) -> Self {
        Self::run(sub, publ, Launch::forwarder())
    }

    /// Starts it on free ports with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run(
            &free_endpoint(),
            &free_endpoint(),
            Launch::forwarder().arguments(arguments.iter().copied()),
        )
    }

    fn run(sub: &str, publ: &str, launch: Launch) -> Self {
        let ends = [format!("--sub={sub}"), format!("--pub={publ}")];
        let process = launch.clone().arguments(ends).start_logged();
        let sub = process.line_after("sub listening on ");
        let publ = process.line_after("pub listening on ");
        Self { process, sub, publ, launch }
    }

    /// Kills it and starts it again on the same endpoints.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::run(&self.sub, &self.publ, self.launch.clone());
    }
}

/// `pushnote-server`, connected to a forwarder.
pub struct Server {
    /// The running process.
    pub process: Process,
    /// `127.0.0.1:PORT` of its HTTP.
    pub address: String,
    /// Where it subscribes, or is published to.
    pub mq_socket: String,
    launch: Launch,
}

impl Server {
    /// Starts it on a free port, connected to `mq_socket`.
    pub fn start(mq_socket: &str) -> Self {
        Self::with(&[&format!("--mq_socket={mq_socket}")])
    }

    /// Starts it on a free port with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of(Launch::server().arguments(arguments.iter().copied()))
    }

    /// Starts it on a free port.
    pub fn of(launch: Launch) -> Self {
        Self::run(free_port(), launch)
    }

    /// Returns once it hears what all its forwarders are given.
    pub fn subscribed(self) -> Self {
        for _ in self.mq_socket.split(',') {
            self.process.line_after("subscribed to ");
        }
        self
    }

    fn run(port: u16, launch: Launch) -> Self {
        let port = format!("--port={port}");
        let process =
            launch.clone().arguments([&port, "--address=127.0.0.1", "--route=/sockjs"]).start_logged();
        let line = process.line_after("listening on http://");
        let address = line.split('/').next().expect("an address").to_owned();
        let mq_socket = line.rsplit(' ').next().expect("an endpoint").to_owned();
        Self { process, address, mq_socket, launch }
    }

    /// Kills it and starts it again on the same port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::run(self.port(), self.launch.clone());
    }

    fn port(&self) -> u16 {
        self.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The raw WebSocket URL of its SockJS.
    pub fn websocket_url(&self) -> String {
        format!("ws://{}/sockjs/websocket", self.address)
    }
}

/// `pushnote-server --single`: publishers connect to it.
pub struct Single {
    /// The server.
    pub server: Server,
    /// Where applications publish to.
    pub endpoint: String,
    launch: Launch,
}

impl Single {
    /// Starts it on free ports.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it with applications publishing to `endpoint`.
    pub fn start_on(endpoint: &str) -> Self {
        Self::run(free_port(), endpoint, Launch::server())
    }

    /// Starts it on free ports with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of(Launch::server().arguments(arguments.iter().copied()))
    }

    /// Starts it on free ports.
    pub fn of(launch: Launch) -> Self {
        Self::run(free_port(), &free_endpoint(), launch)
    }

    fn run(port: u16, endpoint: &str, launch: Launch) -> Self {
        let single = ["--single".to_owned(), format!("--mq_socket={endpoint}")];
        let server = Server::run(port, launch.clone().arguments(single));
        let endpoint = server.mq_socket.clone();
        Self { server, endpoint, launch }
    }

    /// Kills it and starts it again on the same ports.
    pub fn crash_and_restart(&mut self) {
        self.server.process.kill();
        *self = Self::run(self.server.port(), &self.endpoint, self.launch.clone());
    }
}
