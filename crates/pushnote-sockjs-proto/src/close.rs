//! Close codes and the pair of code and reason that a close frame carries.

use std::borrow::Cow;

/// Why a session ends, as both sides see it: the two fields of `c[code,"reason"]`.
///
/// Codes 1000–1015 mean what RFC 6455 §7.4.1 says, 2000–2999 belong to SockJS, 3000–4999 to applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// A short text for people; the client gets it in its `close` event.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// The default of an application that just ends the session: 1000 "Normal closure".
    pub const NORMAL: Self = Self::constant(1000, "Normal closure");
    /// A receiver broke off in the middle: nobody knows what arrived, so the session is over.
    pub const INTERRUPTED: Self = Self::constant(1002, "Connection interrupted");
    /// The client did not come back in time. Nobody is there to be told: only the application sees it.
    pub const TIMED_OUT: Self = Self::constant(1006, "Session timed out");
    /// A second receiver came while the first one is attached (SockJS's own code).
    pub const ANOTHER_RECEIVER: Self = Self::constant(2010, "Another connection still open");
    /// What came over a WebSocket is no JSON (code and text as sockjs-node has them).
    pub const BROKEN_FRAMING: Self = Self::constant(3000, "Broken framing.");

    /// A close with a code and a reason.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    const fn constant(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }
}
