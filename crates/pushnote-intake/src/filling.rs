//! What sources have from before: a server that starts takes it in before it lets in who comes from another one.

use std::time::Duration;

use pushnote_core::Position;
use pushnote_zmtp::Beginning;
use tokio::time::Instant;

use crate::source::Expected;
use crate::streams::Streams;

/// How long nothing of it may come, while this process runs, before it is waited for no more.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at. What is longer between two looks, this process stood still, or had nothing to do.
const LOOK: Duration = Duration::from_millis(250);

/// See the module's documentation.
pub(crate) struct Filling {
    /// The streams; `None`: there are none.
    expected: Option<Expected>,
    /// Their endpoints, as far as they have said where they begin. By its place here, each has a number.
    names: Vec<String>,
    /// Where they begin, by these numbers; of each the last one counts. What those before had may still be on its way in, or
    /// never come.
    told: Vec<(usize, Beginning)>,
    looked: Instant,
    /// How long nothing of it came, up to then.
    silence: Duration,
    /// How much of it had come.
    progress: u64,
    has_come: bool,
    over: bool,
}

impl Filling {
    /// It begins now.
    pub(crate) fn new(mut expected: Option<Expected>) -> Self {
        // What they have said already is news.
        expected.iter_mut().for_each(|expected| expected.beginnings.mark_changed());
        Self {
            has_come: expected.is_none(),
            expected,
            names: Vec::new(),
            told: Vec::new(),
            looked: Instant::now(),
            silence: Duration::ZERO,
            progress: 0,
            over: false,
        }
    }

    /// How many streams bring the same.
    pub(crate) fn sources(&self) -> usize {
        self.expected.as_ref().map_or(1, |expected| expected.count)
    }

    /// When to ask whether it is over, if nothing happens before.
    pub(crate) fn next_look(&self) -> Instant {
        self.looked + LOOK
    }

    /// Whether it was given up, although some that have begun had more.
    pub(crate) fn is_given_up(&self, streams: &Streams) -> bool {
        self.over && !self.told.iter().enumerate().all(|(at, _)| self.has_brought_all(at, streams))
    }

    /// Waits until streams have said where they begin, or never will.
    pub(crate) async fn next_beginning(&mut self) {
        let Some(expected) = &mut self.expected else { return std::future::pending().await };
        if expected.beginnings.changed().await.is_err() {
            self.expected = None; // its socket is gone
        }
    }

    /// Which of them brings what has this epoch.
    pub(crate) fn source_of(&self, epoch: u64) -> Option<usize> {
        self.told.iter().find(|(_, begun)| begun.from.epoch == epoch).map(|(source, _)| *source)
    }

    /// More has come than was waited for: it is taken in again, but from none that has not begun.
    pub(crate) fn begins_again(&mut self) {
        (self.looked, self.silence, self.over) = (Instant::now(), Duration::ZERO, false);
    }

    /// Where those begin that have said so since this was last asked. One may be no more, and forgotten.
    pub(crate) fn news(&mut self) -> Vec<Position> {
        let Some(expected) = &self.expected else { return Vec::new() };
        let beginnings = expected.beginnings.borrow();
        let mut positions = Vec::new();
        for (name, begun) in beginnings.iter() {
            let source = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
                self.names.push(name.clone());
                self.names.len() - 1
            });
            if !self.told.contains(&(source, *begun)) {
                self.told.push((source, *begun));
                positions.push(Position { epoch: begun.from.epoch, sequence: begun.from.sequence });
            }
        }
        if self.over {
            self.told.retain(|(source, begun)| beginnings.get(&self.names[*source]) == Some(begun));
        }
        positions
    }

    /// Whether all streams have brought what they had. Before that, what one of them does not bring in time may be what another
    /// is about to.
    pub(crate) fn has_come(&self) -> bool {
        self.has_come
    }

    /// Whether that has been published, too, or was waited for long enough.
    pub(crate) fn is_over(&mut self, streams: &Streams) -> bool {
        let Some(Expected { count, beginnings }) = &self.expected else {
            (self.has_come, self.over) = (true, true);
            return true;
        };
        // The log has to know first where they begin.
        let are_known = !beginnings.has_changed().unwrap_or(false);
        let all_are_known = are_known && (self.has_come || beginnings.borrow().len() >= *count);
        let in_time = self.silence(streams) < SILENCE_MAX;
        let all_have = (0..self.told.len()).all(|at| self.has_brought_all(at, streams));
        self.has_come |= !in_time || (all_are_known && all_have);
        let holds = |(_, begun): &(usize, Beginning)| streams.hold(begun.from.epoch, begun.live);
        self.over = !in_time || (all_are_known && all_have && !self.told.iter().any(holds));
        self.over
    }

    /// Whether the stream that was told of there has brought what it had.
    fn has_brought_all(&self, at: usize, streams: &Streams) -> bool {
        let (source, begun) = &self.told[at];
        // What comes over one connection, comes before what comes over the next.
        let is_over = |(other, next): &(usize, Beginning)| {
            other == source && streams.reach(next.from.epoch, next.from.sequence + 1)
        };
        streams.reach(begun.from.epoch, begun.live) || self.told[at + 1..].iter().any(is_over)
    }

    /// For how long nothing has come of what is waited for. What a process that stood still has not read yet, may have come.
    fn silence(&mut self, streams: &Streams) -> Duration {
        let now = Instant::now();
        let brought = |(_, begun): &(usize, Beginning)| streams.heard_to(begun.from.epoch).min(begun.live);
        let progress = self.told.iter().map(brought).sum();
        if progress > self.progress {
            self.silence = Duration::ZERO;
        } else {
            self.silence += now.saturating_duration_since(self.looked).min(2 * LOOK);
        }
        (self.progress, self.looked) = (progress, now);
        self.silence
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::sync::watch;

    use super::*;

    fn begin(epoch: u64, sequence: u64) -> Beginning {
        Beginning { from: pushnote_zmtp::Position { epoch, sequence }, live: sequence + 1 }
    }

    #[test]
    fn what_came_before_a_stream_began_anew_is_waited_for_until_it_is_settled() {
        let at = |epoch| Position { epoch, sequence: 0 };
        let (sender, beginnings) = watch::channel(HashMap::from([("one".to_owned(), begin(1, 0))]));
        let mut filling = Filling::new(Some(Expected { count: 1, beginnings }));
        let mut streams = Streams::default();
        let is_over = |filling: &mut Filling, streams: &mut Streams| {
            filling.expected.as_mut().unwrap().beginnings.mark_unchanged();
            filling.news().into_iter().for_each(|position| _ = streams.begins(position));
            filling.is_over(streams)
        };
        assert!(!is_over(&mut filling, &mut streams));
        streams.came(at(1));
        streams.is_held(at(1));
        assert!(!is_over(&mut filling, &mut streams) && filling.has_come());
        sender.send_modify(|streams| _ = streams.insert("one".to_owned(), begin(2, 0)));
        streams.came(at(2));
        assert!(!is_over(&mut filling, &mut streams));
        streams.is_settled(at(1));
        assert!(is_over(&mut filling, &mut streams));
    }

    /// What is forgotten does not begin anew because another one does.
    #[test]
    fn where_a_stream_begins_is_news_once() {
        let (sender, beginnings) = watch::channel(HashMap::from([("one".to_owned(), begin(1, 0))]));
        let mut filling = Filling::new(Some(Expected { count: 2, beginnings }));
        let news = |filling: &mut Filling| -> Vec<_> {
            filling.news().iter().map(|at| (at.epoch, at.sequence)).collect()
        };
        assert_eq!(news(&mut filling), [(1, 0)]);
        sender.send_modify(|streams| _ = streams.insert("two".to_owned(), begin(2, 5)));
        assert_eq!(news(&mut filling), [(2, 5)]);
        sender.send_modify(|streams| _ = streams.insert("two".to_owned(), begin(2, 7)));
        assert_eq!(news(&mut filling), [(2, 7)]);
        assert_eq!(news(&mut filling), [(0, 0); 0]);
    }

    /// Until it is over, in time that passes by looks.
    async fn seconds(
        filling: &mut Filling,
        streams: &mut Streams,
        mut comes: impl FnMut(&mut Streams),
    ) -> u64 {
        let began = Instant::now();
        while !filling.is_over(streams) {
            tokio::time::advance(LOOK).await;
            comes(streams);
        }
        began.elapsed().as_secs()
    }

    fn with(count: usize, live: u64) -> (Filling, Streams) {
        let begun = Beginning { live, ..begin(1, 0) };
        let (sender, beginnings) = watch::channel(HashMap::from([("one".to_owned(), begun)]));
        let mut filling = Filling::new(Some(Expected { count, beginnings }));
        drop(sender);
        filling.news().into_iter().for_each(drop);
        (filling, Streams::default())
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_slowly_is_waited_for_and_silence_is_not() {
        let (mut filling, mut streams) = with(1, 1000);
        let mut next = 0;
        let comes = |streams: &mut Streams| {
            next += 1;
            if next <= 80 {
                streams.came(Position { epoch: 1, sequence: next });
            }
        };
        assert_eq!(seconds(&mut filling, &mut streams, comes).await, 25, "20 in which something came, and 5");
        assert!(filling.is_given_up(&streams));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_there_is_waited_for_while_this_process_runs() {
        let (mut filling, mut streams) = with(2, 0);
        assert!(!filling.is_over(&streams));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!filling.is_over(&streams), "it stood still");
        assert_eq!(seconds(&mut filling, &mut streams, |_| {}).await, 4);
        assert!(!filling.is_given_up(&streams), "the one that has begun has brought all");
    }
}
