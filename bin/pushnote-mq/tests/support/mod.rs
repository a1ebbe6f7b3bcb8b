//! A running `pushnote-mq` and peers for it.

#![expect(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "each suite uses its part")]

use pushnote_zmtp::{Endpoint, Options, Publisher, Subscriber};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SIGNATURE: &[u8] = &[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];

pub(crate) struct Mq {
    child: Child,
    pub(crate) sub: Endpoint,
    pub(crate) r#pub: Endpoint,
}

impl Mq {
    pub(crate) fn start() -> Self {
        Self::start_with("", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    }

    /// Runs a line of shell before it in the same process: `ulimit`.
    pub(crate) fn start_with(before: &str, sub: &str, r#pub: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_pushnote-mq");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}\nexec {program} --sub={sub} --pub={pub}")]);
        let mut child = command.env("PUSHNOTE_LOG", "warn").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut endpoint = || lines.next().unwrap().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        Mq { sub: endpoint(), r#pub: endpoint(), child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn rss_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn cpu(&self) -> Duration {
        let times = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap();
        Duration::from_nanos(times.split(' ').next().unwrap().parse().unwrap())
    }

    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Sends a signal and gives the exit code, `None` when the signal killed it.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A publisher and a subscriber of our own on either side of the relay.
pub(crate) struct Flow {
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    sent: u64,
}

impl Flow {
    pub(crate) async fn through(mq: &Mq) -> Self {
        let publisher = Publisher::connect(mq.sub.clone(), Options::default());
        let subscriber = Subscriber::connect(mq.r#pub.clone(), Options::default());
        let mut flow = Flow { publisher, subscriber, sent: 0 };
        flow.heal().await;
        flow
    }

    /// Knocks until a message comes through, and takes all that were sent meanwhile.
    pub(crate) async fn heal(&mut self) {
        let knocking = async {
            loop {
                self.sent += 1;
                self.publisher.send(self.sent.to_string()).await.unwrap();
                let wait = Duration::from_millis(20);
                while let Ok(message) = timeout(wait, self.subscriber.recv()).await {
                    if *message.unwrap().into_single().unwrap() == *self.sent.to_string().as_bytes() {
                        return;
                    }
                }
            }
        };
        timeout(PATIENCE, knocking).await.expect("nothing comes through");
    }

    /// Sends `count` messages of `bytes` bytes and takes them on the other side: all, in order.
    pub(crate) async fn check(&mut self, count: usize, bytes: usize) {
        let first = self.sent + 1;
        for _ in 0..count {
            self.sent += 1;
            self.publisher.send(format!("{:0bytes$}", self.sent)).await.unwrap();
        }
        for number in first..=self.sent {
            let message =
                timeout(PATIENCE, self.subscriber.recv()).await.expect("a message is missing").unwrap();
            assert_eq!(&*message.into_single().unwrap(), format!("{number:0bytes$}").as_bytes());
        }
    }
}

pub(crate) fn dial(endpoint: &Endpoint) -> TcpStream {
    let stream = TcpStream::connect(endpoint.to_string().trim_start_matches("tcp://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A peer of ZMTP 3.0 after its handshake.
pub(crate) fn greeted(endpoint: &Endpoint, kind: &str) -> TcpStream {
    let mut stream = dial(endpoint);
    let mut greeting = [SIGNATURE, &[3, 0], b"NULL"].concat();
    greeting.resize(64, 0);
    stream.write_all(&greeting).unwrap();
    stream.write_all(&ready(kind, "")).unwrap();
    stream.read_exact(&mut [0; 64 + 27]).unwrap();
    stream
}

pub(crate) fn ready(kind: &str, identity: &str) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", kind), ("Identity", identity)] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    [&[4, body.len() as u8][..], &body].concat()
}

/// Reads until the other side closes, however it does.
pub(crate) fn closes(mut stream: TcpStream) -> bool {
    let mut scratch = [0; 4096];
    loop {
        match stream.read(&mut scratch) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}
