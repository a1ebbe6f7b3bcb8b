#![doc = include_str!("../README.md")]

mod body;
mod builder;
mod client_script;
mod filter;
mod guard;
mod handler;
mod headers;
mod http_session;
mod message;
mod origin;
mod proxy;
mod rate;
mod registry;
mod service;
mod session;
mod transport;

pub use builder::{Builder, Limits};
pub use client_script::ClientScript;
pub use guard::ConnectionGuard;
pub use handler::{Connection, Handler, SessionInfo};
pub use message::Message;
pub use origin::{AllowedOrigin, OriginError};
pub use pushnote_net::{Network, ParseNetworkError};
pub use pushnote_sockjs_proto::{
    Close,
    session::{CloseCause, CloseReason},
};
pub use service::SockJs;
pub use session::{SendError, Session};
pub use transport::Transport;
