//! Listeners that would take each other's place.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use pushnote_net::{Inherited, advice, probe_tcp, probe_unix};
use pushnote_zmtp::Endpoint;

use crate::Failure;

/// Where something is to listen, or does already, and the flag that says so.
#[derive(Debug)]
pub struct Listening {
    flag: Cow<'static, str>,
    /// Where another one says the address.
    address_flag: Option<&'static str>,
    place: Place,
    /// Its socket is the supervisor's, and open.
    is_inherited: bool,
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
        Self::at(flag.into(), Place::Tcp(address, port))
    }

    /// The same, whose address another flag says.
    #[must_use]
    pub fn whose_address_is_by(self, flag: &'static str) -> Self {
        Self { address_flag: Some(flag), ..self }
    }

    /// On a port of an address.
    #[must_use]
    pub fn address(flag: &'static str, address: SocketAddr) -> Self {
        Self::tcp(flag, Some(address.ip()), address.port())
    }

    /// On a Unix socket.
    #[must_use]
    pub fn unix(flag: &'static str, path: &Path) -> Self {
        Self::at(flag.into(), Place::Unix(path.to_owned()))
    }

    fn at(flag: Cow<'static, str>, place: Place) -> Self {
        Self { flag, address_flag: None, place, is_inherited: false }
    }

    /// On a socket that the supervisor has opened under this name; `None` where it has no address that others could want.
    pub(crate) fn inherited(name: &str, socket: &Inherited) -> Option<Self> {
        let place = match socket {
            Inherited::Tcp(listener) => {
                let address = listener.local_addr().ok()?;
                Self::address("", address).place
            }
            Inherited::Unix(listener) => Place::Unix(listener.local_addr().ok()?.as_pathname()?.to_owned()),
        };
        let flag = format!("the supervisor's socket {name}").into();
        Some(Self { is_inherited: true, ..Self::at(flag, place) })
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

    /// The flag, or what else says so.
    #[must_use]
    pub fn flag(&self) -> &str {
        &self.flag
    }

    /// Whether a URL with this host and port leads here, as far as that is known without asking for the addresses of names.
    #[must_use]
    pub fn is_reached_by(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']);
        let address: Option<IpAddr> = host.parse().ok();
        let address = address.map(|address| address.to_canonical());
        let is_any = |address: IpAddr| address.is_loopback() || address.is_unspecified();
        match &self.place {
            Place::Unix(_) => false,
            Place::Tcp(_, own) if *own != port => false,
            Place::Tcp(None, _) => host == "localhost" || address.is_some_and(is_any),
            Place::Tcp(Some(own), _) => address == Some(*own) || host == "localhost" && own.is_loopback(),
        }
    }
}

impl Listening {
    /// Whether it could listen there now, without doing so. What is open already is.
    pub(crate) fn probe(&self) -> io::Result<()> {
        match &self.place {
            _ if self.is_inherited => Ok(()),
            Place::Tcp(address, port) => probe_tcp(*address, *port),
            Place::Unix(path) => probe_unix(path),
        }
    }

    /// What to say where it cannot.
    #[must_use]
    pub fn failure(&self, error: &io::Error) -> Failure {
        let port = match self.place {
            Place::Tcp(_, port) => Some(port),
            Place::Unix(_) => None,
        };
        let flag = match (self.address_flag, error.kind()) {
            (Some(address_flag), io::ErrorKind::AddrNotAvailable) => address_flag,
            _ => &self.flag,
        };
        Failure::unavailable(format!("{flag}: cannot listen on {self}: {}", advice(error, port)))
    }

    /// What to say where something listens there already, which may be the program that this place is of.
    pub(crate) fn in_use(&self) -> String {
        let (flag, place) = (&self.flag, &self.place);
        match place {
            Place::Tcp(_, port) => format!(
                "{flag}: {self} is in use now; if not by this program, which runs already, stop what listens there (as root, \
                 ss -ltnp 'sport = :{port}' names it), or choose another"
            ),
            Place::Unix(_) => format!(
                "{flag}: the socket {place} is there now; if it is not of this program, which runs already, nor left by one that was \
                 killed, stop what listens there (as root, ss -lxp names it), or choose another path"
            ),
        }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(Some(address), port) => SocketAddr::new(*address, *port).fmt(f),
            place => place.fmt(f),
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
            let are_open = one.is_inherited && other.is_inherited;
            if !are_open && one.place.is_in_the_way_of(&other.place) {
                let (flags, place) = match one.flag == other.flag {
                    true => (one.flag.to_string(), &one.place),
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

    #[test]
    fn what_is_open_already_is_in_the_way_of_flags_alone() {
        let socket = || Inherited::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let socket = Listening::inherited("http", &socket()).unwrap();
        let Place::Tcp(_, port) = socket.place else { panic!("{socket:?}") };
        let everywhere = Listening { is_inherited: true, ..Listening::tcp("the other socket", None, port) };
        let flag = Listening::tcp("--api", None, port);
        assert_eq!(listening_apart(&[socket, everywhere]), Ok(()));
        let socket = Listening { is_inherited: true, ..Listening::tcp("a socket", None, port) };
        let said = listening_apart(&[socket, flag]).unwrap_err().to_string();
        assert!(said.starts_with("a socket and --api: both listen on port "), "{said}");
    }

    #[test]
    fn urls_that_lead_here_and_others() {
        let at = |address: &str| Listening::address("--port", address.parse().unwrap());
        for (address, host) in [
            ("127.0.0.1:80", "localhost"),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]"),
            ("[::1]:80", "[::1]"),
            ("[::]:80", "[::1]"),
            ("0.0.0.0:80", "127.0.0.1"),
            ("0.0.0.0:80", "0.0.0.0"),
            ("10.0.0.1:80", "10.0.0.1"),
        ] {
            assert!(at(address).is_reached_by(host, 80), "{address} {host}");
            assert!(!at(address).is_reached_by(host, 81), "{address} {host}");
        }
        for (address, host) in
            [("127.0.0.1:80", "127.0.0.2"), ("10.0.0.1:80", "localhost"), ("0.0.0.0:80", "example.org")]
        {
            assert!(!at(address).is_reached_by(host, 80), "{address} {host}");
        }
        assert!(!Listening::unix("--unix-socket", Path::new("localhost")).is_reached_by("localhost", 80));
    }
}
