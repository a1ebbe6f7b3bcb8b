//! The last messages of a publisher, resumable: what a subscriber that was away or slow gets from.

use crate::batch::Batch;
use std::collections::VecDeque;

/// Bytes of bookkeeping a batch is charged with besides the memory it keeps alive.
const BATCH_BYTES: usize = 128;

/// Batches from the last back to as many as fit, bounded by the memory they keep alive.
#[derive(Debug)]
pub(crate) struct History {
    /// Each with the number of its first message.
    batches: VecDeque<(u64, Batch)>,
    bytes: usize,
    bytes_max: usize,
    next: u64,
}

impl History {
    /// Keeps nothing when `bytes_max` is 0, but counts.
    pub(crate) fn new(bytes_max: usize) -> Self {
        History { batches: VecDeque::new(), bytes: 0, bytes_max, next: 0 }
    }

    /// Takes the next messages and returns the number of the first.
    pub(crate) fn push(&mut self, batch: &Batch) -> u64 {
        let first = self.next;
        self.next += batch.messages() as u64;
        if self.bytes_max == 0 {
            return first;
        }
        self.bytes += charge(batch);
        self.batches.push_back((first, batch.clone()));
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.batches.pop_front() else { break };
            self.bytes -= charge(&oldest);
        }
        first
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest message that is still here; that of the next when none is.
    pub(crate) fn start(&self) -> u64 {
        self.batches.front().map_or(self.next, |(first, _)| *first)
    }

    /// Bytes it holds, counted as the memory they keep alive.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages from number `from` on, as many as came in a row, and the number after them. `None` when `from` is the
    /// next, or is not here any more.
    pub(crate) fn read(&self, from: u64) -> Option<(Batch, u64)> {
        let after = self.batches.partition_point(|(first, _)| *first <= from);
        let (first, batch) = self.batches.get(after.checked_sub(1)?)?;
        let next = first + batch.messages() as u64;
        (from < next).then(|| (batch.skip((from - first) as usize), next))
    }
}

fn charge(batch: &Batch) -> usize {
    batch.retained_bytes() + BATCH_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use pushnote_zmtp_proto::frame::put_frame;

    fn batch(texts: &[&str]) -> Batch {
        let mut bytes = BytesMut::new();
        texts.iter().for_each(|text| put_frame(&mut bytes, 0, text.as_bytes()));
        let retained = bytes.len();
        Batch::new(bytes.freeze(), texts.len(), retained)
    }

    /// Everything from `from` on.
    fn texts(history: &History, mut from: u64) -> String {
        let mut all = String::new();
        while let Some((batch, next)) = history.read(from) {
            for span in batch.spans() {
                all.push_str(std::str::from_utf8(&batch.bytes()[span.topic_start..span.topic_end]).unwrap());
            }
            from = next;
        }
        assert_eq!(from, history.next());
        all
    }

    #[test]
    fn is_read_from_any_message_on() {
        let mut history = History::new(1 << 20);
        assert_eq!(history.push(&batch(&["a", "b", "c"])), 0);
        assert_eq!(history.push(&batch(&["d"])), 3);
        assert_eq!(history.push(&batch(&["e", "f"])), 4);
        for (from, rest) in ["abcdef", "bcdef", "cdef", "def", "ef", "f", ""].into_iter().enumerate() {
            assert_eq!(texts(&history, from as u64), rest);
        }
        assert!(history.read(7).is_none(), "what is still to come");
    }

    #[test]
    fn forgets_the_oldest_and_knows_it() {
        let mut history = History::new(3 * (BATCH_BYTES + 3));
        for text in ["a", "b", "c", "d", "e"] {
            history.push(&batch(&[text]));
        }
        assert_eq!((history.start(), history.next()), (2, 5));
        assert!(history.read(1).is_none());
        assert_eq!(texts(&history, 2), "cde");
    }

    #[test]
    fn without_room_it_only_counts() {
        let mut history = History::new(0);
        history.push(&batch(&["a", "b"]));
        assert_eq!((history.start(), history.next()), (2, 2));
        assert!(history.read(0).is_none());
    }

    #[test]
    fn memory_is_what_counts_not_length() {
        let mut history = History::new(10_000);
        let mut large = batch(&["a"]);
        history.push(&large);
        large = Batch::new(large.bytes().clone(), 1, 64 << 10);
        history.push(&large);
        assert_eq!(history.start(), history.next(), "it keeps a chunk alive that is too large");
    }
}
