//! The parts of a set-up, started with the command lines of the README.

use std::net::TcpListener;

use crate::launch::{Launch, SECRET};
use crate::process::Process;

const ANY_PORT: &str = "tcp://127.0.0.1:0";

/// A ZeroMQ endpoint nobody listens on at the moment.
///
/// # Panics
///
/// If this machine has no free port.
pub fn free_endpoint() -> String {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    format!("tcp://127.0.0.1:{port}")
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
    /// Starts it on ports of its own choice.
    pub fn start() -> Self {
        Self::start_on(ANY_PORT, ANY_PORT)
    }

    /// Starts it on these endpoints.
    pub fn start_on(sub: &str, publ: &str) -> Self {
        Self::run(sub, publ, Launch::forwarder())
    }

    /// Starts it on ports of its own choice with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run(ANY_PORT, ANY_PORT, Launch::forwarder().arguments(arguments.iter().copied()))
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
        Self::run("0", Launch::server().arguments(arguments.iter().copied()))
    }

    /// Starts it on a free port.
    pub fn of(launch: Launch) -> Self {
        Self::run("0", launch)
    }

    /// Returns once it hears what all its forwarders are given.
    pub fn subscribed(self) -> Self {
        for _ in self.mq_socket.split(',') {
            self.process.line_after("subscribed to ");
        }
        self
    }

    fn run(port: &str, launch: Launch) -> Self {
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
        *self = Self::run(&self.port(), self.launch.clone());
    }

    fn port(&self) -> String {
        self.address.rsplit(':').next().expect("a port").to_owned()
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
        Self::run("0", endpoint, Launch::server())
    }

    /// Starts it on free ports with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of(Launch::server().arguments(arguments.iter().copied()))
    }

    /// Starts it on free ports.
    pub fn of(launch: Launch) -> Self {
        Self::run("0", ANY_PORT, launch)
    }

    fn run(port: &str, endpoint: &str, launch: Launch) -> Self {
        let single = ["--single".to_owned(), format!("--mq_socket={endpoint}")];
        let server = Server::run(port, launch.clone().arguments(single));
        let endpoint = server.mq_socket.clone();
        Self { server, endpoint, launch }
    }

    /// Kills it and starts it again on the same ports.
    pub fn crash_and_restart(&mut self) {
        self.server.process.kill();
        *self = Self::run(&self.server.port(), &self.endpoint, self.launch.clone());
    }
}
