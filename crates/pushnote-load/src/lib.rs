//! An honest load on any push server.
//!
//! One thread and one epoll make the load, so that one core of it can saturate one core of a server. Every delivery is
//! counted and checked. What a server's CPU time means on this machine is told by the bare [`Limit`]: the same load on
//! a process that does nothing but `send(2)`, measured in the same run.
//!
//! A [`Plan`] says what load to make, [`run`] makes it, a [`Measurement`] is what came of it, and [`plot`] draws its
//! latencies.

mod connection;
mod crowd;
mod error;
mod frame;
mod http;
mod limit;
mod load;
mod measurement;
mod message;
mod outcome;
mod pace;
mod plan;
pub mod plot;
mod polling;
mod preset;
mod process;
mod progress;
mod publisher;
mod resume;
mod sequence;
mod stall;
mod tally;
#[cfg(test)]
mod tests;
mod url;

pub use self::error::{HttpError, LoadError};
pub use self::limit::{Limit, run as run_limit};
pub use self::load::run;
pub use self::measurement::{Connecting, Idle, Measurement, Memory, Running, Stalled};
pub use self::message::BYTES_MIN as MESSAGE_BYTES_MIN;
pub use self::outcome::{Phase, Resumption, Stall};
pub use self::pace::Pace;
pub use self::plan::{Plan, Publish, user_id};
pub use self::preset::Preset;
pub use self::process::{Processes, allow_files, pin_self};
pub use self::progress::Progress;
pub use self::resume::resume;
pub use self::stall::stall;
pub use self::tally::Tally;
pub use self::url::{Url, UrlError, zmq_address};
