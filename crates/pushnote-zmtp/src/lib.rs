//! ZeroMQ's wire protocol for PUB and SUB.
//!
//! [`Subscriber`] and [`Publisher`] speak with libzmq and any other implementation, listening or connecting: ZMTP 3.1 and
//! 3.0 (RFC 37), 2.0 (RFC 15) and the unversioned 1.0 of libzmq 2.x (RFC 13), over TCP and Unix sockets, with the mechanisms
//! NULL and, from ZMTP 3.0 on, CURVE (RFC 26): [`Options::security`] says which. Beneath them, without IO and without a
//! clock: [`scan`] finds messages in a byte stream, [`handshake`] greets, [`mod@curve`] proves who is there and seals what
//! is said, [`command`] reads what peers ask for, [`topics`] knows who wants what, [`heartbeat`] and [`backoff`] keep time.
//!
//! Deliberately absent: all other socket patterns, inproc, identities, and any re-encoding of a frame on its way from
//! one ZMTP 2 or 3 peer to another without CURVE; PLAIN, which hides nothing, and ZAP: [`Clients`] is a list.
//!
//! ```
//! use pushnote_zmtp::{Options, Publisher, Subscriber};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut subscriber = Subscriber::bind(&"tcp://127.0.0.1:*".parse()?, Options::default()).await?;
//! let endpoint = subscriber.local_endpoint().expect("it listens").clone();
//! let publisher = Publisher::connect(endpoint, Options::default());
//! publisher.try_send("kept until the subscriber is there")?;
//! let message = subscriber.recv().await.expect("it is not closed").into_single()?;
//! assert_eq!(&*message, b"kept until the subscriber is there");
//! # Ok(())
//! # }
//! ```

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
mod reported;
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
pub use ipnet::IpNet;
pub use key_file::KeyFileError;
pub use monitor::{HistoryStats, Monitor, PeerStats};
pub use options::{Options, SlowSubscriber};
pub use position::Position;
pub use publisher::{Delivery, Publisher, SendError};
pub use requester::{Reply, Requester};
pub use responder::{Request, Responder};
pub use security::{Clients, ClientsError, CurveClient, CurveServer, Right, Security};
pub use stats::{CloseCause, Stats};
pub use stream::BindError;
pub use subscriber::Subscriber;
