//! Why a session ended.

use crate::close::Close;

/// How a session ended, for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// Code and reason as the client is told, if it can still be told.
    pub close: Close,
    /// Who or what ended it.
    pub cause: CloseCause,
}

/// What ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The application closed it.
    Application,
    /// The client closed it, or broke off in the middle of a response.
    Client,
    /// The client did not come back within the disconnect delay.
    TimedOut,
    /// The client is attached and takes nothing any more.
    Unresponsive,
    /// The client broke the protocol.
    ProtocolError,
}
