//! Fan-out: the same message to many receivers, each written to directly and none waited for.
//!
//! # Layout
//!
//! - [`Hub`]: the handle; starts the shards, takes publications
//! - [`Attachment`]: a receiver's side of it
//! - `shard`: one task per core, which owns its share of the receivers and writes to them
//! - [`Publication`], [`Batch`]: what is delivered, and the cache of its encodings
//! - [`Receiver`]: what a front end implements to be delivered to
//! - [`Interest`]: which channels have subscribers
//! - [`Keep`], [`KeptLog`]: a log that outlives its process
//! - `mask`: which of a turn's publications a receiver gets
//! - `window`: lets messages of a steady stream wait for each other
//! - [`Counters`]: what is counted

mod attachment;
mod counters;
mod hub;
pub mod index;
mod interest;
mod kept;
mod log;
mod mask;
mod one_or_many;
mod publication;
mod receiver;
mod shard;
mod window;

pub use attachment::{Attachment, Remote, SubscribeError};
pub use counters::{Counter, Counters};
pub use hub::{Hub, HubOptions, ShardGone};
pub use interest::Interest;
pub use kept::{Keep, KeptLog, RecordError, Recovered, Waiting};
pub use log::{Bounds, Dated, Excerpt, Had, LogOptions, Origin, Stored};
pub use publication::{Batch, Content, Encoded, Publication};
pub use receiver::{Delivery, Place, Receiver};
pub use shard::ReceiverId;
