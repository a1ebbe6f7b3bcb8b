//! No silent loss on the way in: two forwarders, links that break, and messages that are acknowledged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acks;
mod losses;
mod runs;
