//! The parts of a set-up, started with the command lines of the README.

use std::net::TcpListener;

use crate::process::Process;

/// The secret of every set-up of the suites.
pub const SECRET: &str = "a-secret-of-the-test-suites-0123456789abcdef";

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
}

impl Forwarder {
    /// Starts it on free ports.
    pub fn start() -> Self {
        Self::start_on(free_endpoint(), free_endpoint())
    }

    /// Starts it on these endpoints.
    pub fn start_on(sub: String, publ: String) -> Self {
        let process = Process::start("pushnote-mq", &[format!("--sub={sub}"), format!("--pub={publ}")], &[]);
        process.line_after("listening on");
        Self { process, sub, publ }
    }

    /// Kills it and starts it again on the same endpoints.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::start_on(self.sub.clone(), self.publ.clone());
    }
}

/// `pushnote-server`, connected to a forwarder.
pub struct Server {
    /// The running process.
    pub process: Process,
    /// `127.0.0.1:PORT` of its HTTP.
    pub address: String,
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

    fn run(port: &str, arguments: Vec<String>) -> Self {
        let mut all =
            vec![format!("--port={port}"), "--address=127.0.0.1".to_owned(), "--route=/sockjs".to_owned()];
        all.extend(arguments.iter().cloned());
        let process = Process::start("pushnote-server", &all, &[("PUSHNOTE_SECRET", SECRET)]);
        let rest = process.line_after("listening on http://");
        let address = rest.split('/').next().expect("an address").to_owned();
        Self { process, address, arguments }
    }

    /// Kills it and starts it again on the same port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        let port = self.address.rsplit(':').next().expect("a port").to_owned();
        *self = Self::run(&port, self.arguments.clone());
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
}

impl Single {
    /// Starts it on free ports.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it on free ports with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let endpoint = free_endpoint();
        let mq_socket = format!("--mq_socket={endpoint}");
        let mut all = vec!["--single", &mq_socket];
        all.extend(arguments);
        Self { server: Server::with(&all), endpoint }
    }
}
