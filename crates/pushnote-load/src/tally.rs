//! What arrived, counted.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::message::Stamp;
use crate::sequence::{Arrival, Sequence};

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Every message is to reach it.
    Counted,
    /// Reads nothing once it is open.
    Stalled,
    /// Does not read for a while, then reads on; is to miss nothing.
    Pausing,
    /// Comes and goes; what it gets is checked for order, not for completeness.
    Churning,
}

/// Counts of one run. Latencies are in nanoseconds.
#[derive(Debug)]
pub struct Tally {
    /// From when a message was due to when it was read.
    pub latency: Histogram<u64>,
    /// From the first packet of a connection to its readiness.
    pub handshake: Histogram<u64>,
    /// The same while messages flow.
    pub churn_handshake: Histogram<u64>,
    /// Messages published, the warm-up's too: the number of the next one.
    pub(crate) published: u64,
    /// Messages that reached counted connections.
    pub deliveries: u64,
    /// Messages that came twice.
    pub duplicates: u64,
    /// Messages that came after later ones.
    pub out_of_order: u64,
    /// Messages that reached another user than theirs.
    pub misdelivered: u64,
    /// Deliveries that are still to come.
    pub(crate) outstanding: u64,
    /// The same of those that pause.
    pub(crate) behind: u64,
    /// Of these, what was published before they read on, and how much that was at first.
    pub(crate) missed: u64,
    pub(crate) missed_at_first: u64,
    /// When they had it.
    pub(crate) caught_up_ns: Option<u64>,
    /// The first message that was published after that.
    pub(crate) reads_on_at: u64,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// Deliveries that will never come: their connection ended, or time did.
    pub lost: u64,
    /// Why counted connections ended that should not have.
    pub endings: BTreeMap<String, u64>,
    /// The same for those that did not read.
    pub stalled_endings: BTreeMap<String, u64>,
    /// The same for connections that come and go.
    pub churn_failures: BTreeMap<String, u64>,
    /// Latencies of messages due before are left out.
    pub(crate) measured_from_ns: u64,
    /// When the last message came, in nanoseconds of the generator's clock.
    pub(crate) last_arrival_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            latency: histogram(),
            handshake: histogram(),
            churn_handshake: histogram(),
            published: 0,
            deliveries: 0,
            duplicates: 0,
            out_of_order: 0,
            misdelivered: 0,
            outstanding: 0,
            behind: 0,
            missed: 0,
            missed_at_first: 0,
            caught_up_ns: None,
            reads_on_at: 0,
            bytes: 0,
            lost: 0,
            endings: BTreeMap::new(),
            stalled_endings: BTreeMap::new(),
            churn_failures: BTreeMap::new(),
            measured_from_ns: 0,
            last_arrival_ns: 0,
        }
    }

    /// Forgets the warm-up's latencies and deliveries; its faults stay.
    pub(crate) fn start_measuring(&mut self, now_ns: u64) {
        self.deliveries = 0;
        self.latency.reset();
        self.measured_from_ns = now_ns;
    }

    /// Those that pause read on.
    pub(crate) fn read_on(&mut self) {
        self.missed = self.behind;
        self.missed_at_first = self.behind;
        self.reads_on_at = self.published;
    }

    #[inline]
    pub(crate) fn arrived(&mut self, role: Role, sequence: &mut Sequence, stamp: Stamp, now_ns: u64) {
        match sequence.arrived(stamp.number) {
            Arrival::InOrder | Arrival::Early => {}
            Arrival::Late => self.out_of_order += 1,
            Arrival::Duplicate => {
                self.duplicates += 1;
                return;
            }
            Arrival::Misdelivered => {
                self.misdelivered += 1;
                return;
            }
        }
        if role == Role::Pausing {
            self.behind = self.behind.saturating_sub(1);
            if stamp.number < self.reads_on_at && self.missed > 0 {
                self.missed -= 1;
                if self.missed == 0 {
                    self.caught_up_ns = Some(now_ns);
                }
            }
        }
        if role == Role::Counted {
            self.deliveries += 1;
            self.outstanding = self.outstanding.saturating_sub(1);
            self.last_arrival_ns = now_ns;
            if stamp.due_ns >= self.measured_from_ns {
                self.latency.saturating_record(now_ns.saturating_sub(stamp.due_ns));
            }
        }
    }

    /// Why connections ended, for people to read.
    pub(crate) fn why_ended(&self) -> String {
        let reasons = self.endings.iter().map(|(reason, count)| format!("{count} × {reason}"));
        reasons.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn churn_failed(&mut self, reason: String) {
        *self.churn_failures.entry(reason).or_default() += 1;
    }

    /// A counted connection is gone, and with it what it had still to get.
    pub(crate) fn ended(&mut self, pending: u64, reason: String) {
        self.lost += pending;
        self.outstanding = self.outstanding.saturating_sub(pending);
        *self.endings.entry(reason).or_default() += 1;
    }

    /// The same of one that pauses.
    pub(crate) fn pausing_ended(&mut self, sequence: &Sequence, reason: String) {
        let pending = sequence.pending(self.published);
        self.lost += pending;
        self.behind = self.behind.saturating_sub(pending);
        self.missed = self.missed.saturating_sub(sequence.pending(self.reads_on_at));
        *self.endings.entry(reason).or_default() += 1;
    }

    /// What must not happen and did, for people to read.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Self { lost, duplicates, out_of_order, misdelivered, .. } = *self;
        let counts = [
            (lost, "lost"),
            (duplicates, "twice"),
            (out_of_order, "out of order"),
            (misdelivered, "to the wrong user"),
        ];
        let mut faults: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !self.endings.is_empty() {
            faults.push(format!("connections ended: {}", self.why_ended()));
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}

/// Up to an hour, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(3_600_000_000_000, 3).expect("constant bounds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counts_is_counted() {
        let mut tally = Tally::new();
        tally.outstanding = 4;
        let mut sequence = Sequence::new(0, 1);
        let mut arrive = |tally: &mut Tally, number, due_ns| {
            tally.arrived(Role::Counted, &mut sequence, Stamp { number, due_ns }, 100);
        };
        arrive(&mut tally, 0, 10);
        tally.start_measuring(50);
        arrive(&mut tally, 1, 49);
        arrive(&mut tally, 3, 60);
        arrive(&mut tally, 2, 60);
        arrive(&mut tally, 2, 60);
        assert_eq!((tally.deliveries, tally.outstanding), (3, 0));
        assert_eq!((tally.duplicates, tally.out_of_order), (1, 1));
        assert_eq!((tally.latency.len(), tally.latency.max()), (2, 40));
        tally.arrived(Role::Churning, &mut Sequence::new(0, 1), Stamp { number: 0, due_ns: 60 }, 100);
        assert_eq!(tally.deliveries, 3);
    }

    #[test]
    fn what_a_lost_connection_had_to_get_is_lost() {
        let mut tally = Tally::new();
        tally.outstanding = 5;
        tally.ended(3, "reset".into());
        assert_eq!((tally.lost, tally.outstanding, tally.endings["reset"]), (3, 2, 1));
    }
}
