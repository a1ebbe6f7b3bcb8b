//! Locations of the Basic HTTP Push Relay Protocol, revision 2.23, and the application behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod application;
mod fallback;
mod gaps;
mod passthrough;
mod protocol;
mod publishers;
mod reference;
mod site;
