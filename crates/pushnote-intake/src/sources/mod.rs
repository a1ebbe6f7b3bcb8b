//! Where messages come from.

pub mod both;
pub mod handed;
pub mod zeromq;
