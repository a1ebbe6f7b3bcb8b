//! A publisher's connections: those that come to it, and those that it makes.

use super::fanout::{Accepted, Fanout, Pipe};
use crate::batch::Batch;
use crate::connections::Role;
use crate::inbound::Inbound;
use crate::link::Link;
use crate::options::{Options, SlowSubscriber};
use crate::outbox::Unsent;
use crate::send_filter::SendFilter;
use crate::stats::{CloseCause, Counters};
use crate::transport;
use bytes::Bytes;
use pushnote_zmtp_proto::command::{Command, subscription_message};
use pushnote_zmtp_proto::handshake::SocketType;
use pushnote_zmtp_proto::topics::TooMany;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Subscribers that connect to us: each has a queue while it is here.
pub(super) struct Acceptor(pub(super) Arc<Fanout>);

impl Role for Acceptor {
    const LOCAL: SocketType = SocketType::Pub;

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn write_timeout(&self) -> Option<Duration> {
        let options = &self.0.options;
        (options.slow_subscriber != SlowSubscriber::Wait).then_some(options.write_timeout)
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let peer = self.0.accept(&link.peer, transport::peer_name(&link.stream));
        let leave = LeaveOnDrop(|| self.0.leave(&peer));
        let subscriptions = Subscriptions { fanout: &self.0, subscriber: &*peer };
        let stream = LiveStream { fanout: &self.0, peer: &peer };
        let mut unsent = Unsent::default();
        let run = link.run(&self.0.options, &peer.outbox, &mut unsent, stream, subscriptions);
        let cause = tokio::select! {
            cause = run => cause,
            () = peer.stayed_full(self.0.options.slow_subscriber) => CloseCause::SlowSubscriber,
        };
        let given_up = unsent.rewind(&peer.outbox);
        let lost = leave.now() + given_up;
        // Who goes wants nothing more, and who counts comes back for it.
        if lost > 0 && !cause.is_the_peers() && !peer.is_resumable() {
            let why = "its connection was closed before they were written";
            self.0.counters.add_dropped(lost, &peer.name, why);
        }
        cause
    }
}

/// What a subscriber gets: what is queued for it as it comes, and what it missed.
struct LiveStream<'a> {
    fanout: &'a Fanout,
    peer: &'a Accepted,
}

impl SendFilter for LiveStream<'_> {
    fn is_open(&self) -> bool {
        true
    }

    fn pick(&self, _: &Bytes) -> Option<Bytes> {
        None
    }

    fn catch_up(&self) -> bool {
        self.fanout.catch_up(self.peer)
    }
}

/// A subscriber we connect to: its queue outlives the connection.
pub(super) struct Dialled {
    fanout: Arc<Fanout>,
    pipe: Arc<Pipe>,
    unsent: Mutex<Unsent>,
}

impl Dialled {
    pub(super) fn new(fanout: &Arc<Fanout>, pipe: Arc<Pipe>) -> Self {
        Dialled { fanout: Arc::clone(fanout), pipe, unsent: Mutex::default() }
    }
}

impl Role for Dialled {
    const LOCAL: SocketType = SocketType::Pub;

    fn options(&self) -> &Options {
        &self.fanout.options
    }

    fn counters(&self) -> &Counters {
        &self.fanout.counters
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let pipe = &*self.pipe;
        let _leave = LeaveOnDrop(|| self.fanout.disconnected(pipe));
        let subscriptions = Subscriptions { fanout: &self.fanout, subscriber: pipe };
        let mut unsent = self.unsent.lock().await;
        self.fanout.connected(pipe, &link.peer);
        let cause = link.run(&self.fanout.options, &pipe.outbox, &mut unsent, self, subscriptions).await;
        let given_up = unsent.rewind(&pipe.outbox);
        if given_up > 0 {
            self.fanout.counters.add_dropped(given_up, &pipe.name, "the peer hangs up on it each time");
        }
        cause
    }
}

impl SendFilter for &Dialled {
    /// Held until the peer has subscribed: before, it would throw messages away.
    fn is_open(&self) -> bool {
        self.pipe.is_open()
    }

    fn pick(&self, run: &Bytes) -> Option<Bytes> {
        self.fanout.pick(self.pipe.id, run)
    }
}

/// A connection stands for as long as this lives; then something is to be done about it.
struct LeaveOnDrop<T, F: FnMut() -> T>(F);

impl<T, F: FnMut() -> T> LeaveOnDrop<T, F> {
    /// Twice does no harm.
    fn now(mut self) -> T {
        (self.0)()
    }
}

impl<T, F: FnMut() -> T> Drop for LeaveOnDrop<T, F> {
    fn drop(&mut self) {
        let _ = (self.0)();
    }
}

/// What a subscriber sends us.
struct Subscriptions<'a, S> {
    fanout: &'a Fanout,
    subscriber: &'a S,
}

/// Either kind of subscriber, as far as its subscriptions differ.
trait Subscriber: Sync {
    fn pipe(&self) -> &Pipe;
    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany>;
    fn cancel(&self, fanout: &Fanout, prefix: &[u8]);
}

impl Subscriber for Pipe {
    fn pipe(&self) -> &Pipe {
        self
    }

    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany> {
        fanout.subscribe(self, prefix)
    }

    fn cancel(&self, fanout: &Fanout, prefix: &[u8]) {
        fanout.cancel(self, prefix);
    }
}

impl Subscriber for Accepted {
    fn pipe(&self) -> &Pipe {
        self
    }

    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany> {
        fanout.subscribe_accepted(self, prefix)
    }

    fn cancel(&self, fanout: &Fanout, prefix: &[u8]) {
        // A resumable stream has no holes: it begins once, and ends with the connection.
        if !prefix.is_empty() || !self.is_resumable() {
            fanout.cancel(self, prefix);
        }
    }
}

impl<S: Subscriber> Inbound for Subscriptions<'_, S> {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        for span in batch.spans() {
            let single = span.topic_end == span.end;
            let body = &batch.bytes()[span.topic_start..span.topic_end];
            if let Some(command) = subscription_message(body).filter(|_| single) {
                self.command(command)?;
            }
        }
        Ok(())
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause> {
        match command {
            Command::Subscribe(prefix) => Ok(self.subscriber.subscribe(self.fanout, prefix)?),
            Command::Cancel(prefix) => {
                self.subscriber.cancel(self.fanout, prefix);
                Ok(())
            }
            Command::Pong { context } => {
                self.fanout.pong(self.subscriber.pipe(), context);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
