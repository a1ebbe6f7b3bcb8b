//! Which subscribers have what was sent: a PING behind a message comes back as a PONG when all before it has been read
//! (RFC 37 §2.6), by any peer of ZMTP 3.1.

use pushnote_zmtp_proto::topics::PeerId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// What the PING carries.
pub(crate) type Context = [u8; 8];

/// Messages that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    next: u64,
    open: HashMap<u64, Open>,
    /// Peers that let a PING pass and have answered none since. They are asked, and not waited for.
    late: HashSet<PeerId>,
}

#[derive(Debug)]
struct Open {
    asked: HashSet<PeerId>,
    /// Those of them that are waited for.
    awaited: HashSet<PeerId>,
    confirmed: usize,
    settled: Arc<Notify>,
}

impl Open {
    /// A peer is asked no more; whether it was.
    fn take(&mut self, peer: PeerId) -> bool {
        let asked = self.asked.remove(&peer);
        if asked {
            self.awaited.remove(&peer);
            self.look();
        }
        asked
    }

    /// Wakes whoever waits when nobody is left to wait for.
    fn look(&self) {
        if self.awaited.is_empty() {
            self.settled.notify_one();
        }
    }
}

impl Confirmations {
    /// What the next [`Confirmations::expect`] sends.
    pub(crate) fn context(&self) -> Context {
        self.next.to_be_bytes()
    }

    /// Asks these peers: notifies when all of them have answered or are gone. The late ones are waited for only where
    /// there are no others.
    pub(crate) fn expect(&mut self, asked: HashSet<PeerId>) -> Arc<Notify> {
        let settled = Arc::new(Notify::new());
        let mut awaited: HashSet<_> = asked.difference(&self.late).copied().collect();
        if awaited.is_empty() {
            awaited.clone_from(&asked);
        }
        let open = Open { asked, awaited, confirmed: 0, settled: Arc::clone(&settled) };
        open.look();
        self.open.insert(self.next, open);
        self.next += 1;
        settled
    }

    /// A peer has sent a PONG; whether it was asked for.
    pub(crate) fn pong(&mut self, peer: PeerId, context: &[u8]) -> bool {
        let Ok(id) = context.try_into().map(u64::from_be_bytes) else { return false };
        if id < self.next {
            self.late.remove(&peer); // also when the answer comes too late: it reads again
        }
        let Some(open) = self.open.get_mut(&id) else { return false };
        let asked = open.take(peer);
        open.confirmed += usize::from(asked);
        asked
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.late.remove(&peer);
        for open in self.open.values_mut() {
            open.take(peer);
        }
    }

    /// Who has not answered so far has let it pass. That is not waited out where others have answered, or will.
    pub(crate) fn give_up(&mut self, context: Context) {
        let Some(open) = self.open.get_mut(&u64::from_be_bytes(context)) else { return };
        let late = open.awaited.clone();
        if late.is_subset(&self.late) {
            return;
        }
        // The same fault is not waited out once for each question.
        for open in self.open.values_mut() {
            if open.confirmed > 0 || !open.awaited.is_subset(&late) {
                open.awaited.retain(|peer| !late.contains(peer));
                open.look();
            }
        }
        self.late.extend(late);
    }

    /// How many have confirmed. Nothing is waited for any more.
    pub(crate) fn close(&mut self, context: Context) -> usize {
        self.open.remove(&u64::from_be_bytes(context)).map_or(0, |open| open.confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context as Task, Waker};

    /// What a question waits for, and its PING's context.
    fn ask(confirmations: &mut Confirmations, peers: &[PeerId]) -> (Arc<Notify>, Context) {
        let context = confirmations.context();
        (confirmations.expect(peers.iter().copied().collect()), context)
    }

    fn is_settled(settled: &Notify) -> bool {
        pin!(settled.notified()).poll(&mut Task::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn one_that_never_answers_is_waited_for_once() {
        let mut confirmations = Confirmations::default();
        let (first, first_context) = ask(&mut confirmations, &[1, 2]);
        let (second, second_context) = ask(&mut confirmations, &[1, 2]);
        confirmations.pong(1, &first_context);
        assert!(!is_settled(&first) && !is_settled(&second));
        confirmations.give_up(first_context);
        confirmations.pong(1, &second_context);
        assert!(is_settled(&second), "what was asked meanwhile waits for the others alone");
        let (third, third_context) = ask(&mut confirmations, &[1, 2]);
        confirmations.pong(1, &third_context);
        assert!(is_settled(&third));
        assert!(confirmations.pong(2, &third_context), "it counts all the same");
        assert_eq!(confirmations.close(third_context), 2);
    }

    #[test]
    fn one_that_answers_late_is_waited_for_again() {
        let mut confirmations = Confirmations::default();
        let (_, first) = ask(&mut confirmations, &[1, 2]);
        confirmations.give_up(first);
        confirmations.close(first);
        confirmations.pong(7, &confirmations.context());
        assert!(!confirmations.pong(1, &first), "too late for that one");
        let (settled, context) = ask(&mut confirmations, &[1, 2]);
        assert!(!is_settled(&settled));
        confirmations.pong(1, &context);
        assert!(is_settled(&settled));
        confirmations.leave(2);
        assert!(confirmations.late.is_empty());
    }

    #[test]
    fn the_late_are_waited_for_where_there_are_no_others() {
        let mut confirmations = Confirmations::default();
        let (_, first) = ask(&mut confirmations, &[1]);
        let (second, context) = ask(&mut confirmations, &[1]);
        confirmations.give_up(first);
        let (third, _) = ask(&mut confirmations, &[1]);
        assert!(!is_settled(&second) && !is_settled(&third));
        confirmations.pong(1, &context);
        assert!(is_settled(&second));
        confirmations.leave(1);
        assert!(is_settled(&third));
    }
}
