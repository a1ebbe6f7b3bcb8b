//! How much the log holds, and what of it is too much.

use std::collections::VecDeque;
use std::time::Duration;

use crate::options::Options;
use crate::record::Record;

/// A bound is kept to one part in this many: the log is trimmed by segments, not by records, so that the writer
/// remembers a few numbers instead of two for each record.
const SEGMENTS: u64 = 64;

/// What the log in the file holds.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    bounds: Bounds,
    segments: VecDeque<Segment>,
    bytes: u64,
    next_offset: u64,
}

/// Records that are forgotten at once.
#[derive(Clone, Debug)]
struct Segment {
    first: u64,
    bytes: u64,
    oldest_ms: u64,
    newest_ms: u64,
}

/// The bounds of [`Options`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    bytes_max: u64,
    count_max: u64,
    age_max_ms: u64,
}

impl From<&Options> for Bounds {
    fn from(options: &Options) -> Self {
        let Options { bytes_max, count_max, age_max, .. } = *options;
        Self { bytes_max, count_max, age_max_ms: millis(age_max) }
    }
}

/// In milliseconds, as many as there may be.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Bounds {
    /// The offset of the oldest of `records` that is within the bounds; what is newer is, too. Records before a hole are
    /// beyond them.
    pub(crate) fn start(&self, records: &[Record], next_offset: u64, now_ms: u64) -> u64 {
        let (mut start, mut bytes) = (next_offset, 0);
        for record in records.iter().rev() {
            bytes += record.body.len() as u64;
            let young = record.unix_ms.saturating_add(self.age_max_ms) >= now_ms;
            if record.offset.checked_add(1) != Some(start)
                || bytes > self.bytes_max
                || next_offset - record.offset > self.count_max
                || !young
            {
                break;
            }
            start = record.offset;
        }
        start
    }
}

impl Extent {
    /// An empty log that goes on with `next_offset`.
    pub(crate) fn new(bounds: Bounds, next_offset: u64) -> Self {
        Self { bounds, segments: VecDeque::new(), bytes: 0, next_offset }
    }

    /// The offset of the next record.
    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Forgets everything: the log begins anew with `next_offset`.
    pub(crate) fn clear(&mut self, next_offset: u64) {
        *self = Self::new(self.bounds, next_offset);
    }

    /// Counts a record, the next one.
    pub(crate) fn push(&mut self, record: &Record) {
        let bytes = record.body.len() as u64;
        let full = |segment: &Segment| {
            let age_ms = record.unix_ms.saturating_sub(segment.oldest_ms);
            segment.bytes >= self.bounds.bytes_max / SEGMENTS
                || record.offset - segment.first >= self.bounds.count_max.div_ceil(SEGMENTS)
                || age_ms > self.bounds.age_max_ms / SEGMENTS
        };
        match self.segments.back_mut().filter(|segment| !full(segment)) {
            Some(segment) => {
                segment.bytes += bytes;
                segment.oldest_ms = segment.oldest_ms.min(record.unix_ms);
                segment.newest_ms = segment.newest_ms.max(record.unix_ms);
            }
            None => self.segments.push_back(Segment {
                first: record.offset,
                bytes,
                oldest_ms: record.unix_ms,
                newest_ms: record.unix_ms,
            }),
        }
        self.bytes += bytes;
        self.next_offset = record.offset + 1;
    }

    /// Forgets segments of which no record is within the bounds, and says where the log then begins; `None` if there
    /// are none.
    pub(crate) fn trim(&mut self, now_ms: u64) -> Option<u64> {
        let mut start = None;
        while let Some(oldest) = self.segments.front() {
            let next = self.segments.get(1).map_or(self.next_offset, |segment| segment.first);
            let beyond = self.bytes - oldest.bytes > self.bounds.bytes_max
                || self.next_offset - next >= self.bounds.count_max
                || oldest.newest_ms.saturating_add(self.bounds.age_max_ms) < now_ms;
            if !beyond {
                break;
            }
            self.bytes -= oldest.bytes;
            self.segments.pop_front();
            start = Some(next);
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn record(offset: u64, unix_ms: u64, length: usize) -> Record {
        Record { offset, unix_ms, body: Bytes::from(vec![b'x'; length]) }
    }

    #[test]
    fn what_is_before_a_hole_is_beyond_the_bounds() {
        let bounds = Bounds::from(&Options::default());
        let records = [0, 1, 5, 6].map(|offset| record(offset, 0, 1));
        assert_eq!(bounds.start(&records, 7, 0), 5);
        assert_eq!(bounds.start(&records, 8, 0), 8, "a hole at the end");
        assert_eq!(bounds.start(&[], 8, 0), 8);
    }

    proptest! {
        /// Trimming leaves all that is within the bounds, and not much more.
        #[test]
        fn trimming_keeps_what_is_within(
            lengths in prop::collection::vec((0usize..300, 0u64..5), 1..400),
            bytes_max in 1u64..20_000,
            count_max in 1u64..300,
            age_max_ms in 0u64..1000,
        ) {
            let bounds = Bounds { bytes_max, count_max, age_max_ms };
            let (mut extent, mut start, mut now_ms, mut records) = (Extent::new(bounds, 9), 9, 0, Vec::new());
            for (offset, (length, pause)) in (9..).zip(lengths) {
                now_ms += pause;
                let record = record(offset, now_ms, length);
                extent.push(&record);
                records.push(record);
                start = extent.trim(now_ms).unwrap_or(start);

                let exact = bounds.start(&records, extent.next_offset(), now_ms);
                prop_assert!(start <= exact, "{start} is kept, and {exact} is within the bounds");
                let held = &records[usize::try_from(start - 9).unwrap()..];
                let bytes: u64 = held.iter().map(|record| record.body.len() as u64).sum();
                prop_assert_eq!(bytes, extent.bytes);
                prop_assert!(bytes <= bytes_max + bytes_max / SEGMENTS + 300);
                prop_assert!(held.len() as u64 <= count_max + count_max.div_ceil(SEGMENTS));
                let oldest_ms = held.first().map_or(now_ms, |record| record.unix_ms);
                prop_assert!(now_ms - oldest_ms <= age_max_ms + age_max_ms / SEGMENTS);
                prop_assert!(extent.segments.len() as u64 <= 3 * SEGMENTS + 5);
            }
        }
    }
}
