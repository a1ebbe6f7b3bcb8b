//! The Basic HTTP Push Relay Protocol, revision 2.23, without IO and without a clock: which location a request is for, which
//! message it asks for, which channels there are and who waits there, and what is said about a channel.
//!
//! The protocol is nginx_http_push_module's (<https://pushmodule.slact.net/protocol.html>); settings of locations have
//! the names and meanings of django-pushserver's.

mod info;
mod location;
mod locations;
mod message_id;
mod pattern;
mod registry;

pub use info::{Info, InfoFormat};
pub use location::{Buffer, BufferArgs, Cors, CorsError, Kind, Location, Polling, Publishing, Subscribing};
pub use locations::{Locations, LocationsError};
pub use message_id::{After, MessageIdError, Tag, asked_after};
pub use pattern::{NoChannel, Pattern, PatternError};
pub use registry::{Concurrency, HoldError, Registry, RegistryError};
