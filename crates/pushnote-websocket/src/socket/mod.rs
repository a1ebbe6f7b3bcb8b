//! A taken-over stream that any thread writes to, and the task that does everything else for it.

mod disconnected;
mod driver;
mod event;
mod heartbeat;
mod options;
mod running;
mod scratch;
mod take_over;
mod writer;

pub use disconnected::{Cause, Disconnected};
pub use driver::Driver;
pub use event::Event;
pub use options::SocketOptions;
pub use take_over::{HyperIo, TakeOverError, take_over};
pub use writer::{Socket, SocketError};
