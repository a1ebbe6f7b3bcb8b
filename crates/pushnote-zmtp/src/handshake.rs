//! Greeting and NULL handshake (RFC 37 §2.1–2.4) for both roles, as a state machine without IO; and the greetings of
//! ZMTP 2.0 (RFC 15) and of 1.0 (RFC 13), which has none.
//!
//! The greeting goes out in three steps, each after what the peer sent so far, because a peer of 2012 takes anything
//! after the part it knows for its first message.

mod metadata;

use crate::command::{put_command, split_name};
use crate::frame::{COMMAND, Header, LONG};
use crate::v1;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Read by a ZMTP 1.0 peer as an empty identity in the long form; by later ones as the signature.
const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
const GREETING_BYTES: usize = 64;
const MECHANISM: std::ops::Range<usize> = 12..32;
/// READY and ERROR are small; nobody needs more before it is known.
const COMMAND_BYTES_MAX: u64 = 4096;
const REASON_BYTES_MAX: usize = 128;

/// The kinds of socket that can meet here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// Publishes.
    Pub,
    /// Subscribes.
    Sub,
    /// Publishes and passes subscriptions on.
    Xpub,
    /// Subscribes by hand.
    Xsub,
    /// Asks, one question at a time.
    Req,
    /// Answers, one question at a time.
    Rep,
    /// Asks, any number of questions at a time.
    Dealer,
    /// Answers whoever asked.
    Router,
}

impl SocketType {
    const ALL: [SocketType; 8] = [
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Xpub,
        SocketType::Xsub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Dealer,
        SocketType::Router,
    ];

    /// The name in READY.
    pub fn name(self) -> &'static str {
        match self {
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Xpub => "XPUB",
            SocketType::Xsub => "XSUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
        }
    }

    /// The number in a ZMTP 2.0 greeting (RFC 15 §2.2), as libzmq extends it.
    fn number(self) -> u8 {
        match self {
            SocketType::Pub => 1,
            SocketType::Sub => 2,
            SocketType::Req => 3,
            SocketType::Rep => 4,
            SocketType::Dealer => 5,
            SocketType::Router => 6,
            SocketType::Xpub => 9,
            SocketType::Xsub => 10,
        }
    }

    /// What is on the other end if nothing else is known.
    fn partner(self) -> Self {
        match self {
            SocketType::Pub | SocketType::Xpub => SocketType::Sub,
            SocketType::Sub | SocketType::Xsub => SocketType::Pub,
            SocketType::Req | SocketType::Dealer => SocketType::Router,
            SocketType::Rep | SocketType::Router => SocketType::Dealer,
        }
    }

    /// Which sockets can be joined (RFC 37 §2.4, "socket-type").
    fn goes_with(self, peer: SocketType) -> bool {
        use SocketType::{Dealer, Pub, Rep, Req, Router, Sub, Xpub, Xsub};
        match self {
            Pub | Xpub => matches!(peer, Sub | Xsub),
            Sub | Xsub => matches!(peer, Pub | Xpub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether it is on the publishing side.
    pub fn publishes(self) -> bool {
        matches!(self, SocketType::Pub | SocketType::Xpub)
    }
}

/// The protocol spoken after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// ZMTP 1.0 of libzmq 2.x: other frames, no subscriptions, no socket types.
    V1_0,
    /// ZMTP 2.0 of libzmq 3.x: no commands, subscriptions are messages.
    V2_0,
    /// ZMTP 3.0: commands, but subscriptions are messages and heartbeats unknown.
    V3_0,
    /// ZMTP 3.1 or later: subscriptions are commands, PING is answered.
    V3_1,
}

/// What is known of a peer after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The protocol both speak.
    pub version: Version,
    /// Its socket type.
    pub kind: SocketType,
    /// The properties it gave whose names begin with `X-`: applications' own (RFC 37 §2.4). Names in lower case.
    pub properties: Vec<(String, Bytes)>,
}

impl Peer {
    /// A peer that gave no properties.
    fn new(version: Version, kind: SocketType) -> Self {
        Peer { version, kind, properties: Vec::new() }
    }

    /// The value of an application's property; `name` in lower case.
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        self.properties.iter().find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// Why a peer was turned away.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// The first bytes are no ZMTP greeting.
    #[error("no ZMTP greeting: the peer speaks another protocol")]
    NotZmtp,
    /// A ZMTP version this crate does not speak.
    #[error("ZMTP version {0} is not spoken here")]
    Version(u8),
    /// Another security mechanism.
    #[error("security mechanism {0:?} is not offered here, only NULL")]
    Mechanism(String),
    /// Neither READY nor ERROR, or one with broken metadata.
    #[error("malformed READY")]
    Malformed,
    /// A socket that cannot be joined with ours.
    #[error("socket type {0:?} does not go with ours")]
    SocketType(String),
    /// The peer turned us away.
    #[error("the peer refused: {0:?}")]
    Refused(String),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Signature,
    Version,
    /// ZMTP 1.0: the identity.
    OldIdentity,
    /// ZMTP 2.0: the socket type.
    Number,
    /// ZMTP 2.0: the identity, of a peer of this type.
    Identity(SocketType),
    Greeting,
    Ready(Version),
    Over(Peer),
}

/// One connection's handshake.
///
/// Call [`Handshake::advance`] with what has been read, then write [`Handshake::output`], until a [`Peer`] comes out.
#[derive(Debug)]
pub struct Handshake {
    local: SocketType,
    /// What READY says of us.
    metadata: Vec<u8>,
    stage: Stage,
    out: BytesMut,
}

impl Handshake {
    /// Begins; the signature is already in [`Handshake::output`].
    pub fn new(local: SocketType) -> Self {
        let mut metadata = Vec::new();
        metadata::put(&mut metadata, metadata::SOCKET_TYPE, local.name().as_bytes());
        Handshake { local, metadata, stage: Stage::Signature, out: BytesMut::from(&SIGNATURE[..]) }
    }

    /// Tells the peer a property of the application's own. The name begins with `X-` and has at most 255 bytes.
    #[must_use]
    pub fn with_property(mut self, name: &str, value: &[u8]) -> Self {
        metadata::put(&mut self.metadata, name.as_bytes(), value);
        self
    }

    /// Bytes to be written to the peer, also after an error: they say why. Take them with `split`.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Takes what it needs from the front of `input`; what is left after `Some` belongs to the connection.
    ///
    /// # Errors
    /// [`HandshakeError`]: write the output, then close.
    pub fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Peer>, HandshakeError> {
        loop {
            let next = match &self.stage {
                Stage::Signature => self.signature(input)?,
                Stage::Version => self.version(input)?,
                Stage::OldIdentity => self.old_identity(input)?,
                Stage::Number => self.number(input)?,
                Stage::Identity(kind) => self.identity(input, *kind)?,
                Stage::Greeting => self.greeting(input)?,
                Stage::Ready(version) => self.ready(input, *version)?.map(Stage::Over),
                Stage::Over(peer) => return Ok(Some(peer.clone())),
            };
            match next {
                Some(stage) => self.stage = stage,
                None => return Ok(None),
            }
        }
    }

    /// A peer that does not begin as we do speaks ZMTP 1.0 or no ZMTP at all: its first frame is its identity.
    fn signature(&mut self, input: &[u8]) -> Result<Option<Stage>, HandshakeError> {
        if input.first().is_some_and(|first| *first != SIGNATURE[0]) {
            return Ok(Some(Stage::OldIdentity));
        }
        let Some(last) = input.get(SIGNATURE.len() - 1) else { return Ok(None) };
        if last & 1 == 0 {
            return Err(HandshakeError::NotZmtp);
        }
        self.out.put_u8(3);
        Ok(Some(Stage::Version))
    }

    fn version(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let Some(major) = input.get(SIGNATURE.len()).copied() else { return Ok(None) };
        match major {
            0 => Err(HandshakeError::Version(major)),
            1 | 2 => {
                input.advance(SIGNATURE.len() + 1);
                self.out.put_slice(&[self.local.number(), 0, 0]); // type, and an empty identity in a frame
                Ok(Some(Stage::Number))
            }
            _ => {
                let mut rest = [0; GREETING_BYTES - SIGNATURE.len() - 1];
                rest[0] = 1;
                rest[1..5].copy_from_slice(b"NULL");
                self.out.put_slice(&rest);
                Ok(Some(Stage::Greeting))
            }
        }
    }

    /// Length and flags of a short final frame: what other protocols begin with is hardly ever that.
    fn old_identity(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let (Some(length), Some(flags)) = (input.first(), input.get(1)) else { return Ok(None) };
        let frame_bytes = 1 + usize::from(*length);
        if *length == 0 || v1::more(*flags) != Some(false) {
            return Err(HandshakeError::NotZmtp);
        }
        if input.len() < frame_bytes {
            return Ok(None);
        }
        input.advance(frame_bytes);
        Ok(Some(Stage::Over(Peer::new(Version::V1_0, self.local.partner()))))
    }

    fn number(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let Some(number) = input.first().copied() else { return Ok(None) };
        input.advance(1);
        match SocketType::ALL.into_iter().find(|kind| kind.number() == number) {
            Some(kind) if self.local.goes_with(kind) => Ok(Some(Stage::Identity(kind))),
            _ => Err(HandshakeError::SocketType(number.to_string())),
        }
    }

    fn identity(&mut self, input: &mut BytesMut, kind: SocketType) -> Result<Option<Stage>, HandshakeError> {
        let (Some(flags), Some(length)) = (input.first(), input.get(1)) else { return Ok(None) };
        let frame_bytes = 2 + usize::from(*length);
        if *flags != 0 {
            return Err(HandshakeError::Malformed);
        }
        if input.len() < frame_bytes {
            return Ok(None);
        }
        input.advance(frame_bytes);
        Ok(Some(Stage::Over(Peer::new(Version::V2_0, kind))))
    }

    fn greeting(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        if input.len() < GREETING_BYTES {
            return Ok(None);
        }
        let greeting = input.split_to(GREETING_BYTES);
        let mechanism = greeting[MECHANISM].split(|byte| *byte == 0).next().unwrap_or_default();
        if mechanism != b"NULL" {
            return Err(HandshakeError::Mechanism(readable(mechanism)));
        }
        put_command(&mut self.out, "READY", &self.metadata);
        let oldest = greeting[10] == 3 && greeting[11] == 0;
        Ok(Some(Stage::Ready(if oldest { Version::V3_0 } else { Version::V3_1 })))
    }

    fn ready(&mut self, input: &mut BytesMut, version: Version) -> Result<Option<Peer>, HandshakeError> {
        let Some(header) = Header::parse(input) else { return Ok(None) };
        if header.flags & !LONG != COMMAND || header.body_bytes > COMMAND_BYTES_MAX {
            return Err(HandshakeError::Malformed);
        }
        let body_bytes = header.body_bytes as usize;
        if input.len() < header.head_bytes + body_bytes {
            return Ok(None);
        }
        input.advance(header.head_bytes);
        let body = input.split_to(body_bytes);
        match split_name(&body).map_err(|_| HandshakeError::Malformed)? {
            (b"READY", metadata) => self.meet(version, metadata).map(Some),
            (b"ERROR", reason) => Err(HandshakeError::Refused(readable(reason.get(1..).unwrap_or_default()))),
            _ => Err(HandshakeError::Malformed),
        }
    }

    /// What the peer's metadata says of it, if its socket goes with ours.
    fn meet(&mut self, version: Version, metadata: &[u8]) -> Result<Peer, HandshakeError> {
        let (name, properties) = metadata::read(metadata)?;
        match SocketType::from_name(name) {
            Some(kind) if self.local.goes_with(kind) => Ok(Peer { version, kind, properties }),
            _ => {
                let reason = b"Invalid socket type";
                let mut data = vec![reason.len() as u8];
                data.extend_from_slice(reason);
                put_command(&mut self.out, "ERROR", &data);
                Err(HandshakeError::SocketType(readable(name)))
            }
        }
    }
}

/// A peer's text, short and harmless enough for a log.
fn readable(text: &[u8]) -> String {
    let text = &text[..text.len().min(REASON_BYTES_MAX)];
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests;
