//! What every way in and out works with.

use std::sync::Arc;

use pushnote_core::Limits;
use pushnote_hub::{Counter, Hub};
use pushnote_sockjs::{AllowedOrigin, Network};

use crate::expiries::Expiries;
use crate::expulsion::Expulsion;
use crate::kept::Keeper;
use crate::presence::Presence;
use crate::publisher::Publisher;
use crate::push::Push;
use crate::receiver::AnyReceiver;
use crate::rights::Rights;
use crate::socket_first::SocketFirst;

/// See the module's documentation.
pub(crate) struct Context {
    pub(crate) hub: Hub<AnyReceiver>,
    /// Who may subscribe to what.
    pub(crate) rights: Arc<Rights>,
    /// Ends connections and tokens of users.
    pub(crate) expulsion: Arc<Expulsion>,
    /// Ends what is allowed for a time.
    pub(crate) expiries: Arc<Expiries>,
    /// Who is in which channel.
    pub(crate) presence: Arc<Presence>,
    /// Who has acknowledged what.
    pub(crate) socket_first: Arc<SocketFirst>,
    /// Takes messages.
    pub(crate) publisher: Publisher,
    /// Keeps the log on disk, and what else is to be there in the next run.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Web Push, if it is on.
    pub(crate) push: Option<Arc<Push>>,
    pub(crate) limits: Limits,
    /// Origins whose pages may ask; none for all.
    pub(crate) allowed_origins: Arc<[AllowedOrigin]>,
    pub(crate) trusted_proxies: Arc<[Network]>,
    /// Streams of server-sent events.
    pub(crate) sse_streams: Streams,
    /// Requests for which there was no place at the application behind.
    pub(crate) fallback_refused: Counter,
}

/// Streams that were opened, and closed.
#[derive(Default)]
pub(crate) struct Streams {
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
}
