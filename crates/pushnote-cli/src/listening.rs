//! Listeners that would take each other's place.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use pushnote_zmtp::Endpoint;

use crate::Failure;

/// Where something is to listen, and the flag that says so.
#[derive(Debug)]
pub struct Listening {
    flag: &'static str,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// With no address: on all of this machine's.
    Tcp(Option<IpAddr>, u16),
    Unix(PathBuf),
}

impl Listening {
    /// On a port of one address, or of all.
    #[must_use]
    pub fn tcp(flag: &'static str, address: Option<IpAddr>, port: u16) -> Self {
        let address =
            address.map(|address| address.to_canonical()).filter(|address| !address.is_unspecified());
        Self { flag, place: Place::Tcp(address, port) }
    }

    /// On a port of an address.
    #[must_use]
    pub fn address(flag: &'static str, address: SocketAddr) -> Self {
        Self::tcp(flag, Some(address.ip()), address.port())
    }

    /// On a Unix socket.
    #[must_use]
    pub fn unix(flag: &'static str, path: &Path) -> Self {
        Self { flag, place: Place::Unix(path.to_owned()) }
    }

    /// On a ZeroMQ endpoint; `None` where only the system knows which address its name is.
    #[must_use]
    pub fn endpoint(flag: &'static str, endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Ipc(path) => Some(Self::unix(flag, path)),
            Endpoint::Tcp { host: None, port } => Some(Self::tcp(flag, None, *port)),
            Endpoint::Tcp { host: Some(host), port } => {
                let name = if host == "localhost" { "127.0.0.1" } else { host };
                name.parse().ok().map(|address| Self::tcp(flag, Some(address), *port))
            }
        }
    }
}

impl Place {
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        match (self, other) {
            // Each takes a free one.
            (Self::Tcp(_, 0), _) | (_, Self::Tcp(_, 0)) => false,
            (Self::Tcp(one, one_port), Self::Tcp(other, other_port)) => {
                one_port == other_port && (one.is_none() || other.is_none() || one == other)
            }
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, port) => write!(f, "port {port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Each of these has a place of its own.
///
/// # Errors
///
/// Two of them have not; both flags are named.
pub fn listening_apart(all: &[Listening]) -> Result<(), Failure> {
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            if one.place.is_in_the_way_of(&other.place) {
                let (flags, place) = match one.flag == other.flag {
                    true => (one.flag.to_owned(), &one.place),
                    false => (format!("{} and {}", one.flag, other.flag), &one.place),
                };
                return Err(Failure::usage(format!(
                    "{flags}: both listen on {place}; each needs one of its own"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_in_one_place_are_named_and_others_are_not() {
        let endpoint = |flag, text: &str| Listening::endpoint(flag, &text.parse().unwrap()).unwrap();
        let address = |flag, text: &str| Listening::address(flag, text.parse().unwrap());
        let unix = |flag, text| Listening::unix(flag, Path::new(text));
        for (one, other) in [
            (Listening::tcp("--a", None, 80), address("--b", "127.0.0.1:80")),
            (address("--a", "[::]:80"), endpoint("--b", "tcp://10.0.0.1:80")),
            (endpoint("--a", "tcp://localhost:80"), address("--b", "127.0.0.1:80")),
            (endpoint("--a", "ipc:///run/mq"), unix("--b", "/run/mq")),
        ] {
            let said = listening_apart(&[one, other]).unwrap_err().to_string();
            assert!(said.starts_with("--a and --b: both listen on "), "{said}");
        }
        let apart = [
            Listening::tcp("--a", None, 0),
            address("--b", "127.0.0.1:0"),
            address("--c", "127.0.0.1:80"),
            address("--d", "127.0.0.2:80"),
            address("--e", "[::1]:80"),
            endpoint("--f", "ipc:///run/mq"),
            unix("--g", "/run/http"),
        ];
        assert_eq!(listening_apart(&apart), Ok(()));
        assert!(Listening::endpoint("--a", &"tcp://relay.example:80".parse().unwrap()).is_none());
    }
}
