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

/// Those that settings may not take for something else; one with a `/` at its end is for all below it. `redis` says whether
/// Redis is heard.
pub fn fixed_paths(redis: bool) -> impl Iterator<Item = &'static str> {
    [HEALTH, EVENTS, TICKET, STREAMS].into_iter().chain(redis.then_some(STREAM))
}
