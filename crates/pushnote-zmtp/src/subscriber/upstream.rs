//! A publisher that a subscriber connects to.

use super::inlet::{Beginning, Inlet};
use crate::batch::{Batch, Place};
use crate::connections::Role;
use crate::inbound::Inbound;
use crate::link::Link;
use crate::options::Options;
use crate::stats::{CloseCause, Counters};
use pushnote_zmtp_proto::command::{Command, put_ping};
use pushnote_zmtp_proto::handshake::{Handshake, SocketType, Version};
use pushnote_zmtp_proto::position::{self, Position};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A publisher we connect to, and how far we have heard it.
#[derive(Debug)]
pub(super) struct Upstream {
    inlet: Arc<Inlet>,
    name: String,
    /// `None` as long as the publisher has not told a position.
    heard: Mutex<Option<Stream>>,
}

/// What we have heard of a publisher's stream without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    /// The number of the first message.
    begun: u64,
    /// The next message's position.
    next: Position,
    /// What is before this number, the publisher had before it was first asked for this stream.
    live: u64,
}

impl Upstream {
    pub(super) fn new(inlet: Arc<Inlet>, name: String) -> Self {
        Upstream { inlet, name, heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Option<Stream>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message's position.
    fn position(&self) -> Option<Position> {
        self.heard().map(|stream| stream.next)
    }

    /// The publisher goes on at `position`. Gives where what is heard without a break begins.
    fn arrived_at(&self, position: Position) -> Position {
        let Position { epoch, sequence } = position;
        let mut heard = self.heard();
        let (begun, missed, live) = match *heard {
            Some(Stream { begun, next, live }) if next.epoch == epoch => {
                let missed = sequence.saturating_sub(next.sequence);
                (if missed > 0 { sequence } else { begun.min(sequence) }, missed, live)
            }
            Some(Stream { next, .. }) => {
                self.inlet.counters.log_new_run(&self.name, next, position);
                (sequence, sequence, sequence)
            }
            None => (sequence, 0, sequence),
        };
        *heard = Some(Stream { begun, next: position, live });
        if missed > 0 {
            self.inlet.counters.add_missed(missed, &self.name);
        }
        Position { epoch, sequence: begun }
    }
}

impl Role for Upstream {
    const LOCAL: SocketType = SocketType::Sub;

    fn options(&self) -> &Options {
        &self.inlet.options
    }

    fn counters(&self) -> &Counters {
        &self.inlet.counters
    }

    /// Asks for what was missed since the last connection, if everything is wanted: only then is a count a place.
    fn handshake(&self) -> Handshake {
        let handshake = Handshake::new(Self::LOCAL);
        if !self.inlet.options.resume || !self.inlet.wants_all() {
            return handshake;
        }
        match self.position() {
            Some(position) => handshake.with_property(position::PROPERTY, &position.to_bytes()),
            // No publisher has this epoch: it knows another run, and has had nothing of this one.
            None if self.inlet.options.history => {
                let nowhere = Position { epoch: 0, sequence: 0 };
                handshake.with_property(position::PROPERTY, &nowhere.to_bytes())
            }
            None => handshake.with_property(position::PROPERTY, b""),
        }
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let mut first = self.inlet.subscriptions(&link);
        let is_first = self.inlet.options.history && self.position().is_none();
        let mut heard = Heard { upstream: self, subscribed: false, is_first, begun: None, live: 0 };
        if link.peer.version >= Version::V3_1 {
            // Its answer says that what is before it has been read.
            put_ping(&mut first, 0, b"");
        } else {
            heard.subscribed(); // as far as can be told
        }
        self.inlet.receive(link, first, heard).await
    }
}

/// One connection to a publisher.
struct Heard<'a> {
    upstream: &'a Upstream,
    /// The publisher has our subscription.
    subscribed: bool,
    /// The publisher was asked for all that it keeps.
    is_first: bool,
    /// Where its stream begins.
    begun: Option<Position>,
    /// What is before this number, it had before it was asked.
    live: u64,
}

impl Heard<'_> {
    fn subscribed(&mut self) {
        if std::mem::replace(&mut self.subscribed, true) {
            return;
        }
        let Upstream { inlet, name, .. } = self.upstream;
        inlet.counters.log_subscribed(name);
        inlet.subscribed.send_if_modified(|known| {
            let is_new = !known.contains(name);
            if is_new {
                known.push(name.clone());
            }
            is_new
        });
    }
}

impl Inbound for Heard<'_> {
    /// A batch counts as heard once it is handed on, in one step with that: a connection that breaks in between gets
    /// it again.
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        let messages = batch.messages() as u64;
        let position = self.upstream.position();
        let batch = batch.at(position.map(|position| Place { position, live: self.live }));
        self.upstream.inlet.take(batch).await?;
        if let Some(Stream { next, .. }) = &mut *self.upstream.heard() {
            next.sequence = next.sequence.wrapping_add(messages); // it began where the peer said
        }
        Ok(())
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause> {
        match command {
            Command::Position(position) => {
                self.begun = Some(self.upstream.arrived_at(position));
                // What comes on a further connection is new, but for the rest of what was asked for on the first.
                self.live = self.upstream.heard().map_or(position.sequence, |stream| stream.live);
            }
            Command::Live(position) => {
                if self.is_first || self.begun.is_none() {
                    self.live = position.sequence;
                    self.upstream.heard().iter_mut().for_each(|stream| stream.live = self.live);
                }
                let beginning = Beginning { from: self.begun.unwrap_or(position), live: self.live };
                let Upstream { inlet, name, .. } = self.upstream;
                inlet.streams.send_modify(|streams| _ = streams.insert(name.clone(), beginning));
            }
            Command::Pong { .. } => self.subscribed(),
            _ => {}
        }
        Ok(())
    }

    /// A publisher that has told its position keeps what the next connection asks for.
    fn unread(&self, bytes: usize, _: &str) {
        if self.upstream.position().is_none() {
            self.upstream.inlet.counters.add_unread(bytes, &self.upstream.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subscriber;

    fn upstream(subscriber: &Subscriber) -> Upstream {
        Upstream::new(Arc::clone(&subscriber.inlet), String::new())
    }

    #[test]
    fn what_was_skipped_and_what_a_new_run_no_longer_has_is_missed() {
        let subscriber = Subscriber::new(Options::default());
        let upstream = upstream(&subscriber);
        for ((epoch, sequence), missed) in [((1, 5), 0), ((1, 5), 0), ((1, 7), 2), ((2, 3), 5), ((2, 3), 5)] {
            let position = Position { epoch, sequence };
            assert_eq!(upstream.arrived_at(position), position);
            assert_eq!(subscriber.stats().missed, missed);
        }
    }

    #[tokio::test]
    async fn a_stream_that_goes_on_where_it_broke_off_begins_where_it_began() {
        let subscriber = Subscriber::new(Options::default());
        let upstream = upstream(&subscriber);
        let at = |sequence| Position { epoch: 1, sequence };
        upstream.arrived_at(at(5));
        let mut heard =
            Heard { upstream: &upstream, subscribed: false, is_first: false, begun: None, live: 0 };
        heard.batch(Batch::single(b"heard")).await.unwrap();
        for (goes_on, begins) in [(6, 5), (6, 5), (8, 8), (4, 4)] {
            assert_eq!(upstream.arrived_at(at(goes_on)), at(begins));
        }
    }

    #[tokio::test]
    async fn what_it_had_before_it_was_asked_is_old_on_every_connection() {
        let subscriber = Subscriber::new(Options::default());
        let upstream = upstream(&subscriber);
        let at = |epoch, sequence| Position { epoch, sequence };
        for (is_first, begins, ends, live) in
            [(true, at(1, 2), at(1, 7), 7), (false, at(1, 3), at(1, 9), 7), (false, at(2, 0), at(2, 4), 0)]
        {
            let mut heard = Heard { upstream: &upstream, subscribed: false, is_first, begun: None, live: 0 };
            heard.command(Command::Position(begins)).unwrap();
            heard.command(Command::Live(ends)).unwrap();
            assert_eq!(heard.live, live);
            heard.batch(Batch::single(b"heard")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_publisher_may_claim_any_position() {
        let mut subscriber = Subscriber::new(Options::default());
        let upstream = upstream(&subscriber);
        for (epoch, sequence) in [(1, u64::MAX), (1, 0), (2, u64::MAX), (3, u64::MAX)] {
            upstream.arrived_at(Position { epoch, sequence });
            let mut heard =
                Heard { upstream: &upstream, subscribed: false, is_first: false, begun: None, live: 0 };
            heard.batch(Batch::single(b"still heard")).await.unwrap();
            assert_eq!(subscriber.recv().await.unwrap().topic(), b"still heard");
        }
        assert_eq!(upstream.position(), Some(Position { epoch: 3, sequence: 0 }));
    }
}
