//! Addresses of servers under load.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Position;

/// The port of an address that names none.
const PORT: u16 = 80;

/// An address that cannot be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `ws` nor `http`.
    #[error(
        "{0:?} must begin with ws:// or http://, as in ws://127.0.0.1:8080/sockjs/websocket; TLS is not spoken"
    )]
    Scheme(String),
    /// No host of this name, or no name at all.
    #[error("{0:?} names no address that can be found")]
    Address(String),
    /// Another machine's.
    #[error(
        "{0:?} is not this machine: a load test of another one needs its owner's consent and --allow-remote"
    )]
    Remote(String),
}

/// A parsed and resolved `ws://` or `http://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where to connect to.
    pub address: SocketAddr,
    /// What the Host header says.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// `name:password` before an `@`.
    pub credentials: Option<(String, String)>,
}

impl Url {
    /// Parses and resolves `text`.
    ///
    /// # Errors
    ///
    /// It is no `ws://` or `http://` address, cannot be resolved, or is another machine's, which `allow_remote` allows.
    pub fn parse(text: &str, allow_remote: bool) -> Result<Self, UrlError> {
        if !text.starts_with("ws://") && !text.starts_with("http://") {
            return Err(UrlError::Scheme(text.to_owned()));
        }
        let (url, address) = resolve(text, allow_remote)?;
        let decode = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
        Ok(Self {
            address,
            host: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            credentials: url.password().map(|password| (decode(url.username()), decode(password))),
        })
    }

    /// The root of `address`.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), path: "/".to_owned(), credentials: None }
    }

    /// The header lines of HTTP's basic authentication, if there are credentials.
    pub(crate) fn authorization(&self) -> String {
        self.credentials.as_ref().map_or_else(String::new, |(name, password)| {
            format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{name}:{password}")))
        })
    }
}

/// The address of the ZeroMQ endpoint `tcp://HOST:PORT`.
///
/// # Errors
///
/// It cannot be resolved, or is another machine's, which `allow_remote` allows.
pub fn zmq_address(endpoint: &str, allow_remote: bool) -> Result<SocketAddr, UrlError> {
    resolve(endpoint, allow_remote).map(|(_, address)| address)
}

/// The parsed `text` and its address, refused unless it is this machine's.
fn resolve(text: &str, allow_remote: bool) -> Result<(url::Url, SocketAddr), UrlError> {
    let unknown = || UrlError::Address(text.to_owned());
    let url = url::Url::parse(text).map_err(|_| unknown())?;
    let addresses = url.socket_addrs(|| Some(PORT)).map_err(|_| unknown())?;
    let address = *addresses.first().ok_or_else(unknown)?;
    if allow_remote || address.ip().is_loopback() {
        Ok((url, address))
    } else {
        Err(UrlError::Remote(url[Position::BeforeHost..Position::AfterPort].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_out() {
        let url = Url::parse("ws://127.0.0.1:8080/sockjs/websocket?a=b", false).unwrap();
        assert_eq!(url.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((url.host.as_str(), url.path.as_str()), ("127.0.0.1:8080", "/sockjs/websocket?a=b"));
        assert_eq!(url.authorization(), "");

        let url = Url::parse("http://key:sec%2fret@[::1]:90", false).unwrap();
        assert_eq!(url.address, "[::1]:90".parse().unwrap());
        assert_eq!((url.host.as_str(), url.path.as_str()), ("[::1]:90", "/"));
        assert_eq!(url.credentials, Some(("key".into(), "sec/ret".into())));
        assert_eq!(Url::parse("ws://127.0.0.1?x", false).unwrap().path, "/?x");
        assert_eq!(
            Url::parse("ws://127.0.0.1", false).unwrap(),
            Url { host: "127.0.0.1".into(), ..Url::of(([127, 0, 0, 1], 80).into()) }
        );
    }

    #[test]
    fn endpoints_are_resolved() {
        assert_eq!(zmq_address("tcp://127.0.0.1:8002", false), Ok(([127, 0, 0, 1], 8002).into()));
        assert_eq!(zmq_address("tcp://[::1]:8002", false), Ok("[::1]:8002".parse().unwrap()));
        assert!(matches!(zmq_address("tcp://192.0.2.1:1", false), Err(UrlError::Remote(_))));
        assert!(matches!(zmq_address("tcp://", false), Err(UrlError::Address(_))));
    }

    #[test]
    fn only_this_machine_unless_told_otherwise() {
        let remote = Url::parse("ws://192.0.2.1:81/", false);
        assert_eq!(remote, Err(UrlError::Remote("192.0.2.1:81".into())));
        assert!(Url::parse("ws://192.0.2.1:80/", true).is_ok());
        assert!(Url::parse("ws://127.9.9.9/", false).is_ok());
        assert!(matches!(Url::parse("ws://0.0.0.0/", false), Err(UrlError::Remote(_))));
    }

    #[test]
    fn faults_are_named() {
        assert!(matches!(Url::parse("wss://127.0.0.1/", false), Err(UrlError::Scheme(_))));
        assert!(matches!(Url::parse("ws://:80/", false), Err(UrlError::Address(_))));
        assert!(matches!(Url::parse("ws://127.0.0.1:99999/", false), Err(UrlError::Address(_))));
    }
}
