//! The whole server: hub, routes and accept loop, as a function of listener, settings and shutdown.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use pushnote_core::{Asked, ChannelRules, Limits};
use pushnote_hub::{Counter, Hub, HubOptions, LogOptions, ShardGone};
use pushnote_intake::Intake;
use pushnote_intake::sources::both::Both;
use pushnote_intake::sources::redis::{Redis, RedisCounters};
use pushnote_intake::sources::zeromq::ZeroMq;
use pushnote_net::metrics::Serving;
use pushnote_net::{Admission, unix_now};
use pushnote_zmtp::Monitor;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use crate::api::Api;
use crate::client::Clients;
use crate::context::{Context, Streams};
use crate::drain::drain;
use crate::expulsion::Expulsion;
use crate::front::Front;
use crate::front::durable_streams::DurableStreams;
use crate::front::elsewhere::Elsewhere;
use crate::front::fallback::Fallback;
use crate::front::lightpush::Lightpush;
use crate::front::push::PushFront;
use crate::front::relay::Relay;
use crate::front::sse::Sse;
use crate::kept::{Keeper, OpenedLog};
use crate::metrics::Gauges;
use crate::publisher::Publisher;
use crate::push::{Push, PushStartError};
use crate::receiver::AnyReceiver;
use crate::serve::Site;
use crate::settings::{ApiOptions, LightpushOptions, PublishTo, Settings};
use crate::socket_first::{Pushing, SocketFirst};
use crate::webhook::Webhook;
use crate::{routes, serve};

/// What somebody reads who looks for something else at the API's address.
const API_ALONE: &str = "nothing is served at this path: this is the API for applications, with POST /v1/publish and what \
    /v1/openapi.json describes; pages have the address of --port";

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were told to leave.
    pub told: u64,
    /// Connections that were still open when the deadline was over.
    pub left: usize,
}

/// Why there is no server, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system has no thread for the coalescing window.
    #[error("cannot set up the coalescing window: {0}")]
    Window(#[from] std::io::Error),
    /// The system has no thread for the metrics.
    #[error("cannot serve metrics: {0}")]
    Metrics(#[source] std::io::Error),
    /// Web Push cannot go on with what is on disk.
    #[error("cannot start Web Push: {0}")]
    Push(#[from] PushStartError),
    /// The fan-out has crashed.
    #[error(transparent)]
    Crashed(#[from] ShardGone),
}

/// Serves browsers on `listener` with what comes from `source`, until `shutdown`; then refuses new
/// sessions, tells the old ones to leave and gives them `limits.drain_deadline_s`.
///
/// # Errors
///
/// [`RunError`]: it cannot start, or the fan-out has crashed: better no server than one that is deaf.
///
/// # Panics
///
/// When the thread that tells the metrics did.
pub async fn run(
    listener: pushnote_net::Listener,
    source: ZeroMq,
    mut settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<DrainReport, RunError> {
    let limits = settings.limits.clone();
    let rules = Arc::new(std::mem::take(&mut settings.channel_rules));
    let keeper = settings.log.as_ref().map(|log| Arc::clone(&log.keeper));
    let socket_first = Arc::new(SocketFirst::new(settings.push.is_some()));
    let (hub, intake, expulsion) = start(&mut settings, &rules, &socket_first)?;
    let (taken_in, sockets) = (Arc::clone(intake.counters()), sockets(&source));
    let (mut hearing, redis) = hear(&settings, &hub, intake, source);

    let clients = clients(&settings, &hub, rules, &socket_first);
    let mut telling_presence = tokio::spawn(clients.presence().tell(hub.clone()));
    let draining = Arc::new(AtomicBool::new(false));
    let metrics = settings.metrics.take();
    let push = start_push(&mut settings, keeper.as_deref(), &socket_first, &hub).await?;
    let context = Arc::new(context(&settings, &clients, expulsion, keeper.as_ref(), push.clone()));
    let relay = relay(&mut settings, &context);
    let (ends, ending) = watch::channel(None);
    let (fronts, beside) = fronts(&mut settings, &context, relay.clone(), &ending);
    let tasks = background(&context);
    let (routes, sockjs) = routes::all(settings, clients, &draining, keeper.clone());
    let site = Site { fronts: fronts.into(), routes, publishes: None };
    let admission = Admission::new(limits.connections_max, limits.connections_per_ip_max);
    let mut telling = Serving::default();
    if let Some(listener) = metrics {
        let admission = Arc::clone(&admission);
        let gauges = Gauges {
            taken_in,
            admission,
            sockjs: sockjs.clone(),
            context: Arc::clone(&context),
            sockets,
            redis,
            relay,
        };
        telling = listener.serve(gauges, Arc::clone(&draining)).map_err(RunError::Metrics)?;
    }
    let mut crashed = None;
    let asked_or_crashed = async {
        tokio::select! {
            () = shutdown => {}
            never = telling.failed() => match never {},
            ended = &mut hearing => crashed = Some(ended.unwrap_or(Err(ShardGone))),
            gone = &mut telling_presence => crashed = Some(Err(gone.unwrap_or(ShardGone))),
        }
        // Whom this server tells to leave goes to another: that is no leave.
        telling_presence.abort();
    };
    let deadline = Duration::from_secs(limits.drain_deadline_s);
    let draining_over = async {
        asked_or_crashed.await;
        draining.store(true, Relaxed);
        drain(&hub, &sockjs, deadline).await
    };
    let (mut open, (told, started)) =
        serve::accept_until(listener, site, &limits, admission, draining_over).await;
    open.begin_drain();
    let rest = deadline.saturating_sub(started.elapsed());
    let stopping = tokio::spawn(stop_push(push, rest));
    let mut left = open.drained(rest).await;
    // Applications publish until there is nobody to hear of it.
    let _ = ends.send(Some(started + deadline));
    left += beside.join_all().await.into_iter().sum::<usize>();
    // A panic there was told.
    let _ = stopping.await;
    hearing.abort();
    drop(tasks);
    if let Some(keeper) = keeper {
        keeper.close().await;
    }
    match crashed {
        Some(Err(crash)) => Err(crash.into()),
        _ => Ok(DrainReport { told, left }),
    }
}

/// Takes messages in, from all that there are: what does so, and what is counted of Redis.
fn hear(
    settings: &Settings,
    hub: &Hub<AnyReceiver>,
    intake: Intake<AnyReceiver>,
    source: ZeroMq,
) -> (JoinHandle<Result<(), ShardGone>>, Option<Arc<RedisCounters>>) {
    let redis = redis(settings, hub);
    let counters = redis.as_ref().map(|redis| Arc::clone(redis.counters()));
    (tokio::spawn(intake.run(Both(source, redis))), counters)
}

/// What goes on beside all requests, and ends with the set.
fn background(context: &Context) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (expiries, socket_first) = (Arc::clone(&context.expiries), Arc::clone(&context.socket_first));
    tasks.spawn(async move { expiries.watch().await });
    if let Some(webhook) = socket_first.webhook() {
        tasks.spawn(webhook.run());
    }
    tasks.spawn(socket_first.run(context.publisher.clone()));
    tasks
}

/// Browsers by SockJS.
fn clients(
    settings: &Settings,
    hub: &Hub<AnyReceiver>,
    rules: Arc<ChannelRules>,
    socket_first: &Arc<SocketFirst>,
) -> Clients {
    let verifier = Arc::clone(&settings.verifier);
    Clients::new(hub.clone(), verifier, rules, settings.strings, Arc::clone(socket_first))
}

/// What every way in and out works with.
fn context(
    settings: &Settings,
    clients: &Clients,
    expulsion: Arc<Expulsion>,
    keeper: Option<&Arc<Keeper>>,
    push: Option<Arc<Push>>,
) -> Context {
    let data_bytes_max = settings.limits.message_bytes_max;
    let publisher = match &settings.publish_to {
        PublishTo::Here => {
            let hears = clients.socket_first();
            let heard = Arc::new(move |publication: &_, asked| hears.heard(publication, asked));
            Publisher::here(clients.hub(), heard, data_bytes_max)
        }
        PublishTo::Forwarders(publisher) => Publisher::forwarders(publisher.clone(), data_bytes_max),
    };
    Context {
        hub: clients.hub(),
        expulsion,
        presence: clients.presence(),
        expiries: clients.expiries(),
        rights: clients.rights(),
        socket_first: clients.socket_first(),
        publisher,
        keeper: keeper.cloned(),
        push,
        limits: settings.limits.clone(),
        allowed_origins: settings.allowed_origins.clone().into(),
        trusted_proxies: settings.trusted_proxies.clone().into(),
        sse_streams: Streams::default(),
        fallback_refused: Counter::default(),
    }
}

/// Web Push, if it is on.
async fn start_push(
    settings: &mut Settings,
    keeper: Option<&Keeper>,
    socket_first: &Arc<SocketFirst>,
    hub: &Hub<AnyReceiver>,
) -> Result<Option<Arc<Push>>, PushStartError> {
    let Some(options) = settings.push.take() else { return Ok(None) };
    let store = keeper.ok_or(PushStartError::NothingKept)?.store();
    let (bounds, webhook) = (options.states, options.webhook.clone().map(Webhook::new).transpose()?);
    let hears = Arc::clone(socket_first);
    let push = Arc::new(Push::start(options, store, move |event| hears.outcome(event)).await?);
    let (webhook, hub) = (webhook.map(Arc::new), hub.clone());
    let earlier = socket_first.take_earlier();
    let pushing = Pushing::open(Arc::clone(store), Arc::clone(&push), hub, webhook, bounds, earlier).await?;
    socket_first.push_by(pushing);
    Ok(Some(push))
}

/// Lets what is on its way to push services end, if it does so in time: the rest is sent by the next run.
async fn stop_push(push: Option<Arc<Push>>, within: Duration) {
    if let Some(push) = push {
        let _ = timeout(within, push.stop()).await;
    }
}

/// Locations of the push relay protocol, if there are any.
fn relay(settings: &mut Settings, context: &Arc<Context>) -> Option<Arc<Relay>> {
    let locations = std::mem::take(&mut settings.locations);
    let keys = settings.api.as_ref().map(|api| Arc::clone(&api.keys));
    (!locations.is_empty()).then(|| Arc::new(Relay::new(Arc::clone(context), locations, keys)))
}

/// Ways in and out beside SockJS, in the order in which they are asked; and those with a listener of their own, which end with
/// the set.
fn fronts(
    settings: &mut Settings,
    context: &Arc<Context>,
    relay: Option<Arc<Relay>>,
    ending: &Ending,
) -> (Vec<Arc<dyn Front>>, JoinSet<usize>) {
    let redis_prefix = settings.redis.take().map(|redis| redis.prefix);
    let events = Sse::new(Arc::clone(context), std::mem::take(&mut settings.token_cookie), redis_prefix);
    let (mut fronts, mut beside) = (vec![Arc::new(events) as Arc<dyn Front>], JoinSet::new());
    let push = context.push.clone().map(|push| PushFront::new(Arc::clone(context), push));
    fronts.extend(push.map(|push| Arc::new(push) as Arc<dyn Front>));
    let keys = settings.api.as_ref().map(|api| Arc::clone(&api.keys));
    if let Some(ApiOptions { listener, keys }) = settings.api.take() {
        let api = Arc::new(Api::new(Arc::clone(context), keys));
        match listener {
            Some(listener) => {
                let site = Site { publishes: Some(Arc::clone(&api)), ..routes::only(api, API_ALONE) };
                beside.spawn(serve_beside(listener, site, settings.limits.clone(), ending.clone()));
            }
            None => fronts.push(api),
        }
    }
    if let Some(LightpushOptions { listener, key }) = settings.lightpush.take() {
        let lightpush = Arc::new(Lightpush::new(Arc::clone(context), key));
        let routes = routes::only(lightpush, "nothing is served at this path");
        beside.spawn(serve_beside(listener, routes, settings.limits.clone(), ending.clone()));
    }
    fronts.extend(relay.map(|relay| relay as Arc<dyn Front>));
    fronts.push(Arc::new(DurableStreams::new(Arc::clone(context), keys)));
    let fallback = settings.fallback.take();
    let fallback = fallback.and_then(|to| Fallback::new(Arc::clone(context), &to, settings.route.clone()));
    // It takes what is left.
    fronts.extend(fallback.map(|fallback| Arc::new(fallback) as Arc<dyn Front>));
    fronts.push(Arc::new(Elsewhere::new(settings.route.clone(), Arc::clone(&context.allowed_origins))));
    (fronts, beside)
}

/// By when all connections are to be gone, once that is known.
type Ending = watch::Receiver<Option<Instant>>;

/// Serves a listener that is for others than browsers, until that is to end; how many connections were left then.
async fn serve_beside(
    listener: pushnote_net::Listener,
    site: Site,
    limits: Limits,
    mut ending: Ending,
) -> usize {
    let admission = Admission::new(limits.connections_max, limits.connections_per_ip_max);
    let over = async { ending.wait_for(Option::is_some).await.ok().and_then(|until| *until) };
    let (mut open, until) = serve::accept_until(listener, site, &limits, admission, over).await;
    open.begin_drain();
    open.drained(until.unwrap_or_else(Instant::now).saturating_duration_since(Instant::now())).await
}

/// The hub and what publishes to it; both go on where an earlier run left off, if the log is on disk.
fn start(
    settings: &mut Settings,
    rules: &Arc<ChannelRules>,
    socket_first: &Arc<SocketFirst>,
) -> io::Result<(Hub<AnyReceiver>, Intake<AnyReceiver>, Arc<Expulsion>)> {
    let (limits, log) = (&settings.limits, settings.log.take());
    let options = HubOptions {
        rules: Arc::clone(rules),
        shards: settings.shards,
        coalescing_window: settings.coalescing_window,
        users_per_connection_max: limits.users_per_connection_max,
        channels_per_connection_max: limits.channels_per_connection_max,
        connections_per_user_max: limits.connections_per_user_max,
        log: LogOptions {
            // At random, so that cursors of another run are known for that; 0 is no log's.
            epoch: match &log {
                Some(log) => log.keeper.epoch(),
                None => getrandom::u64().unwrap_or_else(|_| unix_now()).max(1),
            },
            bytes_max: limits.log_bytes_max,
            count_max: limits.log_messages_max,
            age_max: Duration::from_secs(limits.log_age_s),
        },
    };
    let verifier = Arc::clone(&settings.verifier);
    let keeper = log.as_ref().map(|log| Arc::clone(&log.keeper));
    for (user, until) in log.iter().flat_map(|log| &log.revoked) {
        // There were no more when it was written.
        let _ = verifier.revoke(user, *until);
    }
    let kept = log.map(OpenedLog::into_kept);
    let earlier = kept.as_ref().map(|kept| (kept.recovered.clone(), kept.next_offset));
    let hub = Hub::go_on(options, kept)?;
    let mut intake = Intake::new(hub.clone(), Arc::clone(&verifier), limits.message_bytes_max);
    let expulsion = Arc::new(Expulsion::new(hub.clone(), verifier, keeper));
    let (expel, hears) = (Arc::clone(&expulsion), Arc::clone(socket_first));
    intake.set_beside(Box::new(move |publication, asked| {
        let waiting = hears.heard(publication, asked);
        if let Asked::Disconnect | Asked::Revoke { .. } = asked {
            publication.audience().user_ids().for_each(|user| expel.expel_unanswered(user, asked));
        }
        waiting
    }));
    if let Some((recovered, next_offset)) = earlier {
        socket_first.go_on(&recovered);
        intake.go_on(&recovered, next_offset);
    }
    Ok((hub, intake, expulsion))
}

/// What comes from Redis, for those channels that somebody listens to.
fn redis(settings: &Settings, hub: &Hub<AnyReceiver>) -> Option<Redis> {
    settings.redis.clone().map(|options| {
        let interest = hub.interest(&options.prefix);
        Redis::new(options, interest)
    })
}

/// The sockets that messages come from, each with the flag that names its endpoints.
fn sockets(source: &ZeroMq) -> Vec<(&'static str, Monitor)> {
    let mut sockets = vec![("mq_socket", source.subscriber.monitor())];
    if !source.responder.local_endpoints().is_empty() {
        sockets.push(("ack", source.responder.monitor()));
    }
    sockets
}
