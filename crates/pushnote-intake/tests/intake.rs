//! What becomes of what a source yields.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Answer, Audience, ChannelName, CloseCode, Cursor, Keys, Position, Subject, Verifier};
use pushnote_hub::{
    Attachment, Batch, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver, Recovered,
};
use pushnote_intake::{Counters, Expected, Incoming, Intake, Rejected, Reply, Sender, Sent, Source};
use pushnote_zmtp::Beginning;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gets what is for everyone.
struct Page(mpsc::UnboundedSender<String>);

impl Receiver for Page {
    type Encodings = ();
    type Notice = ();

    fn deliver(&self, batch: &Batch<()>) -> Delivery {
        let text = |one: &Publication| match one.data() {
            Some(data) => String::from_utf8(data.to_vec()).unwrap(),
            None => "gap".to_owned(),
        };
        let texts = batch.publications().map(text);
        texts.for_each(|text| drop(self.0.send(text)));
        Delivery::Accepted
    }

    fn tell(&self, (): &(), _: &Place) -> Delivery {
        Delivery::Accepted
    }

    fn place(&self, _: &Cursor) {}

    fn gap(&self, _: Option<&ChannelName>, _: &Cursor) -> Option<Delivery> {
        None
    }

    fn close(&self, _: CloseCode) {}

    fn abort(&self, _: CloseCode) {}
}

/// Yields what the test says.
struct Spoken {
    messages: mpsc::UnboundedReceiver<Incoming<Noted>>,
    streams: Option<Expected>,
}

impl Source for Spoken {
    type Reply = Noted;

    async fn next(&mut self) -> Option<Incoming<Noted>> {
        self.messages.recv().await
    }

    fn streams(&self) -> Option<Expected> {
        self.streams.clone()
    }
}

#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Option<Answer>>>);

impl Reply for Noted {
    fn answer(self, answer: &Answer) {
        *self.0.lock().unwrap() = Some(answer.clone());
    }
}

struct Set {
    counters: Arc<Counters>,
    application: mpsc::UnboundedSender<Incoming<Noted>>,
    page: mpsc::UnboundedReceiver<String>,
    _attached: Attachment<Page>,
}

impl Set {
    fn start() -> Self {
        Self::with(&[], None)
    }

    fn with(recovered: &[Recovered], streams: Option<Expected>) -> Self {
        let options = HubOptions {
            shards: 1,
            coalescing_window: Duration::ZERO,
            users_per_connection_max: 1,
            channels_per_connection_max: 1,
            connections_per_user_max: 1,
            rules: Arc::default(),
            log: LogOptions {
                epoch: 1,
                bytes_max: 1 << 20,
                count_max: 1000,
                age_max: Duration::from_secs(3600),
            },
        };
        let hub = Hub::start(options).unwrap();
        let (deliveries, page) = mpsc::unbounded_channel();
        let mut attached = hub.attach(Page(deliveries));
        attached.subscribe(Subject::Everyone).unwrap();
        let keys = Keys::parse("a-secret-of-these-tests-0123456789abcdef").unwrap();
        let mut intake = Intake::new(hub, Arc::new(Verifier::new(&keys).into()), 100);
        intake.go_on(recovered, recovered.len() as u64);
        let counters = Arc::clone(intake.counters());
        let (application, messages) = mpsc::unbounded_channel();
        tokio::spawn(intake.run(Spoken { messages, streams }));
        Self { counters, application, page, _attached: attached }
    }

    fn say(&self, envelope: Result<String, Rejected>, reply: Option<Noted>) {
        self.say_at(None, envelope, reply);
    }

    fn say_at(&self, position: Option<Position>, envelope: Result<String, Rejected>, reply: Option<Noted>) {
        let (sender, message) = (Sender::Anybody, envelope.map(Bytes::from).map(Sent::Envelope));
        self.application.send(Incoming { sender, message, reply, position, old: false }).unwrap();
    }

    /// A stream brings what it had before it was asked.
    fn say_old(&self, position: Position, envelope: String) {
        let (sender, message) = (Sender::Anybody, Ok(Sent::Envelope(envelope.into())));
        let position = Some(position);
        self.application.send(Incoming { sender, message, reply: None, position, old: true }).unwrap();
    }

    fn publish(&self, data: u32, id: &str) {
        self.say(Ok(envelope(data, id)), None);
    }

    async fn next(&mut self) -> String {
        timeout(PATIENCE, self.page.recv()).await.expect("nothing came").unwrap()
    }
}

fn envelope(data: u32, id: &str) -> String {
    format!(r#"{{"name":"notify_all","data":{data},"publication":"{id}"}}"#)
}

/// Those with the epochs 1 and 2; each has so much from before.
fn two_streams([first, second]: [u64; 2]) -> (watch::Sender<HashMap<String, Beginning>>, Expected) {
    let stream = |epoch, live| Beginning { from: pushnote_zmtp::Position { epoch, sequence: 0 }, live };
    let streams = [("1".to_owned(), stream(1, first)), ("2".to_owned(), stream(2, second))].into();
    let (socket, beginnings) = watch::channel(streams);
    (socket, Expected { count: 2, beginnings })
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_has_had_comes_once() {
    let at = |sequence| Position { epoch: 7, sequence };
    let recovered = |data: &'static str, origin| {
        let publication = Publication::new(Bytes::from_static(data.as_bytes()), None, Audience::everyone());
        Recovered { publication, origin, age: Duration::ZERO }
    };
    let of = |position, marks, id: Option<&str>| Origin {
        position: Some(at(position)),
        marks: [at(marks)].into(),
        id: id.map(|id| id.parse().unwrap()),
        ..Origin::default()
    };
    let mut set = Set::with(
        &[
            recovered("1", of(1, 2, Some("web/1"))),
            recovered("2", of(2, 3, None)),
            recovered("3", of(4, 3, None)), // what was at 3, waited for others
            recovered("4", Origin::default()), // of no source
        ],
        None,
    );
    for (data, position) in [(1, 1), (2, 2), (5, 3), (3, 4), (6, 5)] {
        set.say_at(Some(at(position)), Ok(format!(r#"{{"name":"notify_all","data":{data}}}"#)), None);
    }
    // Another way than by its place.
    set.publish(1, "web/1");
    set.publish(7, "web/2");
    for data in ["5", "6", "7"] {
        assert_eq!(set.next().await, data);
    }
    assert_eq!(set.counters.duplicates.total(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_and_each_once() {
    let mut set = Set::start();
    for (data, id) in [(1, "web/1"), (3, "web/3"), (2, "web/2"), (2, "web/2"), (4, "web/4")] {
        set.publish(data, id);
    }
    for data in ["1", "2", "3", "4"] {
        assert_eq!(set.next().await, data);
    }
    assert_eq!((set.counters.duplicates.total(), set.counters.missed.total()), (1, 0));
}

/// However late it is, while the server fills its log.
#[tokio::test(start_paused = true)]
async fn of_two_streams_the_one_that_has_more_is_waited_for() {
    let (_sockets, streams) = two_streams([2, 5]);
    let mut set = Set::with(&[], Some(streams));
    let at = |epoch, sequence| Some(Position { epoch, sequence });
    let replies = [(); 2].map(|()| Noted::default());
    set.say_at(at(1, 0), Ok(envelope(4, "web/4")), Some(replies[0].clone()));
    set.say_at(at(1, 1), Ok(envelope(5, "web/5")), None);
    assert!(timeout(Duration::from_secs(4), set.page.recv()).await.is_err());
    for number in 1..=5 {
        let reply = (number == 4).then(|| replies[1].clone());
        set.say_at(at(2, number - 1), Ok(envelope(number as u32, &format!("web/{number}"))), reply);
    }
    for data in ["1", "2", "3", "4", "5"] {
        assert_eq!(set.next().await, data);
    }
    for reply in replies {
        assert!(matches!(reply.0.lock().unwrap().take(), Some(Answer::Receipt(_))));
    }
    assert_eq!((set.counters.duplicates.total(), set.counters.missed.total()), (2, 0));
}

/// What it had is on its way in already, and tells where a publisher begins.
#[tokio::test(start_paused = true)]
async fn a_stream_that_began_anew_meanwhile_has_brought_what_it_had_once_it_brings_more() {
    let (sockets, streams) = two_streams([2, 2]);
    let mut set = Set::with(&[], Some(streams));
    let at = |epoch, sequence| Some(Position { epoch, sequence });
    let say = |set: &Set, epoch, sequence, number| {
        set.say_at(at(epoch, sequence), Ok(envelope(number, &format!("web/{number}"))), None);
    };
    say(&set, 2, 0, 4);
    say(&set, 2, 1, 5);
    tokio::task::yield_now().await;
    let from = pushnote_zmtp::Position { epoch: 3, sequence: 0 };
    sockets.send_modify(|streams| _ = streams.insert("1".to_owned(), Beginning { from, live: 0 }));
    assert!(timeout(Duration::from_secs(2), set.page.recv()).await.is_err(), "more may come");
    say(&set, 1, 0, 3);
    say(&set, 3, 0, 5);
    for text in ["3", "4", "5"] {
        assert_eq!(set.next().await, text);
    }
}

/// Who has had what is before it elsewhere is to be told of it.
#[tokio::test(start_paused = true)]
async fn a_gap_is_where_messages_are_missing() {
    let (_sockets, streams) = two_streams([4, 0]);
    let mut set = Set::with(&[], Some(streams));
    for (position, number) in [(0, 4), (1, 5), (2, 8), (3, 9)] {
        let position = Some(Position { epoch: 1, sequence: position });
        set.say_at(position, Ok(envelope(number, &format!("web/{number}"))), None);
    }
    for text in ["4", "5", "gap", "8", "9"] {
        assert_eq!(set.next().await, text);
    }
}

/// One of two has been asked a moment later, and is faster.
#[tokio::test(start_paused = true)]
async fn what_follows_something_new_is_new() {
    let (_sockets, streams) = two_streams([0, 3]);
    let mut set = Set::with(&[], Some(streams));
    let at = |epoch, sequence| Position { epoch, sequence };
    set.say_at(Some(at(1, 0)), Ok(envelope(0, "web/0")), None);
    set.say_old(at(2, 0), envelope(0, "web/0"));
    set.say_old(at(2, 1), envelope(1, "web/1"));
    set.say_old(at(2, 2), envelope(9, "other/0"));
    set.say_at(Some(at(1, 1)), Ok(envelope(1, "web/1")), None);
    set.say_at(Some(at(1, 2)), Ok(envelope(2, "web/2")), None);
    for text in ["0", "1", "2"] {
        assert_eq!(set.next().await, text);
    }
}

/// Pages are here that were let in without it.
#[tokio::test(start_paused = true)]
async fn what_a_stream_brings_that_was_waited_for_no_more_is_told_before_what_follows_it() {
    let (sockets, streams) = two_streams([1, 3]);
    sockets.send_modify(|streams| _ = streams.remove("2"));
    let mut set = Set::with(&[], Some(streams));
    let at = |epoch, sequence| Position { epoch, sequence };
    set.say_old(at(1, 0), envelope(0, "web/0"));
    assert!(timeout(Duration::from_secs(6), set.page.recv()).await.is_err());
    let from = pushnote_zmtp::Position { epoch: 2, sequence: 0 };
    sockets.send_modify(|streams| _ = streams.insert("2".to_owned(), Beginning { from, live: 3 }));
    for number in 0..3 {
        set.say_old(at(2, number), envelope(number as u32, &format!("web/{number}")));
    }
    set.say_at(Some(at(2, 3)), Ok(envelope(3, "web/3")), None);
    for text in ["gap", "3"] {
        assert_eq!(set.next().await, text);
    }
    assert_eq!(set.counters.duplicates.total(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_time_is_missed() {
    let mut set = Set::start();
    set.publish(1, "web/1");
    set.publish(3, "web/3");
    assert_eq!(set.next().await, "1");
    let began = Instant::now();
    assert_eq!(set.next().await, "gap");
    assert_eq!(set.next().await, "3");
    assert!((Duration::from_millis(400)..Duration::from_millis(600)).contains(&began.elapsed()));
    assert_eq!(set.counters.missed.total(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_about_what_has_come_before_is_answered_too() {
    let mut set = Set::start();
    for _ in 0..2 {
        let reply = Noted::default();
        let envelope = r#"{"name":"notify_all","data":1,"publication":"web/1"}"#;
        set.say(Ok(envelope.to_owned()), Some(reply.clone()));
        let mut look = tokio::time::interval(Duration::from_millis(10));
        let answered = async {
            while reply.0.lock().unwrap().is_none() {
                look.tick().await;
            }
        };
        assert!(timeout(PATIENCE, answered).await.is_ok());
    }
    assert_eq!(set.next().await, "1");
}

#[tokio::test]
async fn who_asks_is_answered_and_what_is_wrong_harms_nothing_else() {
    let mut set = Set::start();
    let replies = [(); 3].map(|()| Noted::default());
    set.say(Ok("not json".to_owned()), Some(replies[0].clone()));
    set.say(Err(Rejected { kind: "multipart", why: "two frames".to_owned() }), Some(replies[1].clone()));
    set.say(Ok(r#"{"name":"notify_all","data":"good"}"#.to_owned()), Some(replies[2].clone()));
    assert_eq!(set.next().await, "\"good\"");
    // The answer follows the publication.
    while replies[2].0.lock().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let [broken, multipart, good] = replies.map(|reply| reply.0.lock().unwrap().take().unwrap());
    assert!(matches!(broken, Answer::Refused { error, retry: false } if error.contains("not JSON")));
    assert_eq!(multipart, Answer::Refused { error: "two frames".to_owned(), retry: false });
    let Answer::Receipt(receipt) = good else { panic!("{good:?}") };
    assert_eq!((receipt.servers, receipt.of), (1, 1));
    assert_eq!(set.counters.envelopes_refused.total(), 2);
}
