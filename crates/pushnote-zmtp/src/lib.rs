//! ZeroMQ's wire protocol for PUB and SUB.
//!
//! [`Subscriber`] and [`Publisher`] speak ZMTP 3.x with libzmq and any other implementation, listening or connecting.
//! Beneath them, without IO and without a clock: [`scan`] finds messages in a byte stream, [`handshake`] greets,
//! [`command`] reads what peers ask for, [`topics`] knows who wants what, [`heartbeat`] and [`backoff`] keep time.

pub mod backoff;
mod batch;
pub mod command;
mod endpoint;
mod fanout;
pub mod frame;
pub mod handshake;
pub mod heartbeat;
mod link;
mod options;
mod outbox;
mod publisher;
mod roads;
pub mod scan;
mod stats;
mod stream;
mod subscriber;
pub mod topics;
pub mod v1;

pub use batch::{Batch, Message, MultipartError};
pub use endpoint::{Endpoint, EndpointError};
pub use options::{Options, SlowSubscriber};
pub use publisher::{Publisher, SendError};
pub use stats::{CloseCause, Stats};
pub use stream::BindError;
pub use subscriber::Subscriber;
