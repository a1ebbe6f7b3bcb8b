#![doc = include_str!("../README.md")]
//!
//! ## What becomes of a message
//!
//! A message is queued, and a thread of the publisher's own, with a runtime of its own, writes it. So it makes no difference
//! whether there is a runtime around the caller, or which. Only [`flush`], what is `acked`, and the drop of a [`Publisher`] or of a
//! [`FlushOnDrop`] block. What is queued before the connection stands is not lost; and what cannot be written is never dropped
//! silently:
//!
//! | what happens | who is told |
//! |---|---|
//! | the queue is full | whoever publishes: [`PublishError::QueueFull`] |
//! | nothing can be written (no connection, or nobody there subscribes) | they wait, until the queue is full; or, with [`PublisherBuilder::subscriber_timeout`], are given up after that time: counted in [`Stats`], one warning logged, and the next [`flush`] says so |
//! | the program ends | whoever called [`flush`]: it succeeds only if everything was written. Without it, and without [`flush_on_drop`], what is still queued is lost with the process |
//! | the process is forked after a publisher was made, as by what makes it a daemon | whoever publishes in the child: [`PublishError::Forked`]. The thread is the parent's, and so is what is queued: fork first, then publish |
//!
//! Written means: to the socket of the peer, in order, once. What a forwarder had not passed on when it crashed is lost,
//! unless there are two (`PUSHNOTE_MQ_SOCKET=tcp://one:8002,tcp://two:8002`): each gets every message, and servers that
//! hear both take it once. Who has to know calls [`notify_all_acked`] or [`notify_all_acked_async`] and their like, which wait for
//! a [`Receipt`]: how many servers have the message. Whether a browser was there to see it, nobody knows.

mod acks;
mod awaited;
mod builder;
mod detached;
mod driver;
mod environment;
mod error;
mod limits;
mod message;
mod process;
mod publisher;

pub use builder::PublisherBuilder;
pub use environment::{
    FlushOnDrop, flush, flush_async, flush_on_drop, notify, notify_acked, notify_acked_async, notify_all,
    notify_all_acked, notify_all_acked_async, notify_channel, notify_channel_acked,
    notify_channel_acked_async, publish, tokenize, tokenize_channel,
};
pub use error::{AckError, BuildError, Endpoints, FlushError, Obstacle, PublishError, TokenizeError};
pub use message::Message;
pub use publisher::{Publisher, Stats};
pub use pushnote_core::envelope::EventNameError;
pub use pushnote_core::{
    ChannelName, ChannelNameError, Keys, Push, PushError, Receipt, Secret, SecretError, Tokenizer, Urgency,
    UserId, UserIdError,
};
pub use pushnote_zmtp::curve::{KeyError, PublicKey, SecretKey};
pub use pushnote_zmtp::{Endpoint, EndpointError, KeyFile, KeyFileError};
