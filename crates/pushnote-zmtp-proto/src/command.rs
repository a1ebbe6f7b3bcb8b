//! Commands after the handshake: SUBSCRIBE, CANCEL, PING, PONG (RFC 37 §2.6), and subscriptions as the messages they
//! were before ZMTP 3.1.

use crate::frame::{COMMAND, put_frame};
use crate::position::{self, Position};
use bytes::BytesMut;
use thiserror::Error;

/// A PING's context may have so many bytes (RFC 37 §2.6).
const CONTEXT_BYTES_MAX: usize = 16;

/// A command from a peer, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Send me messages that begin with this.
    Subscribe(&'a [u8]),
    /// Takes one [`Command::Subscribe`] back.
    Cancel(&'a [u8]),
    /// Answer with a PONG that repeats `context`.
    Ping {
        /// Tenths of a second after which the sender may be taken for dead; 0: never.
        ttl_tenths: u16,
        /// At most 16 bytes.
        context: &'a [u8],
    },
    /// The answer to a PING.
    Pong {
        /// What that PING brought.
        context: &'a [u8],
    },
    /// Our own: where in its stream a publisher is; see [`Position`].
    Position(Position),
    /// Our own: what is before this was published before the subscription; see [`Position`].
    Live(Position),
    /// The peer gives up; its reason.
    Error(&'a [u8]),
    /// A well-formed command this crate has no use for.
    Other,
}

/// A command frame whose body is none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("malformed command")]
pub struct BadCommand;

impl<'a> Command<'a> {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    /// [`BadCommand`] when the name overruns the body or a PING breaks its form.
    pub fn parse(body: &'a [u8]) -> Result<Command<'a>, BadCommand> {
        let (name, data) = split_name(body)?;
        Ok(match name {
            b"SUBSCRIBE" => Command::Subscribe(data),
            b"CANCEL" => Command::Cancel(data),
            b"PING" => {
                let (ttl, context) = data.split_first_chunk().ok_or(BadCommand)?;
                if context.len() > CONTEXT_BYTES_MAX {
                    return Err(BadCommand);
                }
                Command::Ping { ttl_tenths: u16::from_be_bytes(*ttl), context }
            }
            b"PONG" => Command::Pong { context: data },
            _ if name == position::COMMAND.as_bytes() => {
                Command::Position(Position::from_bytes(data).ok_or(BadCommand)?)
            }
            _ if name == position::LIVE_COMMAND.as_bytes() => {
                Command::Live(Position::from_bytes(data).ok_or(BadCommand)?)
            }
            b"ERROR" => Command::Error(data.get(1..).unwrap_or_default()),
            _ => Command::Other,
        })
    }
}

/// Splits a command's body into its name and its data.
pub(crate) fn split_name(body: &[u8]) -> Result<(&[u8], &[u8]), BadCommand> {
    let (len, rest) = body.split_first().ok_or(BadCommand)?;
    if *len == 0 {
        return Err(BadCommand);
    }
    rest.split_at_checked(usize::from(*len)).ok_or(BadCommand)
}

/// What a message from a subscriber asks for: `1` prefix subscribes, `0` prefix cancels, anything else is not for us.
pub fn subscription_message(body: &[u8]) -> Option<Command<'_>> {
    match body.split_first()? {
        (1, prefix) => Some(Command::Subscribe(prefix)),
        (0, prefix) => Some(Command::Cancel(prefix)),
        _ => None,
    }
}

/// Appends a command frame.
pub fn put_command(out: &mut BytesMut, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(1 + name.len() + data.len());
    body.push(name.len() as u8);
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    put_frame(out, COMMAND, &body);
}

/// Appends a PING. The `context`, of 16 bytes at most, comes back in the PONG.
pub fn put_ping(out: &mut BytesMut, ttl_tenths: u16, context: &[u8]) {
    put_command(out, "PING", &[&ttl_tenths.to_be_bytes(), context].concat());
}

/// Appends a POSITION: that of the next message.
pub fn put_position(out: &mut BytesMut, position: Position) {
    put_command(out, position::COMMAND, &position.to_bytes());
}

/// Appends a LIVE: the position of what is published next.
pub fn put_live(out: &mut BytesMut, position: Position) {
    put_command(out, position::LIVE_COMMAND, &position.to_bytes());
}

/// Appends a subscription: a command for peers of ZMTP 3.1 or later, a message for older ones.
pub fn put_subscribe(out: &mut BytesMut, prefix: &[u8], as_command: bool) {
    if as_command {
        return put_command(out, "SUBSCRIBE", prefix);
    }
    let mut body = Vec::with_capacity(1 + prefix.len());
    body.push(1);
    body.extend_from_slice(prefix);
    put_frame(out, 0, &body);
}
