//! Order among what one sender sent.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use pushnote_core::sequencer::Item;
use pushnote_core::{PublicationId, Sequencer, SequencerCounts, SequencerLimits, Taken};

use crate::source::Sender;

/// How long a message waits for those before it, which may come after it: over another forwarder, or because their
/// publisher connected again and its old connection is not yet read to the end.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// Publishers of one sender that are remembered: those heard last.
pub(crate) const PUBLISHERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// What one sender may occupy.
const LIMITS: SequencerLimits = SequencerLimits {
    patience: PATIENCE,
    held_bytes_max: 8 * 1024 * 1024,
    publishers_max: PUBLISHERS_MAX,
    sources: 1,
};
/// Senders that are remembered: those heard last.
const SENDERS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

/// A [`Sequencer`] for each sender. So publishers' names are a sender's own: whoever knows another's name can neither
/// count for it nor have it forgotten.
#[derive(Debug)]
pub(crate) struct Order<T> {
    limits: SequencerLimits,
    /// Each sender that is unknown is new.
    knows_all: bool,
    senders: LruCache<Sender, Sequencer<T>>,
    state: State,
}

/// What is known of all senders together.
#[derive(Debug, Default)]
struct State {
    /// Of those that hold something.
    deadlines: HashMap<Sender, Instant>,
    counts: SequencerCounts,
}

impl State {
    /// Lets `act` change a sender's order, and takes note of what has become of it.
    fn note<T: Item, R>(
        &mut self,
        sender: &Sender,
        sequencer: &mut Sequencer<T>,
        act: impl FnOnce(&mut Sequencer<T>) -> R,
    ) -> R {
        let before = sequencer.counts();
        let result = act(sequencer);
        let now = sequencer.counts();
        self.counts.duplicates += now.duplicates - before.duplicates;
        self.counts.missed += now.missed - before.missed;
        self.counts.new_runs += now.new_runs - before.new_runs;
        match sequencer.poll_timeout() {
            Some(deadline) => drop(self.deadlines.insert(sender.clone(), deadline)),
            None if self.deadlines.is_empty() => {}
            None => drop(self.deadlines.remove(sender)),
        }
        result
    }
}

impl<T: Item> Order<T> {
    pub(crate) fn new() -> Self {
        Self { limits: LIMITS, knows_all: true, senders: LruCache::new(SENDERS_MAX), state: State::default() }
    }

    /// So many sources bring the same from now on.
    pub(crate) fn set_sources(&mut self, sources: usize) {
        self.limits.sources = sources;
        self.senders.iter_mut().for_each(|(_, sequencer)| sequencer.set_sources(sources));
    }

    /// What came so far is of an earlier run, which may have had more.
    pub(crate) fn go_on(&mut self) {
        self.senders.iter_mut().for_each(|(_, sequencer)| sequencer.close());
        self.take_counts();
    }

    /// A message came, over this source, if that is known. Appends to `out` what goes on.
    pub(crate) fn accept(
        &mut self,
        sender: &Sender,
        id: &PublicationId,
        source: Option<usize>,
        item: T,
        now: Instant,
        out: &mut Vec<T>,
    ) -> Taken {
        if self.senders.len() == SENDERS_MAX.get()
            && !self.senders.contains(sender)
            && let Some((oldest, mut sequencer)) = self.senders.pop_lru()
        {
            self.knows_all = false;
            self.state.note(&oldest, &mut sequencer, |sequencer| sequencer.give_up(out));
        }
        let sequencer =
            self.senders.get_or_insert_mut(sender.clone(), || Sequencer::new(self.limits, self.knows_all));
        self.state.note(sender, sequencer, |sequencer| sequencer.accept(id, source, item, now, out))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while nothing is held.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.state.deadlines.values().min().copied()
    }

    /// Time has passed: what waited too long goes on.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<T>) {
        let due = self.state.deadlines.iter().filter(|(_, deadline)| **deadline <= now);
        for sender in due.map(|(sender, _)| sender.clone()).collect::<Vec<_>>() {
            if let Some(sequencer) = self.senders.peek_mut(&sender) {
                self.state.note(&sender, sequencer, |sequencer| sequencer.handle_timeout(now, out));
            }
        }
    }

    /// What was counted since this was last asked.
    pub(crate) fn take_counts(&mut self) -> SequencerCounts {
        std::mem::take(&mut self.state.counts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pushnote_zmtp::curve::PublicKey;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Text(&'static str);

    impl Item for Text {
        fn bytes_len(&self) -> usize {
            self.0.len()
        }

        fn fingerprint(&self) -> u64 {
            self.0.len() as u64
        }

        fn detach(&mut self) {}

        fn take_in(&mut self, _: Self) {}

        fn follows_missing(&mut self) {}
    }

    fn key(number: u16) -> Sender {
        let mut bytes = [1; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Sender::Key(Arc::new(PublicKey::from_bytes(bytes).unwrap()))
    }

    /// What goes on when these come at once.
    fn accepted(
        order: &mut Order<Text>,
        now: Instant,
        messages: &[(&Sender, &str, &'static str)],
    ) -> Vec<Text> {
        let mut out = Vec::new();
        for (sender, id, text) in messages {
            order.accept(sender, &id.parse().unwrap(), None, Text(text), now, &mut out);
        }
        out
    }

    #[test]
    fn a_name_is_its_senders_own() {
        let (mut order, now) = (Order::new(), Instant::now());
        let (victim, thief) = (key(1), key(2));
        let messages = [
            (&victim, "web/1", "a"),
            (&thief, "web/2", "false"), // else the victim's next would be the second with that number
            (&victim, "web/2", "b"),
            (&Sender::Anybody, "web/3", "of a forwarder"),
            (&victim, "web/3", "c"),
            (&victim, "web/3", "c"),
        ];
        let texts = ["a", "false", "b", "of a forwarder", "c"].map(Text);
        assert_eq!(accepted(&mut order, now, &messages), texts);
        assert_eq!(order.take_counts(), SequencerCounts { duplicates: 1, missed: 0, new_runs: 0 });
        assert_eq!(order.poll_timeout(), None);
    }

    #[test]
    fn invented_names_have_only_their_own_senders_forgotten() {
        let (mut order, now) = (Order::new(), Instant::now());
        let (victim, flood) = (key(1), key(2));
        accepted(&mut order, now, &[(&victim, "web/1", "a")]);
        for name in 0..=LIMITS.publishers_max.get() {
            let id = format!("{name}/1");
            accepted(&mut order, now, &[(&flood, &id, "x"), (&flood, &id, "x")]);
        }
        order.take_counts();
        assert_eq!(accepted(&mut order, now, &[(&victim, "web/1", "a")]), []);
        assert_eq!(order.take_counts().duplicates, 1);
    }

    #[test]
    fn each_senders_messages_wait_for_their_own_time() {
        let (mut order, now) = (Order::new(), Instant::now());
        let (one, two) = (key(1), key(2));
        accepted(&mut order, now, &[(&one, "a/1", "1"), (&two, "a/1", "1")]);
        accepted(&mut order, now, &[(&one, "a/3", "one's")]);
        let later = now + PATIENCE / 2;
        accepted(&mut order, later, &[(&two, "a/3", "two's")]);
        for (deadline, text) in [(now, "one's"), (later, "two's")] {
            assert_eq!(order.poll_timeout(), Some(deadline + PATIENCE));
            let mut out = Vec::new();
            order.handle_timeout(deadline + PATIENCE, &mut out);
            assert_eq!(out, [Text(text)]);
        }
        assert_eq!((order.poll_timeout(), order.take_counts().missed), (None, 2));
    }

    #[test]
    fn a_sender_that_is_forgotten_loses_nothing() {
        let (mut order, now) = (Order::new(), Instant::now());
        let oldest = key(0);
        assert_eq!(
            accepted(&mut order, now, &[(&oldest, "a/1", "1"), (&oldest, "a/3", "held")]),
            [Text("1")]
        );
        let mut out = Vec::new();
        for sender in 1..=SENDERS_MAX.get() {
            out.extend(accepted(&mut order, now, &[(&key(sender as u16), "a/1", "new")]));
        }
        assert_eq!(out.iter().filter(|text| text.0 == "held").count(), 1);
        assert_eq!(out.len(), SENDERS_MAX.get() + 1);
        assert_eq!((order.poll_timeout(), order.take_counts().missed), (None, 1));
        assert_eq!(order.senders.len(), SENDERS_MAX.get());
    }
}
