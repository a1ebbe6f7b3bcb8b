//! The parts of a set-up, started with the command lines of the README.

use std::net::TcpListener;

use crate::process::Process;

/// The secret of every set-up of the suites.
pub const SECRET: &str = "a-secret-of-the-test-suites-0123456789abcdef";

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
    arguments: Vec<String>,
}

impl Forwarder {
    /// Starts it on ports of its own choice.
    pub fn start() -> Self {
        Self::start_on(ANY_PORT, ANY_PORT)
    }

    /// Starts it on these endpoints.
    pub fn start_on(sub: &str, publ: &str) -> Self {
        Self::run(sub, publ, Vec::new())
    }

    /// Starts it on ports of its own choice with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run(ANY_PORT, ANY_PORT, arguments.iter().map(|&argument| argument.to_owned()).collect())
    }

    fn run(sub: &str, publ: &str, arguments: Vec<String>) -> Self {
        let mut all = vec![format!("--sub={sub}"), format!("--pub={publ}")];
        all.extend(arguments.iter().cloned());
        let process = Process::start("pushnote-mq", &all, &[]);
        let sub = process.line_after("sub listening on ");
        let publ = process.line_after("pub listening on ");
        Self { process, sub, publ, arguments }
    }

    /// Kills it and starts it again on the same endpoints.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::run(&self.sub, &self.publ, self.arguments.clone());
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
    arguments: Vec<String>,
}

impl Server {
    /// Starts it on a free port, connected to `mq_socket`.
    pub fn start(mq_socket: &str) -> Self {
        Self::with(&[&format!("--mq_socket={mq_socket}")])
    }

    /// Starts it on a free port with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run("0", arguments.iter().map(|&argument| argument.to_owned()).collect())
    }

    /// Returns once it hears what all its forwarders are given.
    pub fn subscribed(self) -> Self {
        for _ in self.mq_socket.split(',') {
            self.process.line_after("subscribed to ");
        }
        self
    }

    fn run(port: &str, arguments: Vec<String>) -> Self {
        let mut all =
            vec![format!("--port={port}"), "--address=127.0.0.1".to_owned(), "--route=/sockjs".to_owned()];
        all.extend(arguments.iter().cloned());
        let process = Process::start("pushnote-server", &all, &[("PUSHNOTE_SECRET", SECRET)]);
        let line = process.line_after("listening on http://");
        let address = line.split('/').next().expect("an address").to_owned();
        let mq_socket = line.rsplit(' ').next().expect("an endpoint").to_owned();
        Self { process, address, mq_socket, arguments }
    }

    /// Kills it and starts it again on the same port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::run(&self.port(), self.arguments.clone());
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
    arguments: Vec<String>,
}

impl Single {
    /// Starts it on free ports.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it with applications publishing to `endpoint`.
    pub fn start_on(endpoint: &str) -> Self {
        Self::run("0", endpoint, Vec::new())
    }

    /// Starts it on free ports with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run("0", ANY_PORT, arguments.iter().map(|&argument| argument.to_owned()).collect())
    }

    fn run(port: &str, endpoint: &str, arguments: Vec<String>) -> Self {
        let mut all = vec!["--single".to_owned(), format!("--mq_socket={endpoint}")];
        all.extend(arguments.iter().cloned());
        let server = Server::run(port, all);
        let endpoint = server.mq_socket.clone();
        Self { server, endpoint, arguments }
    }

    /// Kills it and starts it again on the same ports.
    pub fn crash_and_restart(&mut self) {
        self.server.process.kill();
        *self = Self::run(&self.server.port(), &self.endpoint, self.arguments.clone());
    }
}
