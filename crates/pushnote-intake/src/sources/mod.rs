//! Where messages come from.

pub mod both;
pub mod handed;
pub mod redis;
pub mod zeromq;
