//! Which channels are subscribed to in Redis, and which are to be: without IO, and time comes in.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use pushnote_core::ChannelName;

/// Channels that one request names at most.
const BATCH_MAX: usize = 512;

/// Channels of which something was missed that are remembered; of others it is unknown whether anything was.
const MISSED_MAX: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("it is not zero");

/// The channels.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// How long a channel stays subscribed to when nobody listens any more: for who comes back.
    delay: Duration,
    states: HashMap<ChannelName, State>,
    /// Those that are wanted and not asked for yet.
    wanted: BTreeSet<ChannelName>,
    /// Those that are left, in the order of time.
    left: BTreeSet<(Instant, ChannelName)>,
    /// Those that somebody has listened to while they were not subscribed to: the subscription has ended, or there was no
    /// connection.
    missed: LruCache<ChannelName, ()>,
    /// There is a connection to Redis.
    connected: bool,
    /// A channel may have been listened to that is unknown here.
    unknown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Somebody listens; it is not subscribed to.
    Wanted,
    /// Somebody listens, and it is subscribed to.
    Subscribed,
    /// It is subscribed to; nobody listens any more. The subscription ends then.
    Left(Instant),
}

/// What Redis is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe(Vec<ChannelName>),
    Unsubscribe(Vec<ChannelName>),
}

impl Subscriptions {
    /// `unknown`: somebody may come back to a channel who listened before this run, or at another server.
    pub(super) fn new(delay: Duration, unknown: bool) -> Self {
        Self {
            delay,
            states: HashMap::new(),
            wanted: BTreeSet::new(),
            left: BTreeSet::new(),
            missed: LruCache::new(MISSED_MAX),
            connected: false,
            unknown,
        }
    }

    /// Channels that Redis is subscribed to for, or is to be.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether what comes for a channel is wanted.
    pub(super) fn has(&self, channel: &ChannelName) -> bool {
        self.states.contains_key(channel)
    }

    /// The first listener has come to a channel, or the last one has gone.
    pub(super) fn listened(&mut self, channel: ChannelName, listened: bool, now: Instant) {
        match (listened, self.states.get(&channel)) {
            (true, None) => {
                if !self.connected {
                    self.miss(&channel);
                }
                self.states.insert(channel.clone(), State::Wanted);
                self.wanted.insert(channel);
            }
            (true, Some(State::Left(until))) => {
                self.left.remove(&(*until, channel.clone()));
                self.states.insert(channel, State::Subscribed);
            }
            (false, Some(State::Wanted)) => {
                self.wanted.remove(&channel);
                self.states.remove(&channel);
            }
            (false, Some(State::Subscribed)) => self.leave(channel, now),
            (true, Some(State::Wanted | State::Subscribed)) | (false, None | Some(State::Left(_))) => {}
        }
    }

    /// When there may be something to ask because time has passed.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.left.first().map(|(until, _)| *until)
    }

    /// What is to be asked next, when what was asked before has been answered.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<Request> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some(channel) = self.wanted.pop_first()
        {
            batch.push(channel);
        }
        if !batch.is_empty() {
            return Some(Request::Subscribe(batch));
        }
        while batch.len() < BATCH_MAX
            && self.left.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, channel)) = self.left.pop_first()
        {
            batch.push(channel);
        }
        (!batch.is_empty()).then_some(Request::Unsubscribe(batch))
    }

    /// Redis has done what it was asked. Gives the channels of which somebody may have missed something.
    pub(super) fn done(&mut self, request: Request, now: Instant) -> Vec<ChannelName> {
        match request {
            Request::Subscribe(channels) => {
                let mut missed = Vec::new();
                for channel in channels {
                    if self.missed.pop(&channel).is_some() || self.unknown {
                        missed.push(channel.clone());
                    }
                    match self.states.get(&channel) {
                        Some(State::Wanted) => {
                            self.states.insert(channel, State::Subscribed);
                        }
                        // The listener has gone meanwhile.
                        None => self.leave(channel, now),
                        Some(State::Subscribed | State::Left(_)) => {}
                    }
                }
                missed
            }
            Request::Unsubscribe(channels) => {
                for channel in channels {
                    self.miss(&channel);
                    if self.states.get(&channel) == Some(&State::Subscribed) {
                        // A listener has come meanwhile.
                        self.states.insert(channel.clone(), State::Wanted);
                        self.wanted.insert(channel);
                    } else {
                        self.states.remove(&channel);
                    }
                }
                Vec::new()
            }
        }
    }

    /// There is a connection to Redis, on which nothing is subscribed to yet. [`Self::listened`] has heard of who came before it.
    pub(super) fn connected(&mut self) {
        self.connected = true;
    }

    /// The connection to Redis is gone, and with it every subscription.
    pub(super) fn broken(&mut self) {
        self.connected = false;
        let states = std::mem::take(&mut self.states);
        self.wanted.clear();
        self.left.clear();
        for (channel, state) in states {
            self.miss(&channel);
            if !matches!(state, State::Left(_)) {
                self.states.insert(channel.clone(), State::Wanted);
                self.wanted.insert(channel);
            }
        }
    }

    fn leave(&mut self, channel: ChannelName, now: Instant) {
        let until = now + self.delay;
        self.states.insert(channel.clone(), State::Left(until));
        self.left.insert((until, channel));
    }

    fn miss(&mut self, channel: &ChannelName) {
        let evicted = self.missed.push(channel.clone(), ());
        self.unknown |= evicted.is_some_and(|(evicted, ())| evicted != *channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(60);

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn subscribe(names: &[&str]) -> Request {
        Request::Subscribe(names.iter().map(|name| channel(name)).collect())
    }

    fn unsubscribe(names: &[&str]) -> Request {
        Request::Unsubscribe(names.iter().map(|name| channel(name)).collect())
    }

    fn connected(unknown: bool) -> Subscriptions {
        let mut subscriptions = Subscriptions::new(DELAY, unknown);
        subscriptions.connected();
        subscriptions
    }

    /// Does all that is to be done; gives what was asked and what was missed.
    fn settle(subscriptions: &mut Subscriptions, now: Instant) -> (Vec<Request>, Vec<ChannelName>) {
        let (mut asked, mut missed) = (Vec::new(), Vec::new());
        while let Some(request) = subscriptions.next_request(now) {
            asked.push(request.clone());
            missed.extend(subscriptions.done(request, now));
        }
        (asked, missed)
    }

    #[test]
    fn a_channel_is_subscribed_to_while_somebody_listens_and_a_little_longer() {
        let (mut subscriptions, start) = (connected(false), Instant::now());
        subscriptions.listened(channel("a"), true, start);
        subscriptions.listened(channel("b"), true, start);
        assert_eq!(settle(&mut subscriptions, start), (vec![subscribe(&["a", "b"])], vec![]));
        subscriptions.listened(channel("a"), false, start);
        assert_eq!(subscriptions.poll_timeout(), Some(start + DELAY));
        assert_eq!(settle(&mut subscriptions, start + DELAY / 2), (vec![], vec![]));
        // It comes back in time, and goes again.
        subscriptions.listened(channel("a"), true, start + DELAY / 2);
        assert_eq!(settle(&mut subscriptions, start + DELAY), (vec![], vec![]));
        subscriptions.listened(channel("a"), false, start + DELAY);
        assert_eq!(settle(&mut subscriptions, start + 2 * DELAY), (vec![unsubscribe(&["a"])], vec![]));
        assert_eq!((subscriptions.has(&channel("a")), subscriptions.len()), (false, 1));
        // Who comes back later may have missed something.
        subscriptions.listened(channel("a"), true, start + 3 * DELAY);
        assert_eq!(
            settle(&mut subscriptions, start + 3 * DELAY),
            (vec![subscribe(&["a"])], vec![channel("a")])
        );
    }

    #[test]
    fn a_broken_connection_is_a_gap_for_those_who_listened() {
        let (mut subscriptions, now) = (connected(false), Instant::now());
        for name in ["a", "b"] {
            subscriptions.listened(channel(name), true, now);
        }
        settle(&mut subscriptions, now);
        subscriptions.listened(channel("b"), false, now);
        subscriptions.listened(channel("new"), true, now);
        subscriptions.broken();
        subscriptions.connected();
        assert_eq!(
            settle(&mut subscriptions, now),
            (vec![subscribe(&["a", "new"])], vec![channel("a"), channel("new")])
        );
        // Its subscription is gone, too.
        subscriptions.listened(channel("b"), true, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["b"])], vec![channel("b")]));
    }

    #[test]
    fn whoever_listens_while_there_is_no_connection_is_told() {
        let (mut subscriptions, now) = (Subscriptions::new(DELAY, false), Instant::now());
        let listen = |subscriptions: &mut Subscriptions, names: [&str; 2]| {
            for name in names {
                subscriptions.listened(channel(name), true, now);
            }
            subscriptions.listened(channel(names[1]), false, now);
        };
        let asked_and_missed = |name| (vec![subscribe(&[name])], vec![channel(name)]);
        // Before the first connection; and who goes again may come back.
        listen(&mut subscriptions, ["a", "b"]);
        subscriptions.connected();
        assert_eq!(settle(&mut subscriptions, now), asked_and_missed("a"));
        subscriptions.listened(channel("b"), true, now);
        assert_eq!(settle(&mut subscriptions, now), asked_and_missed("b"));
        // While Redis is asked it breaks.
        subscriptions.listened(channel("c"), true, now);
        let asked = subscriptions.next_request(now);
        assert_eq!(asked, Some(subscribe(&["c"])));
        for name in ["a", "b"] {
            subscriptions.listened(channel(name), false, now);
        }
        subscriptions.broken();
        listen(&mut subscriptions, ["d", "e"]);
        subscriptions.connected();
        assert_eq!(
            settle(&mut subscriptions, now),
            (vec![subscribe(&["c", "d"])], vec![channel("c"), channel("d")])
        );
        // Told once, and not to those who came when there was a connection.
        subscriptions.listened(channel("f"), true, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["f"])], vec![]));
    }

    #[test]
    fn what_changes_while_redis_is_asked_is_not_forgotten() {
        let (mut subscriptions, now) = (connected(false), Instant::now());
        subscriptions.listened(channel("a"), true, now);
        let asked = subscriptions.next_request(now).unwrap();
        subscriptions.listened(channel("a"), false, now);
        subscriptions.done(asked, now);
        let asked = subscriptions.next_request(now + DELAY).unwrap();
        assert_eq!(asked, unsubscribe(&["a"]));
        subscriptions.listened(channel("a"), true, now);
        subscriptions.done(asked, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["a"])], vec![channel("a")]));
    }

    #[test]
    fn whoever_may_have_listened_elsewhere_is_told() {
        let (mut subscriptions, now) = (connected(true), Instant::now());
        for _ in 0..2 {
            subscriptions.listened(channel("a"), true, now);
            subscriptions.listened(channel("a"), false, now);
        }
        subscriptions.listened(channel("a"), true, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["a"])], vec![channel("a")]));
    }
}
