//! What a server is told at its start.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use pushnote_core::{ChannelRules, CurrentVerifier, Limits};
use pushnote_intake::sources::redis::RedisOptions;
use pushnote_net::metrics::Listener;
use pushnote_relay::Locations;
use pushnote_sockjs::{AllowedOrigin, Network};

use crate::api::keys::CurrentApiKeys;
use crate::front::lightpush::LightpushKey;
use crate::kept::OpenedLog;
use crate::page::{Action, Page};
use crate::push::PushOptions;
use crate::route::Route;

/// The API for applications.
#[derive(Debug)]
pub struct ApiOptions {
    /// Where it listens; without one, where browsers are served.
    pub listener: Option<pushnote_net::Listener>,
    /// Who may use it.
    pub keys: Arc<CurrentApiKeys>,
}

/// A listener that speaks as lightpush does.
#[derive(Debug)]
pub struct LightpushOptions {
    /// Where its pages and publishers connect.
    pub listener: pushnote_net::Listener,
    /// What publishers show.
    pub key: LightpushKey,
}

/// Where messages go that come in over HTTP.
#[derive(Debug, Clone)]
pub enum PublishTo {
    /// Into this server's log: there is no other.
    Here,
    /// To the forwarders that it hears, and so to all servers; `None` if it was not told where they take messages.
    Forwarders(Option<Arc<pushnote::Publisher>>),
}

/// What a server is told at its start.
pub struct Settings {
    /// The API, if there is one.
    pub api: Option<ApiOptions>,
    /// lightpush, if it is served.
    pub lightpush: Option<LightpushOptions>,
    /// Where messages go that come in over HTTP.
    pub publish_to: PublishTo,
    /// Redis, if its pub/sub is heard, too.
    pub redis: Option<RedisOptions>,
    /// Where SockJS is mounted, for example `/sockjs`.
    pub route: Route,
    /// All limits.
    pub limits: Limits,
    /// Verifies the tokens of browsers and those in envelopes.
    pub verifier: Arc<CurrentVerifier>,
    /// What holds for channels.
    pub channel_rules: ChannelRules,
    /// URL of sockjs-client for the iframe page that very old browsers use across origins; without it the
    /// page is not served.
    pub sockjs_url: Option<String>,
    /// Origins (`https://example.org`) that may connect from a browser; empty for all.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Proxies in front whose `X-Forwarded-For` tells the address of a browser. `limits.connections_per_ip_max` counts
    /// connections, and so a proxy's as its own.
    pub trusted_proxies: Vec<Network>,
    /// Whether pages are told to send cookies, and given a `JSESSIONID` for a load balancer to stick to.
    pub cookie_needed: bool,
    /// The cookie in which a browser may bring its token for server-sent events.
    pub token_cookie: String,
    /// Whether clients of SockJS get strings that hold JSON texts, where the original's pages want values.
    pub strings: bool,
    /// Locations of the push relay protocol.
    pub locations: Locations,
    /// Where requests go that are for nothing else; without it they are answered with 404.
    pub fallback: Option<Uri>,
    /// Fixed pages to serve beside it.
    pub pages: Vec<Page>,
    /// What scripts of those pages may ask for.
    pub actions: Vec<Action>,
    /// Shards of the hub; one per core is right.
    pub shards: usize,
    /// Under a steady stream, how long messages wait for each other to leave together; zero for not at all.
    pub coalescing_window: Duration,
    /// Web Push, if it is on. It goes with the log on disk.
    pub push: Option<PushOptions>,
    /// The log on disk to go on with; without it the log is in memory alone.
    pub log: Option<OpenedLog>,
    /// Where it tells what is to be measured of it.
    pub metrics: Option<Listener>,
}
