//! What a connection's owner is told.

/// What happens on a connection, lent for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer sent a text message.
    Text(&'a str),
    /// The peer sent a binary message.
    Binary(&'a [u8]),
    /// Frames were refused with [`SocketError::Full`](super::SocketError::Full), and now nothing waits any more.
    Room,
}
