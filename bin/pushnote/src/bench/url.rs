//! Addresses of servers under load.

use std::net::{SocketAddr, ToSocketAddrs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

/// An address that cannot be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum UrlError {
    #[error(
        "{0:?} must begin with ws:// or http://, as in ws://127.0.0.1:8080/sockjs/websocket; TLS is not spoken"
    )]
    Scheme(String),
    #[error("{0:?} names no address that can be found")]
    Address(String),
    #[error(
        "{0:?} is not this machine: a load test of another one needs its owner's consent and --allow-remote"
    )]
    Remote(String),
}

/// A parsed and resolved `ws://` or `http://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) address: SocketAddr,
    /// What the Host header says.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    /// `name:password` before an `@`.
    pub(crate) credentials: Option<(String, String)>,
}

impl Url {
    pub(crate) fn parse(text: &str, allow_remote: bool) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| UrlError::Scheme(text.to_owned()))?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) => (&rest[..at], rest[at..].to_owned()),
            None => (rest, "/".to_owned()),
        };
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((before, host)) => (before.split_once(':'), host),
            None => (None, authority),
        };
        Ok(Self {
            address: resolve(host, allow_remote)?,
            host: host.to_owned(),
            path,
            credentials: credentials.map(|(name, password)| (name.to_owned(), password.to_owned())),
        })
    }

    /// The header lines of HTTP's basic authentication, if there are credentials.
    pub(crate) fn authorization(&self) -> String {
        self.credentials.as_ref().map_or_else(String::new, |(name, password)| {
            format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{name}:{password}")))
        })
    }
}

/// The address of `host` or `host:port`, refused unless it is this machine's.
pub(crate) fn resolve(host: &str, allow_remote: bool) -> Result<SocketAddr, UrlError> {
    let with_port = host.parse::<SocketAddr>().is_ok()
        || host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let full = if with_port { host.to_owned() } else { format!("{host}:80") };
    let address = full.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let address = address.ok_or_else(|| UrlError::Address(host.to_owned()))?;
    if allow_remote || address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(UrlError::Remote(host.to_owned()))
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

        let url = Url::parse("http://key:secret@[::1]:90", false).unwrap();
        assert_eq!(url.address, "[::1]:90".parse().unwrap());
        assert_eq!((url.host.as_str(), url.path.as_str()), ("[::1]:90", "/"));
        assert_eq!(url.credentials, Some(("key".into(), "secret".into())));
        assert_eq!(Url::parse("ws://127.0.0.1?x", false).unwrap().path, "/?x");
    }

    #[test]
    fn only_this_machine_unless_told_otherwise() {
        let remote = Url::parse("ws://192.0.2.1:80/", false);
        assert_eq!(remote, Err(UrlError::Remote("192.0.2.1:80".into())));
        assert!(Url::parse("ws://192.0.2.1:80/", true).is_ok());
        assert!(Url::parse("ws://127.9.9.9/", false).is_ok());
        assert!(matches!(Url::parse("ws://0.0.0.0/", false), Err(UrlError::Remote(_))));
    }

    #[test]
    fn faults_are_named() {
        assert!(matches!(Url::parse("wss://127.0.0.1/", false), Err(UrlError::Scheme(_))));
        assert!(matches!(Url::parse("ws:///x", false), Err(UrlError::Address(_))));
        assert!(matches!(Url::parse("ws://127.0.0.1:99999/", false), Err(UrlError::Address(_))));
    }
}
