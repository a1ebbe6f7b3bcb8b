//! How a socket is secured, and what the clients of a CURVE server may do.

use crate::curve::{KeyError, KeyPair, PublicKey, SecretKey};
use crate::handshake::SocketType;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// How a socket's connections are secured. Cheap to clone.
///
/// Both ends have to be of one mind, and with CURVE one has to be the server and one the client. As ever in ZeroMQ that
/// does not depend on who listens and who connects, but a listener is the natural server: its key is known to many.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// Not at all: whoever reaches the socket is a peer, whoever sees the wire reads and changes it.
    #[default]
    Null,
    /// CURVE. Peers have to know our public key, and may have to be known.
    CurveServer(Arc<CurveServer>),
    /// CURVE. The peer has to have the secret key that belongs to the public one we know.
    CurveClient(Arc<CurveClient>),
}

/// A CURVE server's keys and clients.
#[derive(Debug)]
pub struct CurveServer {
    pub(crate) keys: KeyPair,
    clients: RwLock<Option<Clients>>,
}

/// A CURVE client's keys, and whom it connects to.
#[derive(Debug)]
pub struct CurveClient {
    pub(crate) keys: KeyPair,
    pub(crate) server: PublicKey,
}

impl Security {
    /// A CURVE server; without `clients` every client is allowed everything.
    pub fn curve_server(secret: SecretKey, clients: Option<Clients>) -> Self {
        Security::CurveServer(Arc::new(CurveServer { keys: secret.into(), clients: RwLock::new(clients) }))
    }

    /// A CURVE client of the server that has this key.
    pub fn curve_client(server: PublicKey, secret: SecretKey) -> Self {
        Security::CurveClient(Arc::new(CurveClient { keys: secret.into(), server }))
    }

    /// The name of the mechanism in the greeting (RFC 37 §2.3).
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Security::Null => "NULL",
            Security::CurveServer(_) | Security::CurveClient(_) => "CURVE",
        }
    }
}

impl CurveServer {
    /// From now on these clients are let in, and nobody else. Who is connected stays.
    pub fn replace_clients(&self, clients: Clients) {
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = Some(clients);
    }

    /// Whether this client may do what a peer of a socket of type `local` does.
    pub(crate) fn admits(&self, client: &PublicKey, local: SocketType) -> Result<(), Right> {
        let right = match local {
            // What is asked is published, too.
            SocketType::Sub | SocketType::Xsub | SocketType::Router | SocketType::Rep => Right::Publish,
            _ => Right::Subscribe,
        };
        match &*self.clients.read().unwrap_or_else(PoisonError::into_inner) {
            Some(clients) if !clients.allow(client, right) => Err(right),
            _ => Ok(()),
        }
    }
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Send messages to a SUB or XSUB socket.
    Publish,
    /// Hear what a PUB or XPUB socket sends.
    Subscribe,
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Right::Publish => "publish",
            Right::Subscribe => "subscribe",
        })
    }
}

/// The clients a CURVE server knows: nobody else is let in.
///
/// As text, one line each: `publish KEY`, `subscribe KEY` or `both KEY`, then perhaps `# who that is`. Empty lines, and
/// lines that begin with `#`, say nothing.
#[derive(Clone, Debug, Default)]
pub struct Clients(Vec<(PublicKey, Right)>);

/// A list of clients with a fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {fault}")]
pub struct ClientsError {
    /// The first line is 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: ClientFault,
}

/// What is wrong with a line of a list of clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClientFault {
    /// The first word is no right.
    #[error("{0:?} is no right: write 'publish KEY', 'subscribe KEY' or 'both KEY'")]
    Right(String),
    /// A right without a key.
    #[error("the key is missing: write 'publish KEY', 'subscribe KEY' or 'both KEY'")]
    NoKey,
    /// The second word is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is more than a right and a key.
    #[error("nothing may follow the key but '# a comment'")]
    Rest,
}

impl Clients {
    /// Gives a client a right, besides those it has.
    pub fn add(&mut self, client: PublicKey, right: Right) {
        self.0.push((client, right));
    }

    /// Whether it names nobody: then nobody is let in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this client has this right. Takes as long for one key as for another.
    pub fn allow(&self, client: &PublicKey, right: Right) -> bool {
        let known = self.0.iter().filter(|(_, granted)| *granted == right);
        let found =
            known.fold(Choice::from(0), |found, (key, _)| found | key.as_bytes().ct_eq(client.as_bytes()));
        found.into()
    }
}

impl FromStr for Clients {
    type Err = ClientsError;

    fn from_str(text: &str) -> Result<Self, ClientsError> {
        let mut clients = Clients::default();
        for (index, line) in text.lines().enumerate() {
            clients.add_line(line).map_err(|fault| ClientsError { line: index + 1, fault })?;
        }
        Ok(clients)
    }
}

impl Clients {
    /// A `#` may also stand within a key: only at the beginning of a word it starts a comment.
    fn add_line(&mut self, line: &str) -> Result<(), ClientFault> {
        let mut words = line.split_whitespace();
        let rights: &[Right] = match words.next() {
            None => return Ok(()),
            Some(comment) if comment.starts_with('#') => return Ok(()),
            Some("publish") => &[Right::Publish],
            Some("subscribe") => &[Right::Subscribe],
            Some("both") => &[Right::Publish, Right::Subscribe],
            Some(other) => return Err(ClientFault::Right(other.into())),
        };
        let key = words.next().ok_or(ClientFault::NoKey)?.parse()?;
        if words.next().is_some_and(|word| !word.starts_with('#')) {
            return Err(ClientFault::Rest);
        }
        rights.iter().for_each(|right| self.add(key, *right));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first holds what begins a comment elsewhere.
    const KEYS: [&str; 3] = [
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$#CG*[IaLV{hID",
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
    ];

    #[test]
    fn each_client_has_its_rights_and_nobody_else_any() {
        let text = format!(
            "# who may what\n\n publish {} # the shop\nsubscribe\t{}\n#both {}\n",
            KEYS[0], KEYS[1], KEYS[2]
        );
        let clients: Clients = text.parse().unwrap();
        let rights = KEYS.map(|key| {
            let key = key.parse().unwrap();
            (clients.allow(&key, Right::Publish), clients.allow(&key, Right::Subscribe))
        });
        assert_eq!(rights, [(true, false), (false, true), (false, false)]);
        assert!(!clients.is_empty() && "# nobody yet\n".parse::<Clients>().unwrap().is_empty());
        let both: Clients = format!("both {}", KEYS[2]).parse().unwrap();
        let key = KEYS[2].parse().unwrap();
        assert!(both.allow(&key, Right::Publish) && both.allow(&key, Right::Subscribe));
    }

    #[test]
    fn faults_name_their_line() {
        let fault = |text: &str| text.parse::<Clients>().unwrap_err();
        let first = format!("both {}\n", KEYS[1]);
        assert_eq!(
            fault(&format!("{first}all x")),
            ClientsError { line: 2, fault: ClientFault::Right("all".into()) }
        );
        assert_eq!(fault("publish"), ClientsError { line: 1, fault: ClientFault::NoKey });
        assert_eq!(
            fault("\n\npublish x").to_string(),
            "line 3: a CURVE key has 40 characters, not 1; `pushnote keygen` makes a pair"
        );
        assert_eq!(fault(&format!("both {} {}", KEYS[1], KEYS[2])).fault, ClientFault::Rest);
    }
}
