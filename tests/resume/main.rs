//! What the log promises, while a thousand messages pass in each second: whatever is killed, cut off or stands still, a
//! page that says hello has each of them once and in order, or is told of a gap.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod forwarders;
mod load;
mod random;
mod servers;
mod stalls;
mod way;
