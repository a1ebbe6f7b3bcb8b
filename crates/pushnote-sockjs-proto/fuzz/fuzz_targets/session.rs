//! The session machine under events in any order: what holds for every session, however it goes.

#![no_main]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pushnote_sockjs_proto::{
    Close,
    session::{Frame, Machine, Payload, ReceiverId, QueueError, Settings, Transmit},
};

#[derive(Arbitrary, Debug)]
enum Event {
    Attach { limit: u16 },
    Detach { which: u8 },
    Transmit { which: u8 },
    Send { bytes: u8 },
    Close,
    Farewell,
    Pass { millis: u16 },
    Timeout,
}

/// A message that knows its place in the order.
struct Numbered {
    number: u64,
    bytes: usize,
}

impl Payload for Numbered {
    fn bytes_len(&self) -> usize {
        self.bytes
    }
}

const QUEUE_BYTES_MAX: usize = 512;

/// The machine, and all that a careful onlooker remembers.
struct Onlooker {
    machine: Machine<Numbered>,
    now: Instant,
    receivers: Vec<ReceiverId>,
    sent: u64,
    received: u64,
    opened: bool,
    was_gone: bool,
    ended: usize,
}

impl Onlooker {
    fn new() -> Self {
        let settings = Settings {
            heartbeat_delay: Duration::from_millis(250),
            disconnect_delay: Duration::from_millis(50),
            receiver_age_max: Duration::from_millis(1_000),
            queue_bytes_max: QUEUE_BYTES_MAX / 2,
            outbox_bytes_max: QUEUE_BYTES_MAX,
        };
        let now = Instant::now();
        Self {
            machine: Machine::new(Arc::new(settings), now),
            now,
            receivers: Vec::new(),
            sent: 0,
            received: 0,
            opened: false,
            was_gone: false,
            ended: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        let now = self.now;
        match *event {
            Event::Attach { limit } => {
                if let Ok(receiver) = self.machine.handle_attach(usize::from(limit), now) {
                    assert!(!self.receivers.contains(&receiver));
                    self.receivers.push(receiver);
                }
            }
            Event::Detach { which } => {
                if let Some(receiver) = self.receiver(which) {
                    self.machine.handle_detach(receiver, now);
                    assert_eq!(self.transmit(receiver), Transmit::End);
                }
            }
            Event::Transmit { which } => {
                if let Some(receiver) = self.receiver(which) {
                    self.transmit(receiver);
                }
            }
            Event::Send { bytes } => {
                let message = Numbered { number: self.sent, bytes: usize::from(bytes) };
                let was_open = self.machine.is_open();
                match self.machine.handle_send(message, now) {
                    Ok(()) => self.sent += 1,
                    Err(QueueError::Closed) => assert!(!was_open),
                    Err(QueueError::SlowConsumer) => assert!(was_open && !self.machine.is_open()),
                }
            }
            Event::Close => self.machine.handle_close(Close::NORMAL, now),
            Event::Farewell => self.machine.handle_farewell(Close::NORMAL, now),
            Event::Pass { millis } => self.now += Duration::from_millis(u64::from(millis)),
            Event::Timeout => self.machine.handle_timeout(now),
        }
        self.look();
    }

    fn receiver(&self, which: u8) -> Option<ReceiverId> {
        self.receivers.get(usize::from(which) % self.receivers.len().max(1)).copied()
    }

    fn transmit(&mut self, receiver: ReceiverId) -> Transmit {
        let Self { machine, received, opened, now, .. } = self;
        let now = *now;
        machine.poll_transmit(receiver, || now, |frame| match frame {
            Frame::Open => {
                assert!(!std::mem::replace(opened, true), "a second open frame");
                "o".into()
            }
            Frame::Messages(messages) => {
                assert!(*opened, "messages before the open frame");
                assert!(messages.iter().map(Numbered::bytes_len).sum::<usize>() <= QUEUE_BYTES_MAX + 255);
                for message in messages {
                    assert_eq!(message.number, *received, "messages arrive once and in order");
                    *received += 1;
                }
                "a".into()
            }
            Frame::Heartbeat => "h".into(),
            Frame::Close(_) => "c".into(),
        })
    }

    fn look(&mut self) {
        self.ended += usize::from(self.machine.poll_ended().is_some());
        assert!(self.ended <= 1, "told twice");
        assert_eq!(self.ended == 0, self.machine.is_open(), "the application knows");
        assert!(!self.was_gone || self.machine.is_gone(), "risen from the dead");
        self.was_gone = self.machine.is_gone();
        assert_eq!(self.machine.poll_timeout().is_none(), self.was_gone);
    }

    /// Every session comes to its end by itself, in bounded time and a bounded number of steps.
    fn finish(mut self) {
        let mut steps = 0;
        while let Some(deadline) = self.machine.poll_timeout() {
            self.now = self.now.max(deadline);
            self.machine.handle_timeout(self.now);
            self.look();
            assert!(self.machine.poll_timeout().is_none_or(|next| next > self.now), "a deadline that passed");
            steps += 1;
            assert!(steps < 20, "no end");
        }
        assert_eq!(self.ended, 1);
        assert!(self.received <= self.sent);
    }
}

fuzz_target!(|events: Vec<Event>| {
    let mut onlooker = Onlooker::new();
    for event in &events {
        onlooker.happen(event);
    }
    onlooker.happen(&Event::Timeout);
    // A session that is still open has lost nothing.
    if onlooker.machine.is_open()
        && let Ok(receiver) = onlooker.machine.handle_attach(usize::MAX, onlooker.now)
    {
        while let Transmit::Chunk(_) = onlooker.transmit(receiver) {}
        assert_eq!(onlooker.received, onlooker.sent);
    }
    onlooker.finish();
});
