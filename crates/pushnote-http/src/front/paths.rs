//! Paths of browsers' listener that no setting moves.

/// Where balancers ask.
pub(crate) const HEALTH: &str = "/health";

/// Server-sent events.
pub(crate) const EVENTS: &str = "/events";

/// Tickets for them.
pub(crate) const TICKET: &str = "/events/ticket";

/// Where flask-sse's pages look.
pub(crate) const STREAM: &str = "/stream";

/// What the paths of Durable Streams begin with; the rest is the channel's name.
pub(crate) const STREAMS: &str = "/streams/";

/// Where browsers get the key of Web Push.
pub(crate) const PUSH_KEY: &str = "/push/key";

/// Where they subscribe to it.
pub(crate) const PUSH_SUBSCRIBE: &str = "/push/subscribe";

/// Where their service workers say what they have shown.
pub(crate) const PUSH_SHOWN: &str = "/push/shown";

/// Those that settings may not take for something else; one with a `/` at its end is for all below it. `redis` says whether
/// Redis is heard, `push` whether Web Push is on.
pub fn fixed_paths(redis: bool, push: bool) -> impl Iterator<Item = &'static str> {
    let of_push = [PUSH_KEY, PUSH_SUBSCRIBE, PUSH_SHOWN].into_iter().filter(move |_| push);
    [HEALTH, EVENTS, TICKET, STREAMS].into_iter().chain(redis.then_some(STREAM)).chain(of_push)
}
