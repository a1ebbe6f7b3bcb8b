//! From the bytes that an application published to a publication of the hub, once for every source.
//!
//! # Layout
//!
//! - [`Intake`]: parses, verifies, puts in order, publishes, answers and counts
//! - [`Source`]: what yields the bytes and takes the answers; [`sources`] has them all
//! - `parser`: from an envelope's bytes to a publication
//! - `streams`: how far the sources' streams have come
//! - `age`: what is from before this server was there, and who is told of it
//! - `arrival`: a message while it is put in order
//! - `filling`: what sources have from before
//! - `order`: what one sender sent, in order and each once
//! - [`Counters`]: what is counted

mod age;
mod arrival;
mod counters;
mod filling;
mod intake;
mod order;
mod parser;
mod source;
pub mod sources;
mod streams;

pub use counters::Counters;
pub use intake::{Beside, Intake};
pub use source::{Expected, Incoming, Rejected, Reply, Sender, Sent, Source};
