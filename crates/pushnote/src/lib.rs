//! Send a message to every browser concerned with one line.
//!
//! ```no_run
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! pushnote::notify_all(json!({"msg": "Hi all!"}))?;     // every browser
//! pushnote::notify(json!({"msg": "Hi"}), ["42"])?;      // the pages of user 42
//! let token = pushnote::tokenize("42")?;                // what user 42's pages subscribe with
//! pushnote::flush(std::time::Duration::from_secs(5))?;  // before a program ends
//! # Ok(())
//! # }
//! ```
//!
//! The environment says where to and with which secret: `PUSHNOTE_MQ_SOCKET` is what `pushnote-mq --sub` (or
//! `pushnote-server --single --mq_socket`) listens on, such as `tcp://127.0.0.1:8002`; `PUSHNOTE_ACK_SOCKET` what its
//! `--ack` does; `PUSHNOTE_SECRET`, or the file
//! that `PUSHNOTE_SECRET_FILE` names, is the secret of the servers. Where the connection
//! is secured with CURVE, `PUSHNOTE_CURVE_SERVER_KEY` is the public key of the end that is published to, and
//! `PUSHNOTE_CURVE_SECRET_KEY_FILE` names a file with our own secret key. Everything else is set with
//! [`Publisher::builder`].
//!
//! No call but [`flush`] waits for the network, so all can be made from async code as from any other. A message is
//! queued, and a thread of the publisher's own writes it. What is queued before the connection stands is not lost; and
//! what cannot be written is never dropped silently:
//!
//! | what happens | who is told |
//! |---|---|
//! | the queue is full | whoever publishes: [`PublishError::QueueFull`] |
//! | nothing can be written (no connection, or nobody there subscribes) | they wait, until the queue is full; or, with [`PublisherBuilder::subscriber_timeout`], are given up after that time: counted in [`Stats`], one warning logged, and the next [`flush`] says so |
//! | the program ends | whoever called [`flush`]: it succeeds only if everything was written |
//!
//! Written means: to the socket of the peer, in order, once. What a forwarder had not passed on when it crashed is lost,
//! unless there are two (`PUSHNOTE_MQ_SOCKET=tcp://one:8002,tcp://two:8002`): each gets every message, and servers that
//! hear both take it once. Who has to know calls [`notify_all_acked`] or [`notify_acked`], which wait for a [`Receipt`]:
//! how many servers have the message. Whether a browser was there to see it, nobody knows.

mod acks;
mod builder;
mod driver;
mod environment;
mod error;
mod publisher;
mod queue;

pub use builder::PublisherBuilder;
pub use environment::{flush, notify, notify_acked, notify_all, notify_all_acked, tokenize};
pub use error::{AckError, BuildError, Endpoints, FlushError, Obstacle, PublishError, TokenizeError};
pub use publisher::{Publisher, Stats};
pub use pushnote_core::{Keys, Receipt, Secret, SecretError, Tokenizer, UserId, UserIdError};
pub use pushnote_zmtp::curve::{KeyError, PublicKey, SecretKey};
pub use pushnote_zmtp::{Endpoint, EndpointError, KeyFileError};
