//! What waits between those who publish and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pushnote_core::Envelope;
use pushnote_net::LATE;
use tokio::sync::Notify;

use crate::error::Obstacle;

/// One envelope.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) envelope: Vec<u8>,
    pub(crate) at: Instant,
}

/// Bounded by messages and bytes, from [`Queue::push`] until what was pushed is settled: written or given up.
#[derive(Debug)]
pub(crate) struct Queue {
    /// What servers know this publisher by.
    publisher: String,
    messages_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
    /// The thread that writes waits here for messages.
    work: Notify,
    /// Those who flush wait here for messages to be settled.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Queued>,
    /// Bytes that are not settled.
    bytes: usize,
    /// Messages since the start: `accepted` are settled in the end, one way or the other, in their order.
    accepted: u64,
    written: u64,
    given_up: u64,
    /// How many of `given_up` a flush has told of.
    told: u64,
    /// What was in the way of the first message that was given up and not told of.
    obstacle: Option<Obstacle>,
}

impl State {
    fn settled(&self) -> u64 {
        self.written + self.given_up
    }

    fn unsettled(&self) -> usize {
        (self.accepted - self.settled()) as usize
    }
}

/// The queue at its bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// A flush that has something to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unflushed {
    pub(crate) left: u64,
    pub(crate) given_up: u64,
    /// What was in the way of the first message given up, if any were.
    pub(crate) obstacle: Option<Obstacle>,
}

/// Messages since the start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) waiting: u64,
    pub(crate) written: u64,
    pub(crate) given_up: u64,
}

impl Queue {
    pub(crate) fn new(publisher: String, messages_max: usize, bytes_max: usize) -> Self {
        let (state, work, settled) = Default::default();
        Self { publisher, messages_max, bytes_max, state, work, settled }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an envelope and numbers it, if there is room. An empty queue has room for any.
    pub(crate) fn push(&self, mut envelope: Vec<u8>, now: Instant) -> Result<(), Full> {
        let mut state = self.state();
        Envelope::put_id(&mut envelope, &self.publisher, state.accepted + 1);
        let (messages, bytes) = (state.unsettled(), state.bytes);
        if messages > 0 && (messages >= self.messages_max || bytes + envelope.len() > self.bytes_max) {
            return Err(Full { messages, bytes });
        }
        state.accepted += 1;
        state.bytes += envelope.len();
        state.waiting.push_back(Queued { envelope, at: now });
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for messages, and says when the first of them was pushed.
    pub(crate) async fn waiting_since(&self) -> Instant {
        loop {
            let first = self.state().waiting.front().map(|first| first.at);
            match first {
                Some(at) => return at,
                None => self.work.notified().await,
            }
        }
    }

    /// Takes what waits: at least one message, if there is one, and others as long as all have less than `bytes_max`.
    pub(crate) fn take(&self, bytes_max: usize) -> Vec<Queued> {
        let mut state = self.state();
        let mut bytes = 0;
        let count = state.waiting.iter().take_while(|queued| {
            let fits = bytes == 0 || bytes + queued.envelope.len() <= bytes_max;
            bytes += queued.envelope.len();
            fits
        });
        let count = count.count();
        state.waiting.drain(..count).collect()
    }

    /// These messages, taken before, were written.
    pub(crate) fn written(&self, batch: &[Queued]) {
        let mut state = self.state();
        state.written += batch.len() as u64;
        self.settle(state, batch);
    }

    /// These messages, taken before, were not written and never will be.
    pub(crate) fn given_up(&self, batch: &[Queued], obstacle: Obstacle) {
        let mut state = self.state();
        if state.given_up == state.told {
            state.obstacle = Some(obstacle);
        }
        state.given_up += batch.len() as u64;
        self.settle(state, batch);
    }

    fn settle(&self, mut state: MutexGuard<'_, State>, batch: &[Queued]) {
        state.bytes -= batch.iter().map(|queued| queued.envelope.len()).sum::<usize>();
        drop(state);
        self.settled.notify_all();
    }

    /// Blocks until everything pushed before is settled, or `timeout` is over. Fails if not all was written, or if
    /// messages were given up and nobody was told.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), Unflushed> {
        let mut state = self.state();
        let mark = state.accepted;
        loop {
            let began = Instant::now();
            let waited = self.settled.wait_timeout_while(state, timeout, |state| state.settled() < mark);
            let (waited, result) = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited;
            // After this process stood still, so has what is waited for: it has all the time again.
            if !result.timed_out() || began.elapsed() <= timeout + LATE {
                break;
            }
        }
        let left = mark.saturating_sub(state.settled());
        let given_up = state.given_up - state.told;
        state.told = state.given_up;
        if left == 0 && given_up == 0 {
            return Ok(());
        }
        let obstacle = state.obstacle.filter(|_| given_up > 0);
        Err(Unflushed { left, given_up, obstacle })
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { waiting: state.unsettled() as u64, written: state.written, given_up: state.given_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Duration = Duration::ZERO;

    fn new(messages_max: usize, bytes_max: usize) -> Queue {
        Queue::new("p".into(), messages_max, bytes_max)
    }

    /// Pushes an envelope that has `len` bytes once it is numbered.
    fn push(queue: &Queue, len: usize) -> Result<(), Full> {
        let number = r#","publication":"p/1""#.len();
        let mut envelope = vec![b' '; len - number];
        *envelope.last_mut().unwrap() = b'}';
        queue.push(envelope, Instant::now())
    }

    #[test]
    fn is_bounded_by_messages() {
        let queue = new(2, 1000);
        push(&queue, 50).unwrap();
        push(&queue, 50).unwrap();
        assert_eq!(push(&queue, 50), Err(Full { messages: 2, bytes: 100 }));
        let batch = queue.take(1000);
        assert_eq!(push(&queue, 50), Err(Full { messages: 2, bytes: 100 }), "taken is not written");
        queue.written(&batch);
        push(&queue, 50).unwrap();
    }

    #[test]
    fn is_bounded_by_bytes() {
        let queue = new(10, 100);
        push(&queue, 60).unwrap();
        assert_eq!(push(&queue, 41), Err(Full { messages: 1, bytes: 60 }));
        push(&queue, 40).unwrap();
        let batch = queue.take(1000);
        queue.given_up(&batch, Obstacle::Slow);
        push(&queue, 101).expect("an empty queue has room for any");
        assert_eq!(push(&queue, 30), Err(Full { messages: 1, bytes: 101 }));
    }

    #[test]
    fn is_taken_in_order_and_in_bounded_batches() {
        let queue = new(10, 1000);
        for len in [60, 30, 25, 200] {
            push(&queue, len).unwrap();
        }
        let lens = |batch: Vec<Queued>| batch.iter().map(|queued| queued.envelope.len()).collect::<Vec<_>>();
        assert_eq!(lens(queue.take(100)), [60, 30]);
        assert_eq!(lens(queue.take(100)), [25]);
        assert_eq!(lens(queue.take(100)), [200]);
        assert_eq!(lens(queue.take(100)), [] as [usize; 0]);
    }

    #[test]
    fn a_flush_tells_what_is_left_and_once_what_was_given_up() {
        let queue = new(10, 1000);
        assert_eq!(queue.flush(NOTHING), Ok(()));
        for _ in 0..3 {
            push(&queue, 30).unwrap();
        }
        assert_eq!(queue.flush(NOTHING), Err(Unflushed { left: 3, given_up: 0, obstacle: None }));
        let batch = queue.take(1000);
        queue.given_up(&batch[..1], Obstacle::Slow);
        queue.given_up(&batch[1..2], Obstacle::NotConnected);
        let obstacle = Some(Obstacle::Slow);
        assert_eq!(queue.flush(NOTHING), Err(Unflushed { left: 1, given_up: 2, obstacle }));
        assert_eq!(queue.flush(NOTHING), Err(Unflushed { left: 1, given_up: 0, obstacle: None }));
        queue.written(&batch[2..]);
        assert_eq!(queue.flush(NOTHING), Ok(()));
        assert_eq!(queue.counts(), Counts { waiting: 0, written: 1, given_up: 2 });
    }

    #[test]
    fn a_flush_waits_for_what_was_pushed_before_it() {
        let queue = new(10, 1000);
        push(&queue, 30).unwrap();
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| queue.flush(Duration::from_secs(60)));
            let batch = queue.take(1000);
            queue.written(&batch);
            assert_eq!(flush.join().unwrap(), Ok(()));
        });
    }

    #[tokio::test]
    async fn the_thread_that_writes_is_woken() {
        let queue = new(10, 1000);
        let at = Instant::now();
        let (found, ()) =
            tokio::join!(queue.waiting_since(), async { queue.push(b"}".to_vec(), at).unwrap() });
        assert_eq!(found, at);
        assert_eq!(queue.waiting_since().await, at);
    }
}
