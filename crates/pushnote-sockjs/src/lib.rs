#![doc = include_str!("../README.md")]

mod builder;
mod client_script;
#[cfg(feature = "warp")]
mod filter;
mod guard;
mod handler;
mod headers;
mod http_session;
mod iframe_page;
mod info;
mod message;
mod mount;
mod options;
mod origin;
mod proxy;
mod receive;
mod receiver;
mod registry;
mod request;
mod response;
mod send;
mod service;
mod session;
mod site;
mod sockjs;
mod streaming;
mod transport;
mod upgrade;
mod websocket_session;

pub use builder::Builder;
pub use client_script::ClientScript;
pub use guard::ConnectionGuard;
pub use handler::{Connection, Handler, SessionInfo};
pub use message::Message;
pub use mount::Mount;
pub use options::Limits;
pub use origin::{AllowedOrigin, OriginError};
pub use proxy::client_addr;
pub use pushnote_net::{
    Network, ParseNetworkError, Peer, Stream,
    http::{Handover, HttpStream},
};
pub use pushnote_sockjs_proto::{
    Close,
    session::{CloseCause, CloseReason},
};
pub use pushnote_websocket::{HyperIo, encode::Frames};
pub use response::Body;
pub use session::{SendError, Session};
pub use sockjs::SockJs;
pub use transport::Transport;
