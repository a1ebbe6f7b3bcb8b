//! What can go wrong, and what to do about it.
//!
//! A `main` that returns an error has it printed by `Debug`: of these that is the same text as by `Display`.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use pushnote_core::envelope::{EventNameError, SUBJECTS_MAX};
use pushnote_core::{ChannelNameError, PushError, SecretError, UserIdError};
use pushnote_zmtp::curve::KeyError;
use pushnote_zmtp::{Endpoint, EndpointError, KeyFileError, Security, Stats};

/// Why a publisher cannot be made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Neither the environment nor the program says where to.
    #[error(
        "PUSHNOTE_MQ_SOCKET is not set; set it to the endpoint that pushnote-mq --sub or pushnote-server --single \
         listens on, as in tcp://127.0.0.1:8002"
    )]
    NotConfigured,
    /// A variable of the environment that has no endpoint, and what is wrong with it.
    #[error("{variable}: {error}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong.
        error: EndpointError,
    },
    /// The address of an API. It is not shown: there may be a password in it.
    #[error(
        "messages go over ZeroMQ, and not to an http:// or https:// address; give the endpoint that pushnote-mq --sub or \
         pushnote-server --single listens on, as in tcp://127.0.0.1:8002, or publish by POST to /v1/publish there with \
         an HTTP client"
    )]
    Http,
    /// A builder without an endpoint.
    #[error("publisher has no endpoint; give one, as in tcp://127.0.0.1:8002")]
    NoEndpoint,
    /// Half of what CURVE needs.
    #[error(
        "PUSHNOTE_CURVE_SERVER_KEY and PUSHNOTE_CURVE_SECRET_KEY_FILE belong together: set both, or neither to publish \
         without CURVE"
    )]
    HalfOfCurve,
    /// Not a public key.
    #[error("PUSHNOTE_CURVE_SERVER_KEY: {0}")]
    ServerKey(#[source] KeyError),
    /// No secret key to be had.
    #[error("PUSHNOTE_CURVE_SECRET_KEY_FILE: {0}")]
    SecretKey(#[source] KeyFileError),
    /// Not an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The system gives no thread, or no descriptors for its event loop.
    #[error("cannot start the publisher's thread: {0}")]
    Thread(#[source] io::Error),
    /// The system gives no randomness, by which publishers are told apart.
    #[error("the system gives no randomness: {0}")]
    Random(#[source] getrandom::Error),
}

/// Why a message was not queued. Nothing of it will be sent.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The global publisher cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The data has no form in JSON.
    #[error("message has no form in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// One of the users is none.
    #[error(transparent)]
    User(#[from] UserIdError),
    /// The data is longer than servers take.
    #[error("message of {len} bytes is too long, servers take {max}")]
    TooLong {
        /// Its length as JSON, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
    /// One of the channels is none.
    #[error(transparent)]
    Channel(#[from] ChannelNameError),
    /// The event's name is none.
    #[error(transparent)]
    Event(#[from] EventNameError),
    /// No channel, no user, and not everyone.
    #[error("message is for nobody; name a channel, a user, or everyone")]
    Nobody,
    /// What is to follow it is not within its limits.
    #[error("push: {0}")]
    Push(#[from] PushError),
    /// What is to follow it, where that is for others than users.
    #[error(
        "message with a push is for others than users: of channels, and of everyone, nobody knows who is absent"
    )]
    PushNotToUsers,
    /// The names of those it is for are longer than servers take.
    #[error(
        "message with the names of those it is for has {len} bytes, servers take {max}; send it to fewer at a time"
    )]
    NamesTooLong {
        /// Length of the envelope, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
    /// More users and channels than one message may name.
    #[error(
        "message is for {len} users and channels, servers take {SUBJECTS_MAX}; send it to fewer at a time"
    )]
    TooManyNames {
        /// How many it names.
        len: usize,
    },
    /// The network takes less than is published, or nothing.
    #[error("queue is full (messages: {messages}, bytes: {bytes}): {}", .obstacle.at(.endpoints))]
    QueueFull {
        /// Messages that wait.
        messages: usize,
        /// Their bytes.
        bytes: usize,
        /// Where to.
        endpoints: Endpoints,
        /// What they wait for.
        obstacle: Obstacle,
    },
    /// This process was forked off the one that made the publisher.
    #[error("{FORKED}")]
    Forked,
}

/// A daemon is the usual one.
const FORKED: &str = "this process was forked off the one that made the publisher, whose thread is not in it: publish for the \
                      first time, or make the Publisher, behind the fork (a program that becomes a daemon: behind that)";

macro_rules! debug_is_display {
    ($($error:ty),*) => {
        $(impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })*
    };
}

debug_is_display!(BuildError, PublishError, AckError, FlushError, TokenizeError);

/// Where messages go: to each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints(pub Vec<Endpoint>);

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Endpoint::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

/// Why a message was not acknowledged.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// It was not sent.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is nobody to ask.
    #[error(
        "nobody acknowledges messages: set PUSHNOTE_ACK_SOCKET (or the builder's ack_endpoint) to what pushnote-mq \
         --ack or pushnote-server --single --ack listens on"
    )]
    NotConfigured,
    /// So many wait for an answer that no more is asked. It was not sent.
    #[error("too many messages wait to be acknowledged (1024, or 8 MiB of them); publish fewer at a time")]
    TooMany,
    /// It was sent, and the other side does not take it.
    #[error("refused: {0}")]
    Refused(String),
    /// It was sent, and nobody has taken it: no server is there, for example. It may be sent again.
    #[error("not taken: {0}")]
    NotTaken(String),
    /// It was perhaps sent, and perhaps taken: no answer came.
    #[error(
        "no answer within {within:?} from {endpoints}{}; the message may have arrived all the same",
        .obstacle.map_or_else(String::new, |obstacle| format!(" ({})", obstacle.at(endpoints)))
    )]
    NoAnswer {
        /// How long it was waited for.
        within: Duration,
        /// Who was asked.
        endpoints: Endpoints,
        /// Why there was no connection in the end, if there was none.
        obstacle: Option<Obstacle>,
    },
}

/// What keeps messages from being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// There is no connection; one is tried for again and again.
    NotConnected,
    /// There is a connection, but the other side has not subscribed to anything.
    NotSubscribed,
    /// The other side is there, and takes messages more slowly than they come.
    Slow,
    /// The other side wants CURVE, and this one has no keys.
    KeysWanted,
    /// This side has keys, and the other one is not secured.
    KeysUnwanted,
    /// The other side refuses the keys of this one.
    KeysRefused,
    /// Something is there that takes no messages: another end, or another protocol.
    WrongEnd,
    /// This process was forked off the one that made the publisher: what was queued is that one's to write.
    Forked,
}

impl Obstacle {
    /// Why there is no connection, by how those that were tried have ended.
    pub(crate) fn to_connect(tried: &Stats, security: &Security) -> Self {
        if tried.closed_for("handshake") + tried.closed_for("not_zmtp") > 0 {
            return Self::WrongEnd;
        }
        match (tried.closed_for("security_mismatch"), tried.closed_for("refused_by_peer"), security) {
            (1.., _, Security::Null) => Self::KeysWanted,
            (1.., ..) => Self::KeysUnwanted,
            (_, 1.., _) => Self::KeysRefused,
            _ => Self::NotConnected,
        }
    }

    /// A sentence about it.
    pub(crate) fn at(self, endpoints: &Endpoints) -> impl fmt::Display {
        match self {
            Self::NotConnected => format!("not connected to {endpoints}"),
            Self::NotSubscribed => format!("connected to {endpoints}, but it has not subscribed"),
            Self::Slow => format!("{endpoints} takes them too slowly"),
            Self::KeysWanted => format!(
                "{endpoints} wants CURVE; set PUSHNOTE_CURVE_SERVER_KEY to its public key, and \
                 PUSHNOTE_CURVE_SECRET_KEY_FILE to a file with a key of our own, which 'pushnote keygen' makes"
            ),
            Self::KeysUnwanted => format!(
                "{endpoints} is not secured with CURVE, and this side has keys; give keys to both, or to none"
            ),
            Self::KeysRefused => format!(
                "{endpoints} refuses our key: either PUSHNOTE_CURVE_SERVER_KEY is not its public key, or ours, which \
                 'pushnote keygen --public' shows, is not among its --curve-clients"
            ),
            Self::WrongEnd => format!(
                "{endpoints} is the wrong port: messages go to pushnote-mq's --sub (of a single server: its \
                 --mq_socket), those to be acknowledged to --ack"
            ),
            Self::Forked => FORKED.to_owned(),
        }
    }
}

/// Why not everything that was published has been written.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushError {
    /// Messages that still wait; they are written as soon as that is possible.
    pub left: u64,
    /// Messages that were given up since the last flush that said so.
    pub given_up: u64,
    /// How long nothing could be written before messages were given up.
    pub subscriber_timeout: Duration,
    /// Where to.
    pub endpoints: Endpoints,
    /// What is, or was, in the way.
    pub obstacle: Obstacle,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, given_up, subscriber_timeout, endpoints, obstacle } = self;
        if *given_up > 0 {
            write!(f, "messages given up after {subscriber_timeout:?}: {given_up}; ")?;
        }
        if *left > 0 {
            write!(f, "messages not written yet: {left}; ")?;
        }
        obstacle.at(endpoints).fmt(f)
    }
}

impl std::error::Error for FlushError {}

/// Why no token was made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TokenizeError {
    /// The environment has no secret.
    #[error(
        "no secret for tokens: set PUSHNOTE_SECRET, or PUSHNOTE_SECRET_FILE to the name of a file with it, to what the \
         servers have"
    )]
    NotConfigured,
    /// The secret's file cannot be read.
    #[error("PUSHNOTE_SECRET_FILE: cannot read {}: {source}", .path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The secret is none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The user is none.
    #[error(transparent)]
    User(#[from] UserIdError),
    /// The channel is none.
    #[error(transparent)]
    Channel(#[from] ChannelNameError),
}
