//! The ends of a forwarder.

use std::fmt;

/// One of the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where messages come in.
    Sub,
    /// Where messages go out.
    Pub,
    /// Where messages come in that are answered.
    Ack,
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            End::Sub => "sub",
            End::Pub => "pub",
            End::Ack => "ack",
        })
    }
}
