#![doc = include_str!("../README.md")]
//!
//! ## Layout
//!
//! Sockets: [`Publisher`], [`Subscriber`], [`Requester`], [`Responder`], each set up by [`Options`]; [`Monitor`] and
//! [`probe`] show a socket, and an endpoint, to who watches.
//!
//! Beneath them is the protocol, a crate of its own without IO and without a clock: [`pushnote_zmtp_proto`]. What users
//! of the sockets need of it is named here, too.

mod batch;
mod connections;
mod inbound;
mod key_file;
mod link;
mod monitor;
mod options;
mod outbox;
pub mod probe;
mod publisher;
mod requester;
mod responder;
mod send_filter;
mod stats;
mod subscriber;
mod transport;

pub use batch::{Batch, Multipart, MultipartError};
pub use key_file::{KeyFile, KeyFileError, new_key_file};
pub use monitor::{HistoryStats, Monitor, PeerStats};
pub use options::{Options, SlowSubscriber};
pub use publisher::{Confirmation, Delivery, Publisher, QueueError};
pub use pushnote_zmtp_proto::endpoint::{Endpoint, EndpointError};
pub use pushnote_zmtp_proto::position::Position;
pub use pushnote_zmtp_proto::security::{Clients, ClientsError, CurveClient, CurveServer, Right, Security};
pub use pushnote_zmtp_proto::{command, curve, frame, handshake, scan};
pub use requester::{Reply, Requester};
pub use responder::{Request, Responder};
pub use stats::{CloseCause, Stats};
pub use subscriber::{Beginning, Subscriber};
pub use transport::BindError;
