//! What was taken out of a queue to be written.

use super::{Entry, Outbox};
use crate::send_filter::SendFilter;
use bytes::{Buf, BytesMut};
use pushnote_zmtp_proto::codec::Encoder;
use pushnote_zmtp_proto::frame::Spans;
use std::collections::VecDeque;

/// How often a message may be begun and not finished before it is given up: its peer seems to refuse it.
const BEGUN_MAX: u32 = 3;
/// About so much is encoded at a time: a command cannot go before what is encoded.
const ENCODE_BYTES: usize = 64 << 10;

/// The queue's writing side: what was taken out and is not wholly written. It outlives a connection.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    entries: VecDeque<Entry>,
    pub(super) encoder: Encoder,
    /// So many entries at the front are as they are written.
    ready: usize,
    /// Bytes written of the first entry, as it is written.
    written: usize,
    /// How often the message at the front was begun on a connection that then broke.
    begun: u32,
    /// Bytes of that message, as it is written.
    begun_bytes: usize,
}

impl Unsent {
    /// Begins with commands of the connection.
    pub(crate) fn beginning_with(control: BytesMut) -> Self {
        let entry = Entry::control(control);
        Unsent { entries: VecDeque::from([entry]), ..Unsent::default() }
    }

    /// A connection begins whose frames are written so.
    pub(crate) fn begin(&mut self, encoder: Encoder) {
        self.encoder = encoder;
    }

    /// Takes what waits: messages only when none are left here.
    pub(crate) fn refill(&mut self, outbox: &Outbox, filter: &impl SendFilter) {
        let mut state = outbox.state();
        if !state.control.is_empty() {
            let first = if self.encoder.is_plain() { usize::from(self.written > 0) } else { self.ready };
            self.entries.insert(first, Entry::control(state.control.split()));
        }
        let mut waiting = VecDeque::new();
        if filter.is_open() && self.entries.iter().all(|entry| entry.control) {
            state.seal_tail();
            waiting = std::mem::take(&mut state.entries);
        }
        drop(state);
        self.take(waiting, outbox, filter);
        self.encode();
    }

    fn take(&mut self, waiting: VecDeque<Entry>, outbox: &Outbox, filter: &impl SendFilter) {
        for (at, mut entry) in waiting.into_iter().enumerate() {
            if entry.control {
                self.entries.push_back(entry);
                continue;
            }
            if let Some(wanted) = filter.pick(&entry.bytes) {
                if at == 0 && wanted.len() < entry.bytes.len() {
                    self.begun = 0; // another message may be the first now
                }
                entry.bytes = wanted;
            }
            if entry.bytes.is_empty() {
                self.leave_out(&entry, outbox);
            } else {
                self.entries.push_back(entry);
            }
        }
    }

    /// Sees to it that there is something to write, if there is anything.
    fn encode(&mut self) {
        if self.encoder.is_plain() {
            self.ready = self.entries.len();
            return;
        }
        let mut bytes = 0;
        while self.ready == 0 || (0 < bytes && bytes < ENCODE_BYTES) {
            let Some(entry) = self.entries.get_mut(self.ready) else { return };
            let wire = self.encoder.encode(&entry.bytes);
            bytes += wire.len();
            entry.wire = Some(wire);
            self.ready += 1;
        }
    }

    /// An entry nobody wants counts as written with the one before it.
    fn leave_out(&mut self, entry: &Entry, outbox: &Outbox) {
        match self.entries.back_mut().filter(|before| !before.control) {
            Some(before) => {
                before.charge += entry.charge;
                before.end = entry.end;
            }
            None => outbox.progressed(entry.end, entry.charge),
        }
    }

    /// What to write next, in order.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.written;
        self.entries.iter().take(self.ready).map(move |entry| &entry.wire()[std::mem::take(&mut skip)..])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes that the stream took `bytes`.
    pub(crate) fn advance(&mut self, mut bytes: usize, outbox: &Outbox) {
        let (mut offset, mut charge) = (0, 0);
        while let Some(first) = self.entries.front() {
            let left = first.wire().len() - self.written;
            if bytes < left {
                self.written += bytes;
                break;
            }
            bytes -= left;
            self.written = 0;
            offset = first.end.max(offset);
            charge += first.charge;
            self.begun = if first.control { self.begun } else { 0 };
            self.entries.pop_front();
            self.ready -= 1;
        }
        if self.written >= self.begun_bytes && self.entries.front().is_some_and(|first| !first.control) {
            self.begun = 0;
        }
        if offset > 0 {
            outbox.progressed(offset, charge);
        }
    }

    /// The connection broke: what was not wholly written goes back to the queue, for the next one. Returns how many
    /// messages were given up.
    pub(crate) fn rewind(&mut self, outbox: &Outbox) -> usize {
        if self.entries.front().is_some_and(|first| first.control) {
            self.written = 0;
        }
        self.entries.retain(|entry| !entry.control);
        let given_up = self.rewind_first();
        self.entries.iter_mut().for_each(|entry| entry.wire = None);
        let mut state = outbox.state();
        self.entries.append(&mut state.entries);
        state.entries = std::mem::take(&mut self.entries);
        drop(state);
        self.ready = 0;
        self.encoder = Encoder::Plain;
        given_up
    }

    fn rewind_first(&mut self) -> usize {
        let written = std::mem::take(&mut self.written);
        let Some(first) = self.entries.front_mut().filter(|_| written > 0) else { return 0 };
        let mut end = 0;
        let begun = Spans::new(&first.bytes).find_map(|span| {
            let start = end;
            end += self.encoder.encoded_bytes(&first.bytes[span.start..span.end]);
            (end > written).then_some((span, start))
        });
        let Some((span, start)) = begun else { return 0 };
        self.begun += u32::from(written > start);
        self.begun_bytes = end - start;
        let give_up = self.begun >= BEGUN_MAX;
        first.bytes.advance(if give_up { span.end } else { span.start });
        if give_up {
            self.begun = 0;
        }
        usize::from(give_up)
    }
}
