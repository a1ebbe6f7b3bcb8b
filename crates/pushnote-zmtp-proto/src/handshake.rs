//! Greeting and handshake (RFC 37 §2.1–2.4) with the mechanisms NULL and CURVE, for both roles, as a state machine without
//! IO; and the greetings of ZMTP 2.0 (RFC 15) and of 1.0 (RFC 13), which has none.
//!
//! The greeting goes out in three steps, each after what the peer sent so far, because a peer of 2012 takes anything
//! after the part it knows for its first message.

mod curve;
mod error;
mod kind;
mod metadata;
mod wire;

pub use error::HandshakeError;
pub use kind::SocketType;
pub use metadata::Properties;

use crate::command::put_command;
use crate::curve::{PublicKey, Session};
use crate::security::Security;
use crate::v1;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use curve::Taken;
use error::readable;
use wire::{command, named, put_error};

/// Read by a ZMTP 1.0 peer as an empty identity in the long form; by later ones as the signature.
const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
const GREETING_BYTES: usize = 64;
const MECHANISM: std::ops::Range<usize> = 12..32;
const AS_SERVER: usize = 32;

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
    pub properties: Properties,
    /// The long-term key it proved to have: only with CURVE.
    pub key: Option<PublicKey>,
}

impl Peer {
    /// A peer that gave no properties.
    fn new(version: Version, kind: SocketType) -> Self {
        Peer { version, kind, properties: Vec::new(), key: None }
    }

    /// The value of an application's property; `name` in lower case.
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        self.properties.iter().find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// What is waited for.
#[derive(Debug)]
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
    Curve(Version, curve::Step),
    Over(Peer),
}

/// One connection's handshake.
///
/// Call [`Handshake::advance`] with what has been read, then write [`Handshake::output`], until a [`Peer`] comes out.
#[derive(Debug)]
pub struct Handshake {
    local: SocketType,
    security: Security,
    /// What READY or INITIATE says of us.
    metadata: Vec<u8>,
    stage: Stage,
    session: Option<Session>,
    out: BytesMut,
}

impl Handshake {
    /// Begins; the signature is already in [`Handshake::output`].
    pub fn new(local: SocketType) -> Self {
        let mut metadata = Vec::new();
        metadata::put(&mut metadata, metadata::SOCKET_TYPE, local.name().as_bytes());
        let (security, stage, session) = (Security::Null, Stage::Signature, None);
        Handshake { local, security, metadata, stage, session, out: BytesMut::from(&SIGNATURE[..]) }
    }

    /// Wants the peer to prove itself so. Without this, NULL.
    #[must_use]
    pub fn with_security(mut self, security: &Security) -> Self {
        self.security = security.clone();
        self
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

    /// The keys of this connection, once the peer is known; `None` with NULL.
    pub fn take_session(&mut self) -> Option<Session> {
        self.session.take()
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
                Stage::Curve(..) => self.curve(input)?,
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
            return Err(HandshakeError::not_zmtp(input));
        }
        self.out.put_u8(3);
        Ok(Some(Stage::Version))
    }

    fn version(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let Some(major) = input.get(SIGNATURE.len()).copied() else { return Ok(None) };
        match major {
            0 => Err(HandshakeError::Version(major)),
            1 | 2 => {
                self.may_be_plain("ZMTP 2.0")?;
                input.advance(SIGNATURE.len() + 1);
                self.out.put_slice(&[self.local.number(), 0, 0]); // type, and an empty identity in a frame
                Ok(Some(Stage::Number))
            }
            _ => {
                let mut rest = [0; GREETING_BYTES - SIGNATURE.len() - 1];
                rest[0] = 1;
                let mechanism = self.security.mechanism().as_bytes();
                rest[1..1 + mechanism.len()].copy_from_slice(mechanism);
                rest[AS_SERVER - SIGNATURE.len() - 1] = u8::from(self.is_server());
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
            return Err(HandshakeError::not_zmtp(input));
        }
        if input.len() < frame_bytes {
            return Ok(None);
        }
        self.may_be_plain("ZMTP 1.0")?;
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
        let ours = self.security.mechanism();
        if mechanism != ours.as_bytes() {
            return Err(HandshakeError::Mechanism { theirs: readable(mechanism), ours });
        }
        let oldest = greeting[10] == 3 && greeting[11] == 0;
        let version = if oldest { Version::V3_0 } else { Version::V3_1 };
        // libzmq's servers leave the byte at 0: only 1 tells anything.
        if greeting[AS_SERVER] == 1 && self.is_server() {
            return Err(HandshakeError::SameRole("server"));
        }
        self.begin(version).map(Some)
    }

    fn is_server(&self) -> bool {
        matches!(self.security, Security::CurveServer(_))
    }

    /// Whether a peer of an old `protocol` may be spoken with.
    fn may_be_plain(&self, protocol: &'static str) -> Result<(), HandshakeError> {
        match self.security {
            Security::Null => Ok(()),
            _ => Err(HandshakeError::Unencrypted(protocol)),
        }
    }

    /// The first command of the mechanism, if it is ours to send.
    fn begin(&mut self, version: Version) -> Result<Stage, HandshakeError> {
        if let Some(step) = curve::Step::first(&self.security, &mut self.out)? {
            return Ok(Stage::Curve(version, step));
        }
        put_command(&mut self.out, "READY", &self.metadata);
        Ok(Stage::Ready(version))
    }

    /// One command of the peer's, and the answer to it.
    fn curve(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let Some(body) = command(input)? else { return Ok(None) };
        let (name, data) = named(&body)?;
        let Stage::Curve(version, step) = &self.stage else { return Err(HandshakeError::Malformed) };
        let version = *version;
        Ok(Some(match step.take(name, data, self.local, &self.metadata, &mut self.out)? {
            Taken::Next(step) => Stage::Curve(version, step),
            Taken::Client(accepted) => {
                let peer = self.meet_or_tell(version, &accepted.metadata, Some(accepted.client))?;
                let (ready, session) = accepted.ready(&self.metadata);
                put_command(&mut self.out, "READY", &ready);
                self.session = Some(session);
                Stage::Over(peer)
            }
            Taken::Server { key, metadata, session } => {
                let peer = self.meet(version, &metadata, Some(key))?;
                self.session = Some(session);
                Stage::Over(peer)
            }
        }))
    }

    fn ready(&mut self, input: &mut BytesMut, version: Version) -> Result<Option<Peer>, HandshakeError> {
        let Some(body) = command(input)? else { return Ok(None) };
        match named(&body)? {
            (b"READY", metadata) => self.meet_or_tell(version, metadata, None).map(Some),
            _ => Err(HandshakeError::Malformed),
        }
    }

    /// As [`Handshake::meet`]; a peer that is turned away is told why.
    fn meet_or_tell(
        &mut self,
        version: Version,
        metadata: &[u8],
        key: Option<PublicKey>,
    ) -> Result<Peer, HandshakeError> {
        let peer = self.meet(version, metadata, key);
        if let Err(HandshakeError::SocketType(_)) = peer {
            put_error(&mut self.out, "Invalid socket type");
        }
        peer
    }

    /// What the peer's metadata says of it, if its socket goes with ours.
    fn meet(
        &self,
        version: Version,
        metadata: &[u8],
        key: Option<PublicKey>,
    ) -> Result<Peer, HandshakeError> {
        let (name, properties) = metadata::read(metadata)?;
        match SocketType::from_name(name) {
            Some(kind) if self.local.goes_with(kind) => Ok(Peer { version, kind, properties, key }),
            _ => Err(HandshakeError::SocketType(readable(name))),
        }
    }
}

#[cfg(test)]
mod curve_tests;
#[cfg(test)]
mod tests;
