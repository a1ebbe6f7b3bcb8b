//! How far a run is.

use std::fmt;

/// How far a run is, for people who wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Connections are being opened.
    Connecting {
        /// Connections that are open.
        open: usize,
        /// Connections that are to be open.
        wanted: usize,
    },
    /// Idle connections are measured.
    Idle {
        /// Seconds until the end.
        left_s: u64,
    },
    /// Messages flow.
    Running {
        /// Whether the warm-up is over.
        measuring: bool,
        /// Deliveries so far.
        deliveries: u64,
        /// Deliveries that are still to come.
        outstanding: u64,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { open, wanted } => write!(f, "{open} of {wanted} connections"),
            Self::Idle { left_s } => write!(f, "idle, {left_s} s left"),
            Self::Running { measuring, deliveries, outstanding } => {
                let phase = if *measuring { "measuring" } else { "warming up" };
                write!(f, "{phase}, {deliveries} deliveries, {outstanding} outstanding")
            }
        }
    }
}
