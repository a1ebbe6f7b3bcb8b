//! What is measured of the server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pushnote_hub::{Counter, Counters};
use pushnote_intake::sources::redis::RedisCounters;
use pushnote_net::metrics::{Label, Measured, Page};
use pushnote_sockjs::SockJs;
use pushnote_webpush::{Outcome, Service};
use pushnote_zmtp::{CloseCause, Monitor, Stats};

use crate::client::Clients;
use crate::context::{Context, Streams};
use crate::front::{self, relay::Relay};
use crate::kept::Keeper;
use crate::push::Push;
use crate::socket_first::{self, SocketFirst};
use crate::webhook;
use pushnote_net::Admission;

/// Everything that counts something.
pub(crate) struct Gauges {
    pub(crate) taken_in: Arc<pushnote_intake::Counters>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) sockjs: SockJs<Clients>,
    pub(crate) context: Arc<Context>,
    /// The ZeroMQ sockets, each with the flag that names its endpoints.
    pub(crate) sockets: Vec<(&'static str, Monitor)>,
    /// What is heard from Redis.
    pub(crate) redis: Option<Arc<RedisCounters>>,
    /// Locations of the push relay protocol.
    pub(crate) relay: Option<Arc<Relay>>,
}

impl Measured for Gauges {
    fn measure(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION").into())];
        page.info("pushnote_server_build", "The version that runs", &version)?;
        self.intake(page)?;
        self.hub(page)?;
        if let Some(keeper) = &self.context.keeper {
            kept(keeper, page)?;
        }
        if let Some(counters) = &self.redis {
            redis(counters, page)?;
        }
        self.presence(page)?;
        socket_first(&self.context.socket_first, page)?;
        if let Some(push) = &self.context.push {
            pushed(push, page)?;
        }
        if let Some(relay) = &self.relay {
            relayed(relay, page)?;
        }
        self.browsers(page)?;
        let sockets: Vec<_> = self.sockets.iter().map(|(end, monitor)| (*end, monitor.stats())).collect();
        zeromq(page, &sockets)
    }
}

impl Gauges {
    fn intake(&self, page: &mut Page<'_>) -> fmt::Result {
        // Without `..`, as below: a counter that nobody can read is a fault when it is compiled.
        let pushnote_intake::Counters { envelopes_refused, recipients_refused, duplicates, missed, new_runs } =
            &*self.taken_in;
        let table = [
            ("refused_envelopes", "Messages of applications that were not well-formed", envelopes_refused),
            ("refused_recipients", "Recipients' tokens in messages that did not verify", recipients_refused),
            ("duplicate_messages", "Messages that had come before, and are delivered once", duplicates),
            (
                "missed_messages",
                "Messages that did not come before later ones of their publisher had to go on",
                missed,
            ),
            ("new_runs", "Times that a publisher began to number its messages anew", new_runs),
        ];
        counters(page, &table)
    }

    fn hub(&self, page: &mut Page<'_>) -> fmt::Result {
        let Counters {
            publications,
            deliveries,
            fell_behind,
            gaps,
            slow_consumers,
            attached,
            detached,
            tokens_refused,
            subscriptions_refused,
        } = &**self.context.hub.counters();
        let table = [
            ("publications", "Messages accepted for fan-out", publications),
            ("deliveries", "Messages given to sessions, once for each session", deliveries),
            (
                "fell_behind",
                "Times that a session did not take what came, and stayed at its place in the log",
                fell_behind,
            ),
            (
                "gaps",
                "Times that a session was told that messages are missing: it was slower than the log is long",
                gaps,
            ),
            (
                "slow_consumers",
                "Sessions closed because they did not keep up, and could not be told",
                slow_consumers,
            ),
            ("opened_sessions", "Sessions opened", attached),
            ("closed_sessions", "Sessions closed", detached),
            ("refused_tokens", "Tokens of browsers that did not verify", tokens_refused),
            ("refused_subscriptions", "Subscriptions of browsers beyond a limit", subscriptions_refused),
        ];
        counters(page, &table)?;
        let (messages, bytes) = self.context.hub.log_size();
        page.gauge(
            "pushnote_server_log_messages",
            "Messages that are kept for who was away or is slow",
            messages as u64,
        )?;
        page.gauge("pushnote_server_log_bytes", "Bytes of memory that these take", bytes as u64)
    }

    fn presence(&self, page: &mut Page<'_>) -> fmt::Result {
        let (channels, members) = self.context.presence.size();
        page.gauge(
            "pushnote_server_presence_channels",
            "Channels with presence in which somebody is",
            channels as u64,
        )?;
        page.gauge(
            "pushnote_server_presence_members",
            "Users in these, and sessions without a user",
            members as u64,
        )
    }

    fn browsers(&self, page: &mut Page<'_>) -> fmt::Result {
        let sessions = self.sockjs.session_count() as u64;
        page.gauge(
            "pushnote_server_sessions",
            "Sessions now, with closed ones until they are forgotten",
            sessions,
        )?;
        let Streams { opened, closed } = &self.context.sse_streams;
        let (opened, closed) = (opened.total(), closed.total());
        page.counter("pushnote_server_opened_sse_streams", "Streams of server-sent events opened", opened)?;
        let streams = opened.saturating_sub(closed);
        page.gauge("pushnote_server_sse_streams", "Streams of server-sent events now", streams)?;
        let refused = self.context.fallback_refused.total();
        let help = "Requests for which there was no place at the application behind";
        page.counter("pushnote_server_fallback_refused_requests", help, refused)?;
        let connections = self.admission.open() as u64;
        page.gauge(
            "pushnote_server_http_connections",
            "Connections of browsers now, and streams of HTTP/2",
            connections,
        )?;
        let refused = self.admission.refused().map(|(cause, count)| ([cause_of(cause)], count));
        page.counters(
            "pushnote_server_http_refused_connections",
            "Connections of browsers, and streams of HTTP/2, beyond a limit",
            refused,
        )
    }
}

fn socket_first(socket_first: &SocketFirst, page: &mut Page<'_>) -> fmt::Result {
    let awaited = socket_first.awaited() as u64;
    page.gauge(
        "pushnote_server_awaited_acks",
        "Users of messages with a push who have not acknowledged them, as far as they are remembered",
        awaited,
    )?;
    let socket_first::Counters { acknowledged, ignored, forgotten, untold, unwritten } =
        &socket_first.counters;
    let table = [
        ("acks", "Users of messages of which a page here has shown one", acknowledged),
        (
            "ignored_acks",
            "Acknowledgements of what was not awaited: said twice, too late, or never sent",
            ignored,
        ),
        ("forgotten_acks", "Users of messages that were forgotten, because too many were awaited", forgotten),
        ("untold_acks", "Acknowledgements that other servers were not told of", untold),
        ("lost_outcomes", "What became of pushes, and came faster than it could be written down", unwritten),
    ];
    counters(page, &table)?;
    let Some((users, unwritten, known)) = socket_first.written() else { return Ok(()) };
    let help = "Users of messages with a push of whom it is kept how far these have come";
    page.gauge("pushnote_server_message_states", help, users)?;
    let help = "Times that such states could not be written down";
    page.counter("pushnote_server_unwritten_states", help, unwritten)?;
    let help = "Messages with a push whose id was known, and that are not pushed again";
    page.counter("pushnote_server_known_pushes", help, known)?;
    let Some(webhook) = socket_first.webhook() else { return Ok(()) };
    let webhook::Counters { told, failed, dropped } = &webhook.counters;
    let table = [
        ("webhook_events", "Events that the application has taken", told),
        ("webhook_failed_requests", "Requests of the webhook that it has not taken", failed),
        ("webhook_dropped_events", "Events that it will not be told of", dropped),
    ];
    counters(page, &table)?;
    page.gauge("pushnote_server_webhook_waiting_events", "Events that wait", webhook.waiting() as u64)
}

fn redis(redis: &RedisCounters, page: &mut Page<'_>) -> fmt::Result {
    let RedisCounters { connections, messages, dropped, channels } = redis;
    let table = [
        ("redis_connections", "Connections to Redis that were made", connections),
        ("redis_messages", "Messages that came from Redis", messages),
        ("redis_dropped_messages", "Messages from Redis that came faster than they were taken", dropped),
    ];
    counters(page, &table)?;
    let help = "Channels of Redis that are subscribed to, or are to be";
    page.gauge("pushnote_server_redis_channels", help, channels.load(Relaxed))
}

fn kept(keeper: &Keeper, page: &mut Page<'_>) -> fmt::Result {
    let failed = u64::from(keeper.failure().is_some());
    page.gauge("pushnote_server_log_failed", "Whether the log cannot be kept on disk at the moment", failed)?;
    counters(page, &[("log_lost_messages", "Messages that could not be kept on disk", &keeper.lost)])
}

fn relayed(relay: &Relay, page: &mut Page<'_>) -> fmt::Result {
    let (channels, held) = relay.size();
    page.gauge(
        "pushnote_server_relay_channels",
        "Channels of relay locations that are known",
        channels as u64,
    )?;
    page.gauge("pushnote_server_relay_held_requests", "Subscribers' requests that wait", held as u64)?;
    let (own, passthrough) = relay.counters();
    let front::relay::Counters { published, refused, delivered, gaps } = own;
    let table = [
        ("relay_published_messages", "Messages that publishers sent to relay locations", published),
        ("relay_refused_publishers", "Requests of publishers that may not publish", refused),
        ("relay_delivered_messages", "Messages given to subscribers of relay locations", delivered),
        ("relay_gaps", "Times that such a subscriber was told that messages are missing", gaps),
    ];
    counters(page, &table)?;
    let Some(front::relay::PassthroughCounters { told, failed, dropped }) = passthrough else {
        return Ok(());
    };
    let table = [
        ("relay_passthrough_told", "Subscribers that came or went, of whom the application was told", told),
        ("relay_passthrough_failed", "The same, where it did not answer or refused", failed),
        ("relay_passthrough_dropped", "The same, where too many waited to be told", dropped),
    ];
    counters(page, &table)
}

fn pushed(push: &Push, page: &mut Page<'_>) -> fmt::Result {
    let (subscriptions, waiting) = push.size();
    page.gauge("pushnote_server_push_subscriptions", "Browsers subscribed to Web Push", subscriptions)?;
    page.gauge("pushnote_server_push_waiting", "Web Push messages that wait to be sent", waiting)?;
    let table = [
        ("push_refused_subscriptions", "Subscriptions to Web Push that were not taken", &push.refused),
        ("push_shown", "Notifications that service workers have said to have shown", &push.shown),
    ];
    counters(page, &table)?;
    let of = |service: Service| -> Label { ("service", service.label().to_owned()) };
    let help = "Subscriptions of applications' own that were not sent to, as too many waited for an answer";
    let not_sent =
        push.past_queue.not_sent.all().map(|(service, full, count)| ([of(service), cause_of(full)], count));
    page.counters("pushnote_server_push_direct_refused", help, not_sent)?;
    let outcomes = Service::ALL.into_iter().flat_map(|service| {
        Outcome::ALL.into_iter().map(move |outcome| {
            ([of(service), ("outcome", outcome.label().to_owned())], push.sent.outcomes(service, outcome))
        })
    });
    let help = "Web Push messages to one browser each, by what became of them";
    page.counters("pushnote_server_push_messages", help, outcomes)?;
    let retries = Service::ALL.map(|service| ([of(service)], push.sent.retries(service)));
    page.counters(
        "pushnote_server_push_retries",
        "Tries to send such a message that are to be repeated",
        retries,
    )?;
    let pauses = Service::ALL.map(|service| ([of(service)], push.sent.pauses(service)));
    page.counters(
        "pushnote_server_push_pauses",
        "Times that a push service was left alone for a while",
        pauses,
    )
}

fn counters(page: &mut Page<'_>, table: &[(&str, &str, &Counter)]) -> fmt::Result {
    for (name, help, counter) in table {
        page.counter(&format!("pushnote_server_{name}"), help, counter.total())?;
    }
    Ok(())
}

/// The name, the help and the value of each counter of a socket.
fn counts(stats: &Stats) -> [(&'static str, &'static str, u64); 6] {
    let Stats {
        peers: _,
        connections,
        reconnects,
        messages,
        bytes,
        missed,
        unread_bytes,
        // Only of those who publish.
        dropped: _,
        confirmations_asked: _,
        confirmed: _,
        closed: _,
    } = *stats;
    [
        ("received_messages", "Messages received", messages),
        ("received_bytes", "Bytes of these messages with the heads of their frames", bytes),
        ("missed_messages", "Messages that a forwarder no longer had when its link was back", missed),
        ("unread_bytes", "Bytes not read when the server closed the connection they came on", unread_bytes),
        ("connections", "Connections whose handshake succeeded", connections),
        ("reconnects", "Connections by which the server came back to a forwarder", reconnects),
    ]
}

fn zeromq(page: &mut Page<'_>, sockets: &[(&'static str, Stats)]) -> fmt::Result {
    let end = |end: &'static str| -> Label { ("end", end.to_owned()) };
    for (index, (name, help, _)) in counts(&Stats::default()).into_iter().enumerate() {
        let values = sockets.iter().map(|(of, stats)| ([end(of)], counts(stats)[index].2));
        page.counters(&format!("pushnote_server_zmq_{name}"), help, values)?;
    }
    let peers = sockets.iter().map(|(of, stats)| ([end(of)], stats.peers));
    page.gauges("pushnote_server_zmq_peers", "ZeroMQ peers connected now", peers)?;
    let closed = sockets.iter().flat_map(|(of, stats)| {
        let causes = CloseCause::KINDS.iter().zip(stats.closed);
        causes.map(move |(cause, count)| ([end(of), cause_of(cause)], count))
    });
    let help = "ZeroMQ connections that ended or were refused, and attempts that failed";
    page.counters("pushnote_server_zmq_closed_connections", help, closed)
}

fn cause_of(cause: &str) -> Label {
    ("cause", cause.to_owned())
}
