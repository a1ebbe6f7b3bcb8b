//! Addresses as ZeroMQ writes them: `tcp://host:port` and `ipc://path`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// Where a socket listens or connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `tcp://host:port`.
    Tcp {
        /// An address, a name, or `None` for `*`: all interfaces when listening, this machine when connecting.
        host: Option<String>,
        /// 0 (or `*`) when listening: any free port.
        port: u16,
    },
    /// `ipc://path`: a Unix domain socket.
    Ipc(PathBuf),
}

/// Text that is no endpoint.
#[derive(Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// Neither `tcp://` nor `ipc://`.
    #[error("endpoint {0:?} must begin with tcp:// or ipc://, as in tcp://127.0.0.1:8002")]
    Scheme(String),
    /// No host, or a bare IPv6 address.
    #[error(
        "endpoint {0:?} needs a host: an address, a name, * or an IPv6 address in brackets, as in tcp://[::1]:8002"
    )]
    Host(String),
    /// No port, or no number.
    #[error("endpoint {0:?} needs a port from 0 to 65535, as in tcp://127.0.0.1:8002")]
    Port(String),
    /// No path, or one no system can bind.
    #[error("endpoint {0:?} needs a path of 1 to 107 bytes, as in ipc:///run/pushnote/mq.sock")]
    Path(String),
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes a Unix socket's path may have (`sun_path` less its final zero).
const PATH_BYTES_MAX: usize = 107;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("ipc://") {
            let sound =
                (1..=PATH_BYTES_MAX).contains(&path.len()) && !path.contains('\0') && !path.starts_with('@');
            return if sound {
                Ok(Endpoint::Ipc(path.into()))
            } else {
                Err(EndpointError::Path(text.into()))
            };
        }
        let Some(address) = text.strip_prefix("tcp://") else {
            return Err(EndpointError::Scheme(text.into()));
        };
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(EndpointError::Port(text.into()));
        };
        let port = match port {
            "*" => 0,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| EndpointError::Port(text.into()))?
            }
            _ => return Err(EndpointError::Port(text.into())),
        };
        let host = host_name(host).ok_or_else(|| EndpointError::Host(text.into()))?;
        Ok(Endpoint::Tcp { host, port })
    }
}

/// The host without brackets; `Some(None)` for `*`.
fn host_name(host: &str) -> Option<Option<String>> {
    if host == "*" {
        return Some(None);
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return (!address.is_empty()).then(|| Some(address.into()));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "[]:/@;*".contains(c);
    (!host.is_empty() && !host.contains(odd)).then(|| Some(host.into()))
}

impl Endpoint {
    /// Whether other machines may be able to connect when a socket listens here. A name may mean any address, save
    /// `localhost`.
    pub fn is_exposed(&self) -> bool {
        match self {
            Endpoint::Ipc(_) => false,
            Endpoint::Tcp { host: None, .. } => true,
            Endpoint::Tcp { host: Some(host), .. } => match host.parse::<IpAddr>() {
                Ok(address) => !address.to_canonical().is_loopback(),
                Err(_) => host != "localhost",
            },
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host: None, port } => write!(out, "tcp://*:{port}"),
            Endpoint::Tcp { host: Some(host), port } if host.contains(':') => {
                write!(out, "tcp://[{host}]:{port}")
            }
            Endpoint::Tcp { host: Some(host), port } => write!(out, "tcp://{host}:{port}"),
            Endpoint::Ipc(path) => write!(out, "ipc://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in [
            "tcp://127.0.0.1:8002",
            "tcp://*:8002",
            "tcp://[::1]:80",
            "tcp://relay.example:1",
            "ipc:///tmp/a b",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(
            "tcp://127.0.0.1:*".parse(),
            Ok(Endpoint::Tcp { host: Some("127.0.0.1".into()), port: 0 })
        );
    }

    #[test]
    fn what_other_machines_reach_is_exposed() {
        let exposed = |text: &str| text.parse::<Endpoint>().unwrap().is_exposed();
        for text in ["*", "0.0.0.0", "[::]", "10.0.0.1", "[::ffff:10.0.0.1]", "[fe80::1]", "example.org"] {
            assert!(exposed(&format!("tcp://{text}:1")), "{text}");
        }
        for text in ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
            assert!(!exposed(&format!("tcp://{text}:1")), "{text}");
        }
        assert!(!exposed("ipc:///run/mq.sock"));
    }

    #[test]
    fn faults_are_named() {
        let fault = |text: &str| text.parse::<Endpoint>().unwrap_err();
        for text in ["", "127.0.0.1:8002", "udp://a:1", "TCP://a:1"] {
            assert_eq!(fault(text), EndpointError::Scheme(text.into()));
        }
        for text in ["tcp://:1", "tcp://::1:80", "tcp://[]:80", "tcp://a b:1", "tcp://[::1:80"] {
            assert_eq!(fault(text), EndpointError::Host(text.into()));
        }
        for text in ["tcp://a", "tcp://a:", "tcp://a:65536", "tcp://a:+1", "tcp://a:http", "tcp://a:-1"] {
            let error = fault(text);
            assert!(matches!(error, EndpointError::Port(_)) || text == "tcp://a:", "{text}: {error}");
        }
        assert_eq!(fault("ipc://"), EndpointError::Path("ipc://".into()));
        assert!(matches!(fault(&format!("ipc://{}", "x".repeat(108))), EndpointError::Path(_)));
    }
}
