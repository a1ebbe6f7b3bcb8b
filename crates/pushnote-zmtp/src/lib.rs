#![doc = include_str!("../README.md")]
//!
//! ## Layout
//!
//! Sockets: [`Publisher`], [`Subscriber`], [`Requester`], [`Responder`], each set up by [`Options`].
//!
//! Beneath them, without IO and without a clock: [`scan`] finds messages in a byte stream, [`handshake`] greets,
//! [`mod@curve`] proves who is there and seals what is said, [`command`] reads what peers ask for, [`topics`] knows who
//! wants what, [`Position`] says where in its stream a publisher is, [`heartbeat`] and [`backoff`] keep time, [`v1`]
//! translates frames of 2010.

pub mod backoff;
mod batch;
mod codec;
pub mod command;
mod confirm;
pub mod curve;
mod endpoint;
mod fanout;
pub mod frame;
pub mod handshake;
pub mod heartbeat;
mod history;
mod key_file;
mod link;
mod monitor;
mod options;
mod outbox;
mod position;
pub mod probe;
mod publisher;
mod requester;
mod responder;
mod roads;
pub mod scan;
mod security;
mod stats;
mod stream;
mod subscriber;
pub mod topics;
pub mod v1;

pub use batch::{Batch, Message, MultipartError};
pub use endpoint::{Endpoint, EndpointError};
pub use key_file::KeyFileError;
pub use monitor::{HistoryStats, Monitor, PeerStats};
pub use options::{Options, SlowSubscriber};
pub use position::Position;
pub use publisher::{Confirmation, Delivery, Publisher, SendError};
pub use requester::{Reply, Requester};
pub use responder::{Request, Responder};
pub use security::{Clients, ClientsError, CurveClient, CurveServer, Right, Security};
pub use stats::{CloseCause, Stats};
pub use stream::BindError;
pub use subscriber::Subscriber;
