//! The client against a push service that behaves in every way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod hostile;
mod killed;
mod place;
mod sending;
