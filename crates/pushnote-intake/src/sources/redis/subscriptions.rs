//! Which channels are subscribed to in Redis, and which are to be: without IO, and time comes in.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use pushnote_core::ChannelName;

/// Channels that one request names at most.
const BATCH_MAX: usize = 512;

/// Channels whose subscription has ended that are remembered; of others it is unknown whether they ever had one.
const ENDED_MAX: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("it is not zero");

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
    ended: LruCache<ChannelName, ()>,
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
            ended: LruCache::new(ENDED_MAX),
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
                    if self.ended.pop(&channel).is_some() || self.unknown {
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
                    self.end(&channel);
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

    /// The connection to Redis is gone, and with it every subscription.
    pub(super) fn broken(&mut self) {
        let states = std::mem::take(&mut self.states);
        self.wanted.clear();
        self.left.clear();
        for (channel, state) in states {
            if state != State::Wanted {
                self.end(&channel);
            }
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

    fn end(&mut self, channel: &ChannelName) {
        let evicted = self.ended.push(channel.clone(), ());
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
        let (mut subscriptions, start) = (Subscriptions::new(DELAY, false), Instant::now());
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
        let (mut subscriptions, now) = (Subscriptions::new(DELAY, false), Instant::now());
        for name in ["a", "b"] {
            subscriptions.listened(channel(name), true, now);
        }
        settle(&mut subscriptions, now);
        subscriptions.listened(channel("b"), false, now);
        subscriptions.listened(channel("new"), true, now);
        subscriptions.broken();
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["a", "new"])], vec![channel("a")]));
        // Its subscription is gone, too.
        subscriptions.listened(channel("b"), true, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["b"])], vec![channel("b")]));
    }

    #[test]
    fn what_changes_while_redis_is_asked_is_not_forgotten() {
        let (mut subscriptions, now) = (Subscriptions::new(DELAY, false), Instant::now());
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
        let (mut subscriptions, now) = (Subscriptions::new(DELAY, true), Instant::now());
        for _ in 0..2 {
            subscriptions.listened(channel("a"), true, now);
            subscriptions.listened(channel("a"), false, now);
        }
        subscriptions.listened(channel("a"), true, now);
        assert_eq!(settle(&mut subscriptions, now), (vec![subscribe(&["a"])], vec![channel("a")]));
    }
}
