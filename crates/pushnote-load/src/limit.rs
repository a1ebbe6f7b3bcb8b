//! The bare limit: what a server would cost that does nothing but `send(2)`.
//!
//! A process of its own, so that it is measured as any server is. It takes what waits of the publisher's lines in one
//! read, puts it into WebSocket frames once, and writes them to one socket after the other with one call each.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::error::LoadError;
use crate::frame;
use crate::preset::ACCEPT;

/// What a publisher says first; all others ask for a WebSocket.
pub(crate) const PUBLISHER_GREETING: &[u8] = b"PUBLISH\r\n";

const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 1 << 20;

/// The process that is measured. It ends with this value.
pub struct Limit {
    child: Child,
    /// Where it listens, for subscribers and for the publisher.
    pub address: SocketAddr,
}

impl Limit {
    /// Starts `program`, which is to call [`run`](run()).
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not say where it listens.
    pub fn start(mut program: Command) -> Result<Self, LoadError> {
        let failed = |error: io::Error| LoadError::System(format!("cannot start the bare limit: {error}"));
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(failed)?;
        }
        let address = line
            .trim()
            .parse()
            .map_err(|_| LoadError::System("the bare limit did not say where it listens".into()));
        match address {
            Ok(address) => Ok(Self { child, address }),
            Err(failure) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failure)
            }
        }
    }

    /// The process to measure.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the process: says where it listens, serves one publisher, ends.
///
/// # Errors
///
/// It cannot listen, or a connection breaks.
pub fn run() -> Result<(), LoadError> {
    let failed = |error: io::Error| LoadError::System(format!("bare limit: {error}"));
    // It does not outlive the run that started it.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    println!("{}", listener.local_addr().map_err(failed)?);
    serve(&listener).map_err(failed)
}

/// Takes connections until a publisher comes, then its messages until it goes.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut subscribers = Vec::new();
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GREETING_TIMEOUT))?;
        if is_publisher(&mut stream)? {
            stream.set_read_timeout(None)?;
            return fan_out(stream, subscribers);
        }
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes())?;
        subscribers.push(stream);
    }
}

/// Reads what a newcomer says first.
fn is_publisher(stream: &mut TcpStream) -> io::Result<bool> {
    let mut greeting = Vec::new();
    let mut byte = [0];
    while !greeting.ends_with(b"\r\n\r\n") {
        if greeting == PUBLISHER_GREETING {
            return Ok(true);
        }
        if greeting.len() > READ_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        greeting.push(byte[0]);
    }
    Ok(false)
}

fn fan_out(mut publisher: TcpStream, mut subscribers: Vec<TcpStream>) -> io::Result<()> {
    let mut input = vec![0; READ_BYTES];
    let mut filled = 0;
    let mut frames = Vec::new();
    loop {
        let bytes = publisher.read(&mut input[filled..])?;
        if bytes == 0 {
            return Ok(());
        }
        filled += bytes;
        let Some(end) = memchr::memrchr(b'\n', &input[..filled]) else { continue };
        frames.clear();
        for line in input[..end].split(|&byte| byte == b'\n') {
            frame::put_server(&mut frames, frame::TEXT, line);
        }
        input.copy_within(end + 1..filled, 0);
        filled -= end + 1;
        subscribers.retain_mut(|subscriber| subscriber.write_all(&frames).is_ok());
    }
}
