//! Where messages come from.

pub mod both;
pub mod redis;
pub mod zeromq;
