//! One connection that messages are published on, by ZeroMQ, HTTP or lines.
//!
//! One, because messages on several could overtake each other and order could not be checked.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use hmac::{Hmac, KeyInit, Mac};
use md5::Digest;
use mio::net::TcpStream;
use pushnote_zmtp_proto::command::{Command, put_command, subscription_message};
use pushnote_zmtp_proto::frame::{Header, put_frame};
use pushnote_zmtp_proto::handshake::{Handshake, SocketType};
use pushnote_zmtp_proto::scan::{Item, Limits, Scanner};
use sha2::Sha256;

use crate::error::LoadError;
use crate::http::{Body, Head};
use crate::plan::{Publish, user_id};
use crate::preset::Preset;
use crate::url::Url;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const BACKLOG_BYTES_MAX: usize = 64 << 20;
const READ_BYTES: usize = 64 * 1024;

/// A subscriber has little to say to a publisher.
const ZMQ_LIMITS: Limits =
    Limits { frame_bytes_max: 4096, message_bytes_max: 8192, parts_max: 1, commands: true };

/// Publishes without blocking.
pub(crate) struct Publisher {
    pub(crate) socket: TcpStream,
    route: Route,
    unsent: Vec<u8>,
    unread: BytesMut,
}

enum Route {
    Zmq(Scanner),
    Http(Box<HttpRoute>),
    Lines,
}

struct HttpRoute {
    preset: Preset,
    url: Url,
    headers: String,
    /// The body of the answer that is arriving.
    body: Option<Body>,
}

impl Publisher {
    /// Connects, and with ZeroMQ waits until the server has subscribed.
    pub(crate) fn connect(publish: &Publish, preset: Preset) -> Result<Self, LoadError> {
        let address = match publish {
            Publish::Zmq(address) | Publish::Lines(address) => *address,
            Publish::Http { url, .. } => url.address,
        };
        let failed = |error: io::Error| LoadError::Publish(format!("{address}: {error}"));
        let mut stream = dial(address).map_err(failed)?;
        let mut unread = BytesMut::new();
        let route = match publish {
            Publish::Zmq(_) => Route::Zmq(greet(&mut stream, &mut unread).map_err(failed)?),
            Publish::Http { url, headers } => Route::Http(Box::new(HttpRoute {
                preset,
                url: url.clone(),
                headers: headers.clone(),
                body: None,
            })),
            Publish::Lines(_) => {
                stream.write_all(crate::limit::PUBLISHER_GREETING).map_err(failed)?;
                Route::Lines
            }
        };
        stream.set_nonblocking(true).map_err(failed)?;
        Ok(Self { socket: TcpStream::from_std(stream), route, unsent: Vec::new(), unread })
    }

    /// Queues the JSON text `message`, for everyone or for the user of that number.
    pub(crate) fn push(&mut self, user: Option<usize>, message: &[u8]) -> Result<(), LoadError> {
        if self.unsent.len() > BACKLOG_BYTES_MAX {
            return Err(LoadError::Publish("the server takes messages too slowly; lower the rate".into()));
        }
        match &mut self.route {
            Route::Zmq(_) => put_frame(&mut self.unsent, 0, &envelope(user, message)),
            Route::Http(route) => route.put_request(&mut self.unsent, message),
            Route::Lines => {
                self.unsent.extend_from_slice(message);
                self.unsent.push(b'\n');
            }
        }
        Ok(())
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), LoadError> {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.socket.write(&self.unsent[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
        self.unsent.drain(..written);
        Ok(())
    }

    /// Reads what the server says to it: answers, or heartbeats.
    pub(crate) fn read(&mut self) -> Result<(), LoadError> {
        loop {
            let before = self.unread.len();
            self.unread.resize(before + READ_BYTES, 0);
            let result = self.socket.read(&mut self.unread[before..]);
            self.unread.truncate(before + result.as_ref().map_or(0, |bytes| *bytes));
            match result {
                Ok(0) => return Err(lost(&ErrorKind::UnexpectedEof.into())),
                Ok(_) => self.take()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    fn take(&mut self) -> Result<(), LoadError> {
        match &mut self.route {
            Route::Zmq(scanner) => {
                let mut out = BytesMut::new();
                scan(scanner, &mut self.unread, &mut out).map_err(|error| lost(&error))?;
                self.unsent.extend_from_slice(&out);
                self.flush()
            }
            Route::Http(route) => route.take(&mut self.unread),
            Route::Lines => {
                self.unread.clear();
                Ok(())
            }
        }
    }
}

fn lost(error: &io::Error) -> LoadError {
    LoadError::Publish(format!("the connection was lost: {error}"))
}

fn dial(address: SocketAddr) -> io::Result<StdTcpStream> {
    let stream = StdTcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    Ok(stream)
}

/// pushnote's envelope.
fn envelope(user: Option<usize>, message: &[u8]) -> Vec<u8> {
    let (name, users) = match user {
        None => ("notify_all", String::new()),
        Some(number) => ("notify", format!(r#","users":["{}"]"#, user_id(number))),
    };
    let text = String::from_utf8_lossy(message);
    format!(r#"{{"name":"{name}","data":{text}{users}}}"#).into_bytes()
}

/// Shakes hands as a PUB socket and waits for the first subscription.
fn greet(stream: &mut StdTcpStream, unread: &mut BytesMut) -> io::Result<Scanner> {
    let broken = |error: &dyn std::error::Error| io::Error::other(error.to_string());
    let mut handshake = Handshake::new(SocketType::Pub);
    let mut buffer = [0; 4096];
    let mut shaken = false;
    let mut scanner = Scanner::new(ZMQ_LIMITS);
    loop {
        stream.write_all(&handshake.output().split())?;
        let bytes = stream.read(&mut buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "nobody subscribes there"),
            _ => error,
        })?;
        if bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        unread.extend_from_slice(&buffer[..bytes]);
        if !shaken {
            shaken = handshake.advance(unread).map_err(|error| broken(&error))?.is_some();
        }
        if shaken {
            stream.write_all(&handshake.output().split())?;
            let mut out = BytesMut::new();
            let subscribed = scan(&mut scanner, unread, &mut out)?;
            stream.write_all(&out)?;
            if subscribed {
                return Ok(scanner);
            }
        }
    }
}

/// Takes what a subscriber said; answers go to `out`. Says whether it subscribed.
fn scan(scanner: &mut Scanner, unread: &mut BytesMut, out: &mut BytesMut) -> io::Result<bool> {
    let mut subscribed = false;
    loop {
        match scanner.scan(unread).map_err(|error| io::Error::other(error.to_string()))? {
            Item::Incomplete { .. } => return Ok(subscribed),
            Item::Messages { bytes, .. } => {
                let run = unread.split_to(bytes);
                let body = Header::parse(&run).and_then(|header| run.get(header.head_bytes..));
                subscribed |= matches!(body.and_then(subscription_message), Some(Command::Subscribe(_)));
            }
            Item::Command { bytes, body } => {
                let frame = unread.split_to(bytes);
                match Command::parse(&frame[body]) {
                    Ok(Command::Subscribe(_)) => subscribed = true,
                    Ok(Command::Ping { context, .. }) => put_command(out, "PONG", context),
                    _ => {}
                }
            }
        }
    }
}

impl HttpRoute {
    fn put_request(&self, out: &mut Vec<u8>, message: &[u8]) {
        let body = self.preset.http_body(message);
        let (path, authorization) = match (self.preset, &self.url.credentials) {
            (Preset::Pusher, Some((key, secret))) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                (pusher_path(&self.url.path, key, secret, now, &body), String::new())
            }
            _ => (self.url.path.clone(), self.url.authorization()),
        };
        let (host, headers, length) = (&self.url.host, &self.headers, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}{headers}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&body);
    }

    fn take(&mut self, unread: &mut BytesMut) -> Result<(), LoadError> {
        loop {
            let body = match &mut self.body {
                Some(body) => body,
                None => match Head::first(unread)? {
                    None => return Ok(()),
                    Some((head, bytes)) => {
                        let rest = unread.split_off(bytes);
                        if head.status >= 300 {
                            let text = String::from_utf8_lossy(&rest[..rest.len().min(200)]).into_owned();
                            return Err(LoadError::Publish(format!("HTTP {}: {text}", head.status)));
                        }
                        if head.last {
                            let advice =
                                "the server closes the connection after some requests; let it keep more";
                            return Err(LoadError::Publish(advice.to_owned()));
                        }
                        *unread = rest;
                        self.body.insert(head.body)
                    }
                },
            };
            let (taken, _) = body.take(unread)?;
            let done = body.is_done();
            let _ = unread.split_to(taken);
            if done {
                self.body = None;
            } else if taken == 0 {
                return Ok(());
            }
        }
    }
}

/// The path of a request signed as Pusher's HTTP API wants it.
fn pusher_path(path: &str, key: &str, secret: &str, now: u64, body: &[u8]) -> String {
    let digest = hexadecimal(&md5::Md5::digest(body));
    let query = format!("auth_key={key}&auth_timestamp={now}&auth_version=1.0&body_md5={digest}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(format!("POST\n{path}\n{query}").as_bytes());
    format!("{path}?{query}&auth_signature={}", hexadecimal(&mac.finalize().into_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_pushnotes_own() {
        assert_eq!(envelope(None, b"\"x\""), br#"{"name":"notify_all","data":"x"}"#);
        assert_eq!(envelope(Some(3), b"\"x\""), br#"{"name":"notify","data":"x","users":["bench-3"]}"#);
    }

    /// The worked example of Pusher's documentation of its HTTP API, "Authentication".
    #[test]
    fn pusher_requests_are_signed() {
        let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        let path = pusher_path(
            "/apps/3/events",
            "278d425bdf160c739803",
            "7ad3773142a6692b25b8",
            1_353_088_179,
            body,
        );
        assert!(path.contains("body_md5=ec365a775a4cd0599faeb73354201b6f"), "{path}");
        assert!(
            path.ends_with("auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"),
            "{path}"
        );
    }

    #[test]
    fn answers_are_counted_however_they_are_cut_and_refusals_shown() {
        let url = Url::parse("http://127.0.0.1:1/", false).unwrap();
        let mut route = HttpRoute { preset: Preset::Raw, url, headers: String::new(), body: None };
        let answers =
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n".repeat(2);
        let mut unread = BytesMut::new();
        for byte in answers {
            unread.extend_from_slice(&[byte]);
            route.take(&mut unread).unwrap();
        }
        assert!(unread.is_empty() && route.body.is_none());

        unread.extend_from_slice(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        assert_eq!(route.take(&mut unread).unwrap_err().to_string(), "HTTP 403: no");
    }
}
