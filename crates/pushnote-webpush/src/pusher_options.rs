//! How a pusher pushes, and why it does not.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use pushnote_store::TransactError;

use crate::client::RootsError;
use crate::guard::{Forbidden, Guard};
use crate::import::ImportError;
use crate::key_file::KeyFileError;
use crate::new_device::{AddError, SubscriptionOptions};
use crate::subscription::SubscriptionError;
use crate::tables::OpenError;
use crate::vapid::Subject;

/// How a [`Pusher`](crate::Pusher) pushes.
#[derive(Clone, Debug)]
pub struct PusherOptions {
    /// Whom push services write to if something is wrong.
    pub subject: Subject,
    /// The key that browsers subscribe with; `vapid.pem` beside the subscriptions if there is none. It is made if it is
    /// missing.
    pub key_file: Option<PathBuf>,
    /// Keys that it has replaced, for browsers that have subscribed with them.
    pub old_key_files: Vec<PathBuf>,
    /// Which push services may be asked: public ones.
    pub guard: Guard,
    /// Certificates, as DER, that are trusted beside the system's.
    pub roots: Vec<Vec<u8>>,
    /// How many devices a user may have.
    pub subscriptions: SubscriptionOptions,
    /// Requests at once to each push service.
    pub in_flight_max: usize,
    /// How long a call waits for push services that are not reached or want a pause: a minute. Its messages are sent all the
    /// same, later.
    pub patience: Duration,
}

impl PusherOptions {
    /// The usual ones.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            key_file: None,
            old_key_files: Vec::new(),
            guard: Guard::default(),
            roots: Vec::new(),
            subscriptions: SubscriptionOptions::default(),
            in_flight_max: 32,
            patience: Duration::from_secs(60),
        }
    }
}

/// Why there is no pusher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPusherError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] pushnote_store::OpenError),
    /// A key cannot be read or made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The tables cannot be used.
    #[error(transparent)]
    Tables(#[from] OpenError),
    /// A root certificate is none.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] io::Error),
}

/// Why something was not stored or pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PusherError {
    /// What was given is none.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// Its push service may not be asked.
    #[error("messages to this subscription would not be sent: {0}")]
    Forbidden(#[from] Forbidden),
    /// It has no place.
    #[error(transparent)]
    Add(#[from] AddError),
    /// What solidwebpush has stored cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Nobody of this name has subscribed.
    #[error("{0:?} has no subscription")]
    UnknownUser(String),
    /// Nothing can be stored or read.
    #[error(transparent)]
    Store(#[from] TransactError),
    /// A task has panicked.
    #[error("a fault in pushnote: please report what stands on the standard error about a panic")]
    Fault,
}
