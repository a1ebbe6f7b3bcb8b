//! What a server keeps on disk: its log, the epochs of that log, and what is to be remembered by name, in
//! one SQLite file.
//!
//! The store knows offsets, times and bytes, not what they mean. Whoever appends is never held up by the disk: records
//! wait in a queue that is bounded in bytes, and a thread commits all that waits at once.
//!
//! # Layout
//!
//! - [`Store`]: the handle; opens the file, appends, tells what is durable
//! - [`Options`], [`Fsync`]: how much is kept, and what a power failure may cost
//! - [`Recovered`], [`Epochs`]: what was there when the file was opened
//! - [`Failure`], [`AppendError`], [`OpenError`], [`TransactError`]: what goes wrong
//! - `queue`: what waits for the writer
//! - `work`: what others do in its transactions, in tables of their own
//! - `writer`: the thread that commits it
//! - `database`: the file; `schema` makes and checks it, `extent` says what is too much

mod database;
mod epochs;
mod errors;
mod extent;
mod options;
mod queue;
mod record;
mod schema;
mod store;
mod work;
mod writer;

pub use epochs::Epochs;
pub use errors::{AppendError, Failure, OpenError, TransactError};
pub use options::{Fsync, Options};
pub use record::{Record, Recovered, Remembered};
pub use store::Store;

/// What [`Store::transact`] speaks.
pub use rusqlite;
