//! How connections come about: a listener that accepts them, a connector that makes one again and again.

mod places;

use crate::link::Link;
use crate::options::Options;
use crate::stats::{CloseCause, Counters};
use crate::transport::{self, peer_name};
use places::{Place, Places};
use pushnote_net::{Listener, Newcomers, Peer, timeout_awake};
use pushnote_zmtp_proto::backoff::Backoff;
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::handshake::{Handshake, SocketType};
use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::debug;

/// A connection that stood so long was sound: the next delay is the shortest again.
const SOUND: Duration = Duration::from_secs(1);

/// What a socket does with its connections.
pub(crate) trait Role: Send + Sync + 'static {
    const LOCAL: SocketType;
    fn options(&self) -> &Options;
    fn counters(&self) -> &Counters;
    /// The handshake of the next connection.
    fn handshake(&self) -> Handshake {
        Handshake::new(Self::LOCAL)
    }
    /// How long a peer that has connected may take nothing of what is sent to it. `None`: whoever publishes to us is
    /// slowed down by that, and must not be given up.
    fn write_timeout(&self) -> Option<Duration> {
        None
    }
    /// Serves one connection until it ends.
    fn serve(&self, link: Link) -> impl Future<Output = CloseCause> + Send;
}

/// Accepts connections for ever.
pub(crate) async fn accept<R: Role>(listener: Listener, role: Arc<R>) {
    let peers = Places::new(role.options().peers_max, role.options().handshake_timeout);
    let mut handshakes = Newcomers::new(role.options().handshakes_max);
    let mut connections = JoinSet::new();
    loop {
        let stream = listener.accept().await;
        while connections.try_join_next().is_some() {}
        let (name, peer) = (peer_name(&stream), stream.peer());
        if peer != Some(Peer::Unix) && !role.options().admits(peer.and_then(Peer::ip)) {
            role.counters().close(&CloseCause::Network, &name);
            continue;
        }
        transport::prepare(&stream);
        if let Some(patience) = role.write_timeout() {
            stream.set_write_timeout(patience);
        }
        let displaced = handshakes.begin();
        let (role, peers) = (Arc::clone(&role), peers.clone());
        connections.spawn(async move {
            let established = tokio::select! {
                established = Link::establish(stream, role.handshake(), role.options()) => established,
                _ = displaced => Err(CloseCause::HandshakeDisplaced),
            };
            let cause = match established {
                Ok(link) => {
                    let place = peers.take(peer.and_then(Peer::ip), &link.spoken);
                    serve_in_place(&*role, link, &name, place).await
                }
                Err(cause) => cause,
            };
            role.counters().close(&cause, &name);
        });
    }
}

/// Ends only by a panic: that of one of a socket's tasks, which is its owner's, too. A socket that has lost its ear would
/// live on deaf.
pub(crate) async fn failed(tasks: &mut JoinSet<()>) -> Infallible {
    while let Some(ended) = tasks.join_next().await {
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
    std::future::pending().await
}

/// Keeps one connection to `endpoint`, for ever.
pub(crate) async fn dial<R: Role>(endpoint: Endpoint, role: Arc<R>) {
    let options = role.options();
    let mut backoff = Backoff::new(options.backoff_min, options.backoff_max);
    let name = endpoint.to_string();
    let (mut away, mut known) = (false, false);
    loop {
        let cause = match connect(&endpoint, &*role).await {
            Ok(link) => {
                role.counters().log_connected(&name);
                if std::mem::replace(&mut known, true) {
                    role.counters().add_reconnect();
                }
                let since = Instant::now();
                let cause = serve(&*role, link, &name).await;
                if since.elapsed() >= SOUND {
                    backoff.reset();
                }
                away = false;
                cause
            }
            Err(cause) => cause,
        };
        if !away {
            let lost = if R::LOCAL.publishes() {
                ""
            } else {
                "; what is published meanwhile comes later, as far as it is kept there"
            };
            role.counters().log_away(&name, &cause, lost);
            away = true;
        }
        role.counters().close(&cause, &name);
        sleep(backoff.delay(random() as u32)).await;
    }
}

async fn connect<R: Role>(endpoint: &Endpoint, role: &R) -> Result<Link, CloseCause> {
    let connecting = timeout_awake(role.options().handshake_timeout, transport::connect(endpoint));
    let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Link::establish(stream, role.handshake(), role.options()).await
}

async fn serve_in_place<R: Role>(role: &R, link: Link, name: &str, place: Option<Place>) -> CloseCause {
    let Some(mut place) = place else { return CloseCause::TooManyPeers };
    tokio::select! {
        cause = serve(role, link, name) => cause,
        _ = &mut place.displaced => CloseCause::PeerDisplaced,
    }
}

async fn serve<R: Role>(role: &R, link: Link, name: &str) -> CloseCause {
    debug!(peer = name, kind = link.peer.kind.name(), version = ?link.peer.version, "peer connected");
    let _counted = role.counters().peer();
    role.serve(link).await
}

/// To spread reconnects and to tell runs of a program apart: nothing secret, so that a weaker source is good enough where
/// the system has none.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| RandomState::new().build_hasher().finish())
}
