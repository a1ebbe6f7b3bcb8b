//! The session machine: one session, many receivers.
//!
//! A session lives over several HTTP requests. Each request that waits for frames is a *receiver*; there is one at most.
//! A polling receiver is a streaming one with a response limit of one byte: it ends with its first frame.
//!
//! How to drive a [`Machine`]:
//! - *inputs* `handle_*`: a receiver came or went, the application sent or closed, a deadline passed;
//! - *outputs* `poll_*`: after any input, [`Machine::poll_transmit`] until it is not a chunk, then
//!   [`Machine::poll_room`] and [`Machine::poll_ended`], then [`Machine::poll_timeout`], whose deadline replaces every
//!   earlier one.
//!
//! WebSocket sessions need none of this: they live and end with their connection.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use thiserror::Error;

use crate::close::Close;

mod reason;
#[cfg(test)]
mod tests;

pub use reason::{CloseCause, CloseReason};

/// A deadline that is handled so much later than it was set for: the process stood still (it was paused, swapped out,
/// moved to another machine), and what its clients did meanwhile may lie unread. Nobody is judged by it.
const LATE: Duration = Duration::from_secs(1);

/// What a session's queue holds.
pub trait Payload {
    /// How much it takes of what may wait, in bytes.
    fn bytes_len(&self) -> usize;
}

/// The times and limits of a service's sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a receiver waits for a frame before it gets a heartbeat.
    pub heartbeat_delay: Duration,
    /// How long a session lives without a receiver, and a closed one is remembered after its last.
    pub disconnect_delay: Duration,
    /// How long one receiver may stay attached. The client comes back at once, or has silently vanished and is found out.
    pub receiver_age_max: Duration,
    /// How many bytes of messages may wait while there is no receiver.
    pub queue_bytes_max: usize,
    /// How many bytes of messages may wait while a receiver is attached: it takes them as fast as its client reads.
    pub outbox_bytes_max: usize,
}

/// One receiver of one session; a later one has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverId(u64);

/// A frame to be encoded for the receiver's transport.
#[derive(Debug)]
pub enum Frame<'a, M> {
    /// `o`
    Open,
    /// `h`
    Heartbeat,
    /// `a[…]` of all of these
    Messages(&'a [M]),
    /// `c[…]`
    Close(&'a Close),
}

/// What a receiver shall do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit<C = Bytes> {
    /// Send this, as one chunk.
    Chunk(C),
    /// Wait.
    Pending,
    /// End the response.
    End,
}

/// Why no receiver could be attached.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AttachError {
    /// There is one already: answer [`Close::ANOTHER_RECEIVER`], perhaps after a short wait for an aborted one to go.
    #[error("another receiver is attached")]
    Occupied,
    /// The session is no more: forget it and make a new one.
    #[error("the session is gone")]
    Gone,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QueueError {
    /// The session is closing or closed.
    #[error("the session is closed")]
    Closed,
    /// Too much waits already. [`Machine::poll_room`] tells when that has left.
    #[error("the client does not read as fast as messages are sent")]
    Full,
}

/// The state of one session. See the module's documentation for how to drive it.
#[derive(Debug)]
pub struct Machine<M> {
    settings: Arc<Settings>,
    state: State,
    receiver: Option<Receiver>,
    receivers_seen: u64,
    frames_sent: u64,
    queue: VecDeque<M>,
    queued_bytes: usize,
    room: Room,
    /// When the session goes, unless it is open and has a receiver.
    disconnect_at: Instant,
    ended: Option<CloseReason>,
    /// The session goes as soon as its close has been told: there will be no later receiver to tell it again.
    drain: bool,
}

/// Whether the application is owed the news that there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// No message was refused.
    Enough,
    Refused,
    /// What waited when one was refused has left.
    Again,
}

#[derive(Debug)]
enum State {
    /// The open frame is still to be sent.
    Opening,
    Open,
    /// The application has closed: what is queued goes out first, and the open frame before it if `opening`.
    Closing {
        close: Close,
        opening: bool,
    },
    /// Every receiver gets the close frame again, until the disconnect delay is over.
    Closed(Close),
    Gone,
}

#[derive(Debug)]
struct Receiver {
    id: ReceiverId,
    /// How many bytes until the response ends.
    bytes_left: usize,
    heartbeat_at: Instant,
    heartbeat_due: bool,
    ends_at: Instant,
}

impl<M: Payload> Machine<M> {
    /// A new session, whose client has yet to attach its first receiver.
    pub fn new(settings: Arc<Settings>, now: Instant) -> Self {
        let disconnect_at = now + settings.disconnect_delay;
        Self {
            settings,
            state: State::Opening,
            receiver: None,
            receivers_seen: 0,
            frames_sent: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            room: Room::Enough,
            disconnect_at,
            ended: None,
            drain: false,
        }
    }

    /// Whether the session is no more: it has nothing to say to anyone and may be forgotten.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Whether the application may still send.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Opening | State::Open)
    }

    /// Whether a receiver is attached.
    pub fn is_attached(&self) -> bool {
        self.receiver.is_some()
    }

    /// A receiver came, whose response may hold `response_limit` bytes (a frame is never split, so at least one goes).
    ///
    /// # Errors
    /// When another one is attached to the open session. A closing session takes the new one and ends the old.
    pub fn handle_attach(&mut self, response_limit: usize, now: Instant) -> Result<ReceiverId, AttachError> {
        match self.state {
            State::Gone => return Err(AttachError::Gone),
            State::Opening | State::Open if self.receiver.is_some() => return Err(AttachError::Occupied),
            _ => {}
        }
        self.receivers_seen += 1;
        let id = ReceiverId(self.receivers_seen);
        self.receiver = Some(Receiver {
            id,
            bytes_left: response_limit.max(1),
            heartbeat_at: now + self.settings.heartbeat_delay,
            heartbeat_due: false,
            ends_at: now + self.settings.receiver_age_max,
        });
        self.disconnect_at = now + self.settings.disconnect_delay;
        Ok(id)
    }

    /// A receiver's response was dropped. When the machine did not end it, the network did: what the client got of it
    /// is unknown, so the session is over.
    pub fn handle_detach(&mut self, id: ReceiverId, now: Instant) {
        if self.current(id).is_none() {
            return;
        }
        self.release_receiver(now);
        self.handle_lost(now);
    }

    /// The client says how many frames of this session it has had. If more were sent, a receiver ended before all that was
    /// for it had arrived, and the session is over.
    pub fn handle_received(&mut self, frames: u64, now: Instant) {
        if frames != self.frames_sent {
            self.handle_lost(now);
        }
    }

    fn handle_lost(&mut self, now: Instant) {
        if self.is_open() {
            self.close_at_once(CloseReason { close: Close::INTERRUPTED, cause: CloseCause::Client }, now);
        }
    }

    /// The application sends a message.
    ///
    /// # Errors
    /// When the session is closed, or when too much waits already. A message bigger than the limit passes when nothing
    /// waits.
    pub fn handle_send(&mut self, message: M) -> Result<(), QueueError> {
        if !self.is_open() {
            return Err(QueueError::Closed);
        }
        let queued_bytes = self.queued_bytes.saturating_add(message.bytes_len());
        let Settings { queue_bytes_max, outbox_bytes_max, .. } = *self.settings;
        let bytes_max = if self.is_attached() { outbox_bytes_max } else { queue_bytes_max };
        if !self.queue.is_empty() && queued_bytes > bytes_max {
            self.room = Room::Refused;
            return Err(QueueError::Full);
        }
        self.queued_bytes = queued_bytes;
        self.queue.push_back(message);
        Ok(())
    }

    /// The application closes the session; what it sent before still goes out. Nothing happens when it is closed already.
    pub fn handle_close(&mut self, close: Close, now: Instant) {
        if !self.is_open() {
            return;
        }
        let opening = matches!(self.state, State::Opening);
        self.ended = Some(CloseReason { close: close.clone(), cause: CloseCause::Application });
        self.state = State::Closing { close, opening };
        self.disconnect_at = now + self.settings.disconnect_delay;
    }

    /// As [`handle_close`](Self::handle_close), at once: what is queued is dropped.
    pub fn handle_abort(&mut self, close: Close, now: Instant) {
        if self.is_open() {
            self.close_at_once(CloseReason { close, cause: CloseCause::Application }, now);
        }
    }

    /// As [`handle_close`](Self::handle_close), because the whole service ends: the session goes as soon as its client
    /// has been told, and waits for the client to come for it no longer than the disconnect delay.
    pub fn handle_drain(&mut self, close: Close, now: Instant) {
        self.handle_close(close, now);
        self.drain = true;
        if matches!(self.state, State::Closed(_)) && self.receiver.is_none() {
            self.state = State::Gone;
        }
    }

    /// A deadline of [`poll_timeout`](Self::poll_timeout) passed. Calling it early does nothing; when it is called more
    /// than a second late, clients have their time once more.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.receiver {
            Some(receiver) if matches!(self.state, State::Opening | State::Open) => {
                if receiver.ends_at <= now {
                    self.release_receiver(now);
                } else if receiver.heartbeat_at <= now {
                    let late = receiver.heartbeat_at + LATE <= now;
                    receiver.heartbeat_at = now + self.settings.heartbeat_delay;
                    if std::mem::replace(&mut receiver.heartbeat_due, true) && !late {
                        let ended =
                            CloseReason { close: Close::INTERRUPTED, cause: CloseCause::Unresponsive };
                        self.close_at_once(ended, now);
                    }
                }
            }
            _ if self.disconnect_at + LATE <= now && !matches!(self.state, State::Gone) => {
                self.disconnect_at = now + self.settings.disconnect_delay;
            }
            _ if self.disconnect_at <= now && !matches!(self.state, State::Gone) => {
                if self.is_open() {
                    self.ended = Some(CloseReason { close: Close::TIMED_OUT, cause: CloseCause::TimedOut });
                }
                self.receiver = None;
                self.drop_queue();
                self.state = State::Gone;
            }
            _ => {}
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` when the session is gone.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (&self.state, &self.receiver) {
            (State::Gone, _) => None,
            (State::Opening | State::Open, Some(receiver)) => {
                Some(receiver.heartbeat_at.min(receiver.ends_at))
            }
            _ => Some(self.disconnect_at),
        }
    }

    /// The next chunk for a receiver, encoded by `encode` for its transport. All that is queued goes in one frame. `now` is
    /// asked only where a receiver ends.
    pub fn poll_transmit<C: AsRef<[u8]>>(
        &mut self,
        id: ReceiverId,
        now: impl FnOnce() -> Instant,
        encode: impl FnOnce(Frame<'_, M>) -> C,
    ) -> Transmit<C> {
        if self.current(id).is_none() {
            return Transmit::End;
        }
        let mut last = false;
        let chunk = match &mut self.state {
            State::Gone => return Transmit::End,
            State::Opening => {
                self.state = State::Open;
                encode(Frame::Open)
            }
            State::Closing { opening: opening @ true, .. } => {
                *opening = false;
                encode(Frame::Open)
            }
            State::Open | State::Closing { .. } if !self.queue.is_empty() => {
                let chunk = encode(Frame::Messages(self.queue.make_contiguous()));
                self.drop_queue();
                if self.room == Room::Refused {
                    self.room = Room::Again;
                }
                chunk
            }
            State::Closing { close, .. } | State::Closed(close) => {
                last = true;
                let chunk = encode(Frame::Close(close));
                self.state = if self.drain {
                    State::Gone
                } else {
                    State::Closed(std::mem::replace(close, Close::NORMAL))
                };
                chunk
            }
            State::Open => match &mut self.receiver {
                Some(receiver @ Receiver { heartbeat_due: true, .. }) => {
                    receiver.heartbeat_due = false;
                    encode(Frame::Heartbeat)
                }
                _ => return Transmit::Pending,
            },
        };
        self.frames_sent += 1;
        if let Some(receiver) = &mut self.receiver {
            receiver.bytes_left = receiver.bytes_left.saturating_sub(chunk.as_ref().len());
            last |= receiver.bytes_left == 0;
        }
        if last {
            self.release_receiver(now());
        }
        Transmit::Chunk(chunk)
    }

    /// Whether messages were refused as too many, and those before them have left since; once.
    pub fn poll_room(&mut self) -> bool {
        let again = self.has_room_again();
        if again {
            self.room = Room::Enough;
        }
        again
    }

    /// Whether [`poll_room`](Self::poll_room) has something to tell.
    pub fn has_room_again(&self) -> bool {
        self.room == Room::Again && self.is_open()
    }

    /// How the session ended; once, at the first call after it did.
    pub fn poll_ended(&mut self) -> Option<CloseReason> {
        self.ended.take()
    }

    fn current(&self, id: ReceiverId) -> Option<&Receiver> {
        self.receiver.as_ref().filter(|receiver| receiver.id == id)
    }

    fn release_receiver(&mut self, now: Instant) {
        self.receiver = None;
        self.disconnect_at = now + self.settings.disconnect_delay;
    }

    /// Ends the open session without sending what is queued: it could be sent twice, or never be read.
    fn close_at_once(&mut self, ended: CloseReason, now: Instant) {
        self.drop_queue();
        self.state = State::Closed(ended.close.clone());
        self.ended = Some(ended);
        self.disconnect_at = now + self.settings.disconnect_delay;
    }

    fn drop_queue(&mut self) {
        /// What an idle session may keep, so that a burst does not stay in memory.
        const IDLE_CAPACITY: usize = 8;
        self.queue.clear();
        self.queue.shrink_to(IDLE_CAPACITY);
        self.queued_bytes = 0;
    }
}
