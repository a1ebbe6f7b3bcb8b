use super::*;
use crate::options::SlowSubscriber;
use crate::outbox::Unsent;
use crate::send_filter::Everything;
use proptest::prelude::*;
use pushnote_zmtp_proto::command::Command;
use pushnote_zmtp_proto::frame::{Header, put_frame};
use pushnote_zmtp_proto::handshake::SocketType;
use pushnote_zmtp_proto::position::{self, Position};
use std::task::{Context, Waker};

const QUEUE_BYTES: usize = 2000;

fn fanout(history_bytes_max: usize, slow_subscriber: SlowSubscriber) -> Arc<Fanout> {
    let options =
        Options { history_bytes_max, slow_subscriber, queue_bytes_max: QUEUE_BYTES, ..Options::default() };
    Arc::new(Fanout::new(options))
}

fn batch(messages: std::ops::Range<u64>, filler: usize) -> Batch {
    let mut bytes = BytesMut::new();
    let count = (messages.end - messages.start) as usize;
    for number in messages {
        put_frame(&mut bytes, 0, &[&number.to_be_bytes()[..], &vec![0; filler]].concat());
    }
    let retained = bytes.len();
    Batch::new(bytes.freeze(), count, retained)
}

fn large(number: u64) -> Batch {
    batch(number..number + 1, QUEUE_BYTES)
}

fn peer(position: Option<&[u8]>) -> Peer {
    let properties = position.map(|value| (position::PROPERTY.to_owned(), Bytes::copy_from_slice(value)));
    let properties = properties.into_iter().collect();
    Peer { version: Version::V3_1, kind: SocketType::Sub, properties, key: None }
}

fn is_ready(future: impl Future<Output = ()>) -> bool {
    let mut future = std::pin::pin!(future);
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A subscriber's connection, and what the subscriber has understood.
struct Writer<P = Accepted> {
    peer: Arc<P>,
    unsent: Unsent,
    input: Vec<u8>,
}

/// What is written when the queue is empty.
trait CatchUp: std::ops::Deref<Target = Pipe> {
    fn catch_up(&self, fanout: &Fanout) -> bool;
}

impl CatchUp for Arc<Pipe> {
    fn catch_up(&self, _: &Fanout) -> bool {
        false
    }
}

impl CatchUp for Accepted {
    fn catch_up(&self, fanout: &Fanout) -> bool {
        fanout.catch_up(self)
    }
}

impl Writer {
    fn new(fanout: &Fanout, position: Option<&[u8]>) -> Self {
        let peer = fanout.accept(&peer(position), "peer".into());
        fanout.subscribe_accepted(&peer, b"").unwrap();
        Writer { peer, unsent: Unsent::default(), input: Vec::new() }
    }
}

impl<P: CatchUp> Writer<P> {
    /// The writer's turn, until `bytes` are written or nothing is left.
    fn write(&mut self, fanout: &Fanout, mut bytes: usize) {
        while bytes > 0 {
            self.unsent.refill(&self.peer.outbox, &Everything);
            if self.unsent.is_empty() {
                if !self.peer.catch_up(fanout) {
                    return;
                }
                continue;
            }
            let ready = self.unsent.slices().collect::<Vec<_>>().concat();
            let step = ready.len().min(bytes);
            self.input.extend_from_slice(&ready[..step]);
            self.unsent.advance(step, &self.peer.outbox);
            bytes -= step;
        }
    }

    /// Whole frames that came: whether it is a command, and the body.
    fn frames(&mut self) -> Vec<(bool, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Some(header) = Header::parse(&self.input) {
            let end = header.head_bytes + header.body_bytes as usize;
            if self.input.len() < end {
                break;
            }
            let frame: Vec<u8> = self.input.drain(..end).collect();
            frames.push((header.command(), frame[header.head_bytes..].to_vec()));
        }
        frames
    }
}

#[test]
fn who_falls_behind_is_written_to_also_when_its_writer_rests() {
    let fanout = fanout(1 << 20, SlowSubscriber::DropNewest);
    let connection = Writer::new(&fanout, Some(b""));
    fanout.push(&large(0));
    while is_ready(connection.peer.outbox.work()) {}
    fanout.push(&large(1));
    assert!(connection.peer.is_behind());
    assert!(is_ready(connection.peer.outbox.work()), "the writer may have seen that it was not behind");
}

#[test]
fn who_hangs_up_while_it_catches_up_holds_up_nobody() {
    let fanout = fanout(1 << 20, SlowSubscriber::Wait);
    fanout.push(&large(0));
    let connection = Writer::new(&fanout, Some(&[0; 16]));
    assert!(connection.peer.is_behind());
    let mut ready = Box::pin(fanout.ready());
    let mut flush = Box::pin(fanout.flush());
    assert!(!is_ready(ready.as_mut()) && !is_ready(flush.as_mut()));
    fanout.leave(&connection.peer);
    assert!(is_ready(ready), "nobody is left to wait for");
    assert!(is_ready(flush), "nobody is left to write to");
}

#[test]
fn who_comes_while_another_is_waited_for_is_waited_for_too() {
    let fanout = fanout(1 << 20, SlowSubscriber::Wait);
    let mut slow = Writer::new(&fanout, Some(b""));
    fanout.push(&large(0));
    let mut ready = Box::pin(fanout.ready());
    assert!(!is_ready(ready.as_mut()));
    let mut late = Writer::new(&fanout, Some(&[0; 16]));
    slow.write(&fanout, usize::MAX);
    assert!(!is_ready(ready.as_mut()), "the next message could push what it needs out of the history");
    late.write(&fanout, usize::MAX);
    assert!(is_ready(ready));
}

#[test]
fn a_history_that_has_lost_everything_is_no_reason_to_wait() {
    let fanout = fanout(3000, SlowSubscriber::Wait);
    let mut connection = Writer::new(&fanout, Some(b""));
    fanout.push(&large(0));
    fanout.push(&large(1));
    fanout.push(&batch(2..3, 5000)); // more than the history holds
    let mut ready = Box::pin(fanout.ready());
    assert!(!is_ready(ready.as_mut()));
    connection.write(&fanout, 27 + 9 + 8 + QUEUE_BYTES); // POSITION and the first message
    assert!(!is_ready(ready.as_mut()));
    connection.write(&fanout, usize::MAX);
    assert!(is_ready(ready));
}

#[test]
fn a_flush_waits_for_what_is_still_in_the_history() {
    let fanout = fanout(1 << 20, SlowSubscriber::DropNewest);
    let mut connection = Writer::new(&fanout, Some(b""));
    (0..3).for_each(|number| assert!(fanout.push(&large(number)).is_some()));
    let mut flush = Box::pin(fanout.flush());
    assert!(!is_ready(flush.as_mut()));
    fanout.push(&large(3));
    connection.write(&fanout, QUEUE_BYTES + 100);
    assert!(!is_ready(flush.as_mut()), "two are in the history alone");
    connection.write(&fanout, 3 * QUEUE_BYTES + 100);
    assert!(is_ready(flush), "the fourth came later");
}

#[test]
fn who_did_not_get_a_message_is_not_asked_for_it() {
    let fanout = fanout(0, SlowSubscriber::DropNewest);
    let mut connection = Writer::new(&fanout, None);
    fanout.push(&large(0)); // fills the queue
    let asked = fanout.push_confirmed(&batch(1..2, 0)).unwrap();
    connection.write(&fanout, usize::MAX);
    for (_, body) in connection.frames().into_iter().filter(|(command, _)| *command) {
        if let Ok(Command::Ping { context, .. }) = Command::parse(&body) {
            fanout.pong(&connection.peer, context);
        }
    }
    assert!(is_ready(asked.settled()), "nobody can confirm it");
    assert_eq!((asked.subscribers, asked.confirmed()), (1, 0));
}

#[test]
fn commands_between_messages_do_not_grow_without_bound() {
    let fanout = fanout(1 << 20, SlowSubscriber::DropNewest);
    for position in [None, Some(&b""[..])] {
        let mut connection = Writer::new(&fanout, position);
        for number in 0..10_000 {
            drop(fanout.push_confirmed(&batch(number..number + 1, 0)));
            if !connection.peer.is_resumable() {
                fanout.cancel(&connection.peer, b"");
            }
            fanout.subscribe_accepted(&connection.peer, b"").unwrap();
        }
        connection.unsent.refill(&connection.peer.outbox, &Everything);
        let waiting = connection.unsent.slices().count();
        assert!(waiting < QUEUE_BYTES / 50, "{waiting} pieces wait");
        fanout.leave(&connection.peer);
    }
}

/// Two that we connect to.
fn dialled(fanout: &Fanout) -> [Writer<Arc<Pipe>>; 2] {
    [(); 2].map(|()| Writer {
        peer: Arc::new(fanout.dial(&"tcp://127.0.0.1:1".parse().unwrap())),
        unsent: Unsent::default(),
        input: Vec::new(),
    })
}

#[tokio::test]
async fn of_several_a_flush_waits_for_all_that_are_there() {
    let fanout = fanout(0, SlowSubscriber::DropNewest);
    let [mut here, slow] = dialled(&fanout);
    fanout.subscribe(&here.peer, b"").unwrap();
    fanout.subscribe(&slow.peer, b"").unwrap();
    fanout.push(&large(0));
    here.write(&fanout, usize::MAX);
    let flushing = tokio::spawn({
        let fanout = Arc::clone(&fanout);
        async move { fanout.flush().await }
    });
    tokio::task::yield_now().await;
    assert!(!flushing.is_finished(), "one has not got it");
    fanout.disconnected(&slow.peer); // and that is told to who flushes
    tokio::time::timeout(std::time::Duration::from_secs(20), flushing).await.unwrap().unwrap();
}

#[test]
fn of_several_one_that_is_away_keeps_the_newest() {
    let fanout = fanout(0, SlowSubscriber::DropNewest);
    let [mut here, mut away] = dialled(&fanout);
    fanout.subscribe(&here.peer, b"").unwrap();
    for number in 0..100 {
        assert!(fanout.push(&batch(number..number + 1, 1100 + number as usize)).is_some());
        here.write(&fanout, usize::MAX);
    }
    assert_eq!(here.frames().len(), 100);
    assert!(fanout.push(&batch(100..101, 0)).is_some());
    // The one that is there goes, and the other comes: it has what the first could not write.
    fanout.disconnected(&here.peer);
    let mut flush = Box::pin(fanout.flush());
    assert!(!is_ready(flush.as_mut()));
    fanout.subscribe(&away.peer, b"").unwrap();
    away.write(&fanout, usize::MAX);
    assert!(is_ready(flush));
    let came: Vec<_> =
        away.frames().iter().map(|(_, body)| u64::from_be_bytes(*body.first_chunk().unwrap())).collect();
    assert_eq!(came, (101 - came.len() as u64..101).collect::<Vec<_>>());
    assert!(came.len() >= 2);
    assert_eq!(fanout.counters.snapshot().dropped, 101 - came.len() as u64);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish { messages: u64, filler: usize },
    Write { bytes: usize },
    Break,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..5_u64, 0..900_usize).prop_map(|(messages, filler)| Step::Publish { messages, filler }),
        4 => (1..4000_usize).prop_map(|bytes| Step::Write { bytes }),
        1 => Just(Step::Break),
    ]
}

/// A subscriber as ours counts.
#[derive(Default)]
struct Listener {
    position: Option<Position>,
    heard: Vec<u64>,
    missed: u64,
}

impl Listener {
    fn read(&mut self, connection: &mut Writer) {
        for (command, body) in connection.frames() {
            if !command {
                self.heard.push(u64::from_be_bytes(*body.first_chunk().unwrap()));
                self.position.as_mut().unwrap().sequence += 1;
            } else if let Command::Position(position) = Command::parse(&body).unwrap() {
                let before = self.position.replace(position).unwrap_or(position);
                self.missed += position.sequence.checked_sub(before.sequence).expect("it went back");
            }
        }
    }
}

proptest! {
    /// However slow the subscriber is and whenever its link breaks: each message once, in order, or counted.
    #[test]
    fn a_numbered_stream_has_no_hole_that_is_not_told(
        history_bytes in 1000..20_000_usize,
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let fanout = fanout(history_bytes, SlowSubscriber::DropNewest);
        let mut listener = Listener::default();
        let mut connection = Writer::new(&fanout, Some(b""));
        connection.write(&fanout, usize::MAX);
        let mut published = 0;
        for step in steps {
            match step {
                Step::Publish { messages, filler } => {
                    fanout.push(&batch(published..published + messages, filler));
                    published += messages;
                }
                Step::Write { bytes } => connection.write(&fanout, bytes),
                Step::Break => {
                    fanout.leave(&connection.peer);
                    listener.read(&mut connection);
                    let position = listener.position.unwrap().to_bytes();
                    connection = Writer::new(&fanout, Some(&position));
                }
            }
            listener.read(&mut connection);
        }
        connection.write(&fanout, usize::MAX);
        listener.read(&mut connection);
        prop_assert!(listener.heard.is_sorted_by(|before, after| before < after));
        prop_assert_eq!(listener.heard.len() as u64 + listener.missed, published);
        prop_assert_eq!(listener.position.unwrap().sequence, published);
        prop_assert!(is_ready(fanout.flush()));
    }
}
