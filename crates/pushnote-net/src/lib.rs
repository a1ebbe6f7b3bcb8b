//! What every listener and socket of pushnote shares.
//!
//! - [`Listener`], [`Stream`], [`Peer`]: connections over TCP or a Unix socket, accepted in one way; [`Inherited`] ones too
//! - [`Writer`]: the writing end of a stream, which any thread writes to
//! - [`http`]: responses that go on for ever, taken over from the server that has written their head
//! - [`Admission`], [`Newcomers`]: how many of them there may be, and who gives way
//! - [`Rate`]: how often an address may do a thing
//! - [`LogOnce`]: warnings that input from outside can cause, limited per kind and time
//! - [`Network`]: ranges of addresses, of peers and of proxies
//! - [`harmless`]: logs in libraries, whose applications may have a subscriber that panics
//! - [`unix_now`]: the time, as tokens have it
//! - [`read_text`]: files that people write
//! - [`probe_tcp`], [`probe_unix`], [`probe_folder`]: whether places could be used, without using them; [`advice`]: what to do
//!   when not
//! - `metrics` (a feature, for the binaries): counters for Prometheus, over HTTP
//! - [`timeout_awake`], and [`LATE`]: a deadline that is judged only after what has arrived is read

mod admission;
mod awake;
mod clock;
pub mod http;
mod listener;
mod log_once;
#[cfg(feature = "metrics")]
pub mod metrics;
mod moment;
mod network;
mod newcomers;
mod outbox;
mod probe;
mod rate;
mod stream;
mod text_file;
mod writer;

pub use admission::{Admission, Permit, Refused};
pub use awake::{LATE, timeout_awake};
pub use clock::unix_now;
pub use listener::{Inherited, Listener, advice};
pub use log_once::{LogOnce, harmless};
pub use moment::{Moment, after};
pub use network::{Network, ParseNetworkError};
pub use newcomers::Newcomers;
pub use probe::{probe_folder, probe_tcp, probe_unix};
pub use rate::Rate;
pub use stream::{Peer, Stream};
pub use text_file::read_text;
pub use writer::{Stage, WriteError, Writer};
