//! The settings of `pushnote-server` and `pushnote-mq`: what there is, where it comes from, what is wrong with it.
//!
//! A setting stands once, as a field of [`Server`] or [`Mq`]: its name, type, default and description. clap makes the flag
//! and the environment variable of it, and this crate the key of a file, the printed table and the page of the manual.
//! The layers, each over the one before: defaults, file, environment, flags.

#[cfg(feature = "server")]
mod channels;
mod document;
mod fault;
mod file;
mod given;
mod layers;
#[cfg(feature = "server")]
mod lightpush;
#[cfg(feature = "server")]
mod limits;
#[cfg(feature = "server")]
mod locations;
mod mq;
mod nearest;
#[cfg(feature = "server")]
mod push;
#[cfg(feature = "server")]
mod redis;
mod schema;
#[cfg(feature = "server")]
mod server;
mod shared;
#[cfg(feature = "server")]
mod tables;
mod values;
#[cfg(feature = "server")]
mod webhook;

#[cfg(feature = "server")]
pub use channels::ChannelTables;
pub use document::{default_file, manual, print};
pub use file::{File, FileError};
pub use given::{Given, GivenSetting};
pub use layers::{ConfigError, check, load, unknown_variables};
#[cfg(feature = "server")]
pub use lightpush::LightpushArgs;
#[cfg(feature = "server")]
pub use limits::LimitArgs;
#[cfg(feature = "server")]
pub use locations::LocationTables;
pub use mq::Mq;
#[cfg(feature = "server")]
pub use push::{PushArgs, PushArgsError};
#[cfg(feature = "server")]
pub use redis::RedisArgs;
pub use schema::Schema;
#[cfg(feature = "server")]
pub use server::{ListenAddress, MessageForm, Server};
pub use shared::{ConnectArgs, KeyArgs, ListenArgs, MetricsArgs};
pub use values::{duration, seconds};
#[cfg(feature = "server")]
pub use webhook::WebhookArgs;
