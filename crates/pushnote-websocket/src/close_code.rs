//! The close codes this crate sends or reports (RFC 6455, 7.4), and one of its own (3000–3999 is for libraries).

/// The connection has done its work.
pub const NORMAL: u16 = 1000;
/// The server goes down, or the page was left.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// The close frame carried no code. Never on the wire: [`encode::close`](crate::encode::close) makes an empty frame of it.
pub const NO_STATUS: u16 = 1005;
/// The connection ended without a close frame. Never on the wire.
pub const ABNORMAL: u16 = 1006;
/// A text message or close reason that is not UTF-8.
pub const INVALID_UTF8: u16 = 1007;
/// A message over the limit.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// The peer has been silent for longer than ping interval and pong timeout together.
pub const NO_PONG: u16 = 3012;
/// What is said beside [`NO_PONG`].
pub const NO_PONG_REASON: &str = "no answer to a ping";

/// Whether a close frame may carry `code`: what RFC 6455 and its IANA registry define for the wire, libraries'
/// (3000–3999) and applications' (4000–4999).
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
