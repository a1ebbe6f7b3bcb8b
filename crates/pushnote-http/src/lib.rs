//! The server: the hub, SockJS and the accept loop put together.
//!
//! # Layout
//!
//! - [`run`]: the whole server, a function of listener, sources, settings and shutdown
//! - `routes`: every route
//! - `api`: what applications publish by and look at
//! - `client`: the client protocol on a SockJS session
//! - `expulsion`: users whom the application wants to be gone
//! - `expiries`: connections whose tokens expire
//! - `problem`: what is wrong with a request, as RFC 9457 has it
//! - `presence`: who is in which channel
//! - `front`: ways in and out beside SockJS; `context`: what they work with; `publisher`: where their messages go
//! - `push`: Web Push, its subscriptions and its queue
//! - `receiver`: what the hub delivers into
//! - `kept`: the log on disk
//! - `metrics`: what is measured
//! - `waiter`: a request that waits for something to read
//! - `serve`: accepts connections and drains them

mod api;
mod client;
mod context;
mod cors;
mod drain;
mod event_framing;
mod expiries;
mod expulsion;
mod framing;
mod front;
mod kept;
mod metrics;
mod notice;
mod page;
mod presence;
mod problem;
mod publisher;
mod push;
mod receiver;
mod request_check;
mod rights;
mod route;
mod routes;
mod serve;
mod server;
mod settings;
mod socket_first;
mod waiter;
mod webhook;

pub use api::keys::{
    ApiKey, ApiKeys, ApiKeysError, CurrentApiKeys, KEY_PREFIX, KEY_TITLE, LINE_TITLE, Right, key_hash,
};
pub use front::lightpush::{LightpushKey, LightpushKeyError};
pub use front::paths::fixed_paths;
pub use kept::{OpenLogError, OpenedLog};
pub use page::{Action, Page, Take};
pub use push::PushOptions;
pub use pushnote_intake::sources::redis::{RedisOptions, RedisServer, RedisUrlError};
pub use pushnote_intake::sources::zeromq::ZeroMq;
pub use pushnote_relay::{Locations, LocationsError};
pub use pushnote_sockjs::{AllowedOrigin, Network};
pub use pushnote_store::{Fsync, OpenError};
pub use pushnote_webpush::{Guard, Key, KeyFileError, KeyId, Keys, SubscriptionOptions};
pub use route::{Route, RouteError};
pub use server::{DrainReport, RunError, run};
pub use settings::{ApiOptions, LightpushOptions, PublishTo, Settings};
pub use socket_first::Bounds as StateBounds;
pub use webhook::{WebhookOptions, WebhookSecret, WebhookSecretError};
