//! ZMTP by hand: a peer that can say anything.

use std::io;
use std::time::Duration;

use pushnote_tests::PATIENCE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Less than a handshake may take (5 s), and than heartbeats need to find a peer dead (10 s).
const SOON: Duration = Duration::from_secs(4);

pub(crate) const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
pub(crate) const MORE: u8 = 1;
pub(crate) const LONG: u8 = 2;
pub(crate) const COMMAND: u8 = 4;

/// A stream, whichever transport carries it.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// An endpoint under test, and the socket type of a peer that is welcome there.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) endpoint: String,
    pub(crate) kind: &'static str,
}

impl Door {
    pub(crate) fn new(endpoint: &str, kind: &'static str) -> Self {
        Self { endpoint: endpoint.to_owned(), kind }
    }

    /// The address of a TCP endpoint.
    pub(crate) fn address(&self) -> Option<&str> {
        self.endpoint.strip_prefix("tcp://")
    }

    /// Connects and says nothing.
    pub(crate) async fn open(&self) -> Raw {
        self.try_open().await.unwrap_or_else(|error| panic!("{}: {error}", self.endpoint))
    }

    pub(crate) async fn try_open(&self) -> io::Result<Raw> {
        let stream: Box<dyn Wire> = match self.endpoint.strip_prefix("ipc://") {
            Some(path) => Box::new(UnixStream::connect(path).await?),
            None => Box::new(TcpStream::connect(self.address().expect("tcp or ipc")).await?),
        };
        Ok(Raw { stream })
    }

    /// Connects and greets, as a peer of ZMTP 3.0: it need not answer heartbeats.
    pub(crate) async fn enter(&self) -> Raw {
        self.enter_as(&ready(self.kind, &[]), 0).await
    }

    /// Connects and greets with this READY and minor version.
    pub(crate) async fn enter_as(&self, ready: &[u8], minor: u8) -> Raw {
        let mut raw = self.open().await;
        raw.greet(ready, minor).await.unwrap_or_else(|error| panic!("{}: {error}", self.endpoint));
        raw
    }
}

/// A connection with nothing of ours between it and the test.
pub(crate) struct Raw {
    pub(crate) stream: Box<dyn Wire>,
}

impl Raw {
    pub(crate) async fn greet(&mut self, ready: &[u8], minor: u8) -> io::Result<()> {
        self.stream.write_all(&greeting(minor)).await?;
        let mut theirs = [0; 64];
        timeout(PATIENCE, self.stream.read_exact(&mut theirs)).await??;
        self.stream.write_all(ready).await?;
        self.frame().await?;
        Ok(())
    }

    /// Writes; a peer that has hung up meanwhile is no fault.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("nobody reads");
    }

    /// The next frame: its flags and its body.
    pub(crate) async fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        timeout(PATIENCE, async {
            let flags = self.stream.read_u8().await?;
            let bytes = if flags & LONG == 0 {
                u64::from(self.stream.read_u8().await?)
            } else {
                self.stream.read_u64().await?
            };
            let mut body = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
            self.stream.read_exact(&mut body).await?;
            Ok((flags, body))
        })
        .await?
    }

    /// The next frame that is part of a message.
    pub(crate) async fn message(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let (flags, body) = self.frame().await?;
            if flags & COMMAND == 0 {
                return Ok(body);
            }
        }
    }

    /// Asserts that the other side ends the connection for what was just said: too soon for any time-out of its.
    pub(crate) async fn is_ended(&mut self, why: &str) {
        assert!(timeout(SOON, self.until_end()).await.is_ok(), "not closed: {why}");
    }

    /// Asserts that the other side ends the connection, now or when it has waited long enough.
    pub(crate) async fn is_ended_in_time(&mut self, why: &str) {
        assert!(timeout(PATIENCE, self.until_end()).await.is_ok(), "not closed: {why}");
    }

    async fn until_end(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        while self.stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
    }

    /// Asserts that the other side still answers.
    pub(crate) async fn is_served(&mut self, why: &str) {
        self.say(&command(b"\x04PING\0\0mark")).await;
        loop {
            match self.frame().await {
                Ok((COMMAND, body)) if body == b"\x04PONGmark" => return,
                Ok(_) => {}
                Err(error) => panic!("not served: {why}: {error}"),
            }
        }
    }
}

pub(crate) fn greeting(minor: u8) -> Vec<u8> {
    let mut greeting = [&SIGNATURE[..], &[3, minor], b"NULL"].concat();
    greeting.resize(64, 0);
    greeting
}

/// A READY command of a socket of this type, with further properties.
pub(crate) fn ready(kind: &str, properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", kind.as_bytes())].iter().chain(properties) {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    }
    command(&body)
}

pub(crate) fn command(body: &[u8]) -> Vec<u8> {
    frame(COMMAND, body)
}

/// A frame of up to 255 bytes, or of the long form.
pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    match u8::try_from(body.len()) {
        Ok(bytes) => [&[flags, bytes][..], body].concat(),
        Err(_) => [&head(flags, body.len() as u64)[..], body].concat(),
    }
}

/// The head of a long frame, and nothing of its body.
pub(crate) fn head(flags: u8, body_bytes: u64) -> Vec<u8> {
    [&[flags | LONG][..], &body_bytes.to_be_bytes()].concat()
}

pub(crate) fn subscribe(prefix: &[u8]) -> Vec<u8> {
    frame(0, &[&[1], prefix].concat())
}
