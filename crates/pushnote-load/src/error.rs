//! Why a run ends early.

use thiserror::Error;

pub use crate::http::HttpError;

/// Why a load could not be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// This machine has no core of that number.
    #[error("there is no core {0}")]
    NoCore(usize),
    /// Messages cannot be published, or no longer.
    #[error("{0}")]
    Publish(String),
    /// What answers where messages are published does not speak HTTP.
    #[error("{0}")]
    PublishAnswer(#[from] HttpError),
    /// The server, or a process of it, is not there, refuses, or loses everything.
    #[error("{0}")]
    Server(String),
    /// The operating system refused: sockets, epoll, limits, cores.
    #[error("{0}")]
    System(String),
}
