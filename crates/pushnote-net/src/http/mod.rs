//! HTTP below the server that reads it: its stream, and responses that leave it.

mod client_side;
mod handover;
mod response;
mod stream;

pub use client_side::{ClientSide, Owed};
pub use handover::{Handover, Handovers, TakenOver};
pub use response::{Chunk, Idle, ResponseDriver, ResponseStream};
pub use stream::HttpStream;
