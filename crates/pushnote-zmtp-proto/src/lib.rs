#![doc = include_str!("../README.md")]
//!
//! ## Layout
//!
//! | module | says |
//! |---|---|
//! | [`endpoint`] | how addresses are written |
//! | [`frame`], [`scan`] | where the frames and messages of a byte stream are, within limits |
//! | [`handshake`], [`security`] | who greets whom and how; how a socket is secured, and who may do what |
//! | [`mod@curve`] | how both ends prove who they are and seal what they say |
//! | [`mod@codec`], [`v1`] | how frames look on one connection: as they are, sealed, or as those of 2010 |
//! | [`command`], [`position`] | what peers ask for; where in its stream a publisher is |
//! | [`topics`] | who wants which messages |
//! | [`heartbeat`], [`backoff`] | when to send a PING, when to give up, when to connect again |
//!
//! There is no clock, no socket and no task here: bytes and the time come in as arguments. Only keys and nonces are
//! drawn here, from the system's random numbers. The sockets around it are the crate `pushnote-zmtp`.

pub mod backoff;
pub mod codec;
pub mod command;
pub mod curve;
pub mod endpoint;
pub mod frame;
pub mod handshake;
pub mod heartbeat;
pub mod position;
pub mod scan;
pub mod security;
pub mod topics;
pub mod v1;
