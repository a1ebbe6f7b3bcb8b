//! How a connection ended.

/// The end of a connection, as [`Driver::run`](super::Driver::run) reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// The code of whichever close frame came first, the peer's or ours;
    /// [`close_code::ABNORMAL`](crate::close_code::ABNORMAL) when the stream ended before any.
    pub code: u16,
    /// The reason beside the code. The peer's is anything it likes: not to be trusted.
    pub reason: Box<str>,
    /// Whether both sides' close frames were sent.
    pub clean: bool,
    /// What ended it.
    pub cause: Cause,
}

impl Disconnected {
    /// Known when the closing begins: which is not clean yet.
    pub(super) fn begun(cause: Cause, code: u16, reason: &str) -> Self {
        Self { code, reason: reason.into(), clean: false, cause }
    }
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent a close frame.
    PeerClosed,
    /// We closed: [`Socket::close`](super::Socket::close) or its like, or the message handler broke off.
    WeClosed,
    /// The stream ended without a close frame.
    Reset,
    /// The peer broke RFC 6455, or sent a message over the limit.
    ProtocolError,
    /// The peer was silent for too long.
    NoPong,
    /// We closed, and the peer did not answer in time.
    CloseTimeout,
}

impl Cause {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::WeClosed => "we_closed",
            Self::Reset => "reset",
            Self::ProtocolError => "protocol_error",
            Self::NoPong => "no_pong",
            Self::CloseTimeout => "close_timeout",
        }
    }
}
