//! A push service: it keeps what it is sent, and answers as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use pushnote_tests::PATIENCE;

/// A message that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// Lines, in small letters but for their values.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct State {
    received: VecDeque<Received>,
    /// What the next ones are answered, before all are 201.
    answers: VecDeque<String>,
}

/// Serves until the test ends, with HTTP/1.1 and without TLS.
pub(crate) struct Service {
    pub(crate) address: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let of_connections = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_connections);
                thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { address, shared }
    }

    /// The next message.
    pub(crate) fn next(&self) -> Received {
        let (state, come) = &*self.shared;
        let none = |state: &mut State| state.received.is_empty();
        let (mut state, _) = come.wait_timeout_while(state.lock().unwrap(), PATIENCE, none).unwrap();
        state.received.pop_front().expect("a message")
    }

    /// What has come, and was not asked for.
    pub(crate) fn take(&self) -> Vec<Received> {
        self.shared.0.lock().unwrap().received.drain(..).collect()
    }

    /// Nothing comes in that time.
    pub(crate) fn is_silent_for(&self, time: Duration) -> bool {
        let (state, come) = &*self.shared;
        let none = |state: &mut State| state.received.is_empty();
        let (state, _) = come.wait_timeout_while(state.lock().unwrap(), time, none).unwrap();
        state.received.is_empty()
    }

    /// The next message that is not answered yet gets this: a status, and headers.
    pub(crate) fn answer(&self, answer: &str) {
        self.shared.0.lock().unwrap().answers.push_back(answer.to_owned());
    }
}

/// Takes one request; `None` at the end of a connection.
fn serve(stream: &TcpStream, (state, come): &(Mutex<State>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let len = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    let answer = {
        let mut state = state.lock().unwrap();
        state.received.push_back(Received { path, headers, body });
        state.answers.pop_front().unwrap_or_else(|| "201 Created".to_owned())
    };
    come.notify_all();
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()
}
