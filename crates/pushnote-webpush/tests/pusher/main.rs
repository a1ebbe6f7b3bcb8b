//! What applications without a server do, and what browsers read of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod browser;
mod place;
mod readme;
mod receivers;
#[path = "../support/mod.rs"]
mod support;
mod web_push_testing;
