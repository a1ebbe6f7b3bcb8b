//! Who gets what, in which order, and how often it is encoded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Subject, UserId};
use pushnote_hub::{
    Attachment, Batch, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver,
    SubscribeError,
};

#[derive(Default)]
struct Encodings {
    joined: OnceLock<String>,
}

#[derive(Default)]
struct Seen {
    batches: Vec<String>,
    closed: Option<CloseCode>,
    aborted: Option<CloseCode>,
}

/// Records what it gets, in a framing that joins a batch's payloads with blanks.
#[derive(Clone, Default)]
struct Recorder {
    seen: Arc<Mutex<Seen>>,
    encodings_made: Arc<AtomicUsize>,
    delivery: Option<Delivery>,
}

impl Recorder {
    fn messages(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.batches.iter().flat_map(|batch| batch.split(' ').map(str::to_owned)).collect()
    }
}

impl Receiver for Recorder {
    type Encodings = Encodings;
    type Notice = ();

    fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        let joined = batch.encodings().joined.get_or_init(|| {
            self.encodings_made.fetch_add(1, SeqCst);
            let payloads: Vec<_> = batch.payloads().map(|data| str::from_utf8(data).unwrap()).collect();
            payloads.join(" ")
        });
        self.seen.lock().unwrap().batches.push(joined.clone());
        self.delivery.unwrap_or(Delivery::Accepted)
    }

    fn tell(&self, (): &(), _: &Place) -> Delivery {
        Delivery::Accepted
    }

    fn place(&self, _: &Cursor) {}

    fn gap(&self, _: Option<&ChannelName>, _: &Cursor) -> Option<Delivery> {
        None
    }

    fn close(&self, code: CloseCode) {
        self.seen.lock().unwrap().closed = Some(code);
    }

    fn abort(&self, code: CloseCode) {
        self.seen.lock().unwrap().aborted = Some(code);
    }
}

fn hub(shards: usize) -> Hub<Recorder> {
    hub_with_window(shards, Duration::ZERO)
}

fn hub_with_window(shards: usize, coalescing_window: Duration) -> Hub<Recorder> {
    Hub::start(HubOptions {
        shards,
        coalescing_window,
        users_per_connection_max: 2,
        channels_per_connection_max: 2,
        connections_per_user_max: 2,
        rules: Arc::default(),
        log: LogOptions { epoch: 1, bytes_max: 1 << 20, count_max: 1000, age_max: Duration::from_secs(3600) },
    })
    .unwrap()
}

fn user(id: &str) -> Subject {
    Subject::User(UserId::new(id).unwrap())
}

fn channel(name: &str) -> Subject {
    Subject::Channel(ChannelName::new(name).unwrap())
}

fn everyone(data: &'static str) -> Publication {
    Publication::new(Bytes::from_static(data.as_bytes()), None, Audience::everyone())
}

fn users(ids: &[&str], data: &'static str) -> Publication {
    subjects(ids.iter().map(|id| user(id)), data)
}

fn subjects(subjects: impl IntoIterator<Item = Subject>, data: &'static str) -> Publication {
    let mut audience = Audience::default();
    subjects.into_iter().for_each(|subject| audience.push(subject));
    Publication::new(Bytes::from_static(data.as_bytes()), None, audience)
}

/// Lets the shards do all that they can: on a current-thread runtime they run while this task gives way.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn attach(hub: &Hub<Recorder>) -> (Recorder, Attachment<Recorder>) {
    let recorder = Recorder::default();
    (recorder.clone(), hearing_everyone(hub, recorder))
}

fn hearing_everyone(hub: &Hub<Recorder>, recorder: Recorder) -> Attachment<Recorder> {
    let mut attachment = hub.attach(recorder);
    attachment.subscribe(Subject::Everyone).unwrap();
    attachment
}

#[tokio::test]
async fn everyone_gets_what_is_for_everyone_in_order() {
    let hub = hub(3);
    let attached: Vec<_> = (0..10).map(|_| attach(&hub)).collect();
    for data in ["1", "2", "3"] {
        hub.publish(everyone(data), Origin::default()).await.unwrap();
    }
    settle().await;
    for (recorder, _) in &attached {
        assert_eq!(recorder.messages(), ["1", "2", "3"]);
    }
    assert_eq!(hub.counters().deliveries.total(), 30);
    assert_eq!(hub.attached(), 10);
}

#[tokio::test]
async fn what_waits_arrives_as_one_batch() {
    let hub = hub(1);
    let (recorder, _attachment) = attach(&hub);
    // Nothing gives way in between: the shard finds all three waiting.
    for data in ["1", "2", "3"] {
        hub.publish(everyone(data), Origin::default()).await.unwrap();
    }
    settle().await;
    assert_eq!(recorder.seen.lock().unwrap().batches, ["1 2 3"]);
}

#[tokio::test]
async fn a_coalescing_window_lets_a_stream_leave_together() {
    // Longer than a busy machine takes from the first to the last.
    let hub = hub_with_window(1, Duration::from_secs(1));
    let (recorder, _attachment) = attach(&hub);
    for data in ["1", "2", "3", "4"] {
        hub.publish(everyone(data), Origin::default()).await.unwrap();
        settle().await;
    }
    while hub.counters().deliveries.total() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(recorder.seen.lock().unwrap().batches, ["1", "2 3 4"]);
}

#[tokio::test]
async fn a_batch_ends_at_its_budget() {
    let hub = hub(1);
    let (recorder, _attachment) = attach(&hub);
    let large: &'static str = "x".repeat(40 * 1024).leak();
    for _ in 0..4 {
        hub.publish(everyone(large), Origin::default()).await.unwrap();
    }
    settle().await;
    assert_eq!(recorder.seen.lock().unwrap().batches.len(), 2);
    assert_eq!(recorder.messages().len(), 4);
}

#[tokio::test]
async fn a_users_messages_reach_that_user_between_those_for_all() {
    let hub = hub(2);
    let (one, mut one_attachment) = attach(&hub);
    let (other, _other_attachment) = attach(&hub);
    one_attachment.subscribe(user("42")).unwrap();
    one_attachment.subscribe(user("43")).unwrap();
    hub.publish(everyone("1"), Origin::default()).await.unwrap();
    hub.publish(users(&["42"], "2"), Origin::default()).await.unwrap();
    hub.publish(everyone("3"), Origin::default()).await.unwrap();
    hub.publish(users(&["42", "43"], "4"), Origin::default()).await.unwrap();
    hub.publish(users(&["44"], "5"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(one.messages(), ["1", "2", "3", "4"]);
    assert_eq!(other.messages(), ["1", "3"]);
}

#[tokio::test]
async fn a_publication_is_encoded_once_for_all_receivers_of_all_shards() {
    let hub = hub(2);
    let made = Arc::new(AtomicUsize::new(0));
    let _attached: Vec<_> = (0..1000)
        .map(|_| {
            hearing_everyone(&hub, Recorder { encodings_made: Arc::clone(&made), ..Recorder::default() })
        })
        .collect();
    settle().await;
    hub.publish(everyone("1"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(hub.counters().deliveries.total(), 1000);
    assert_eq!(made.load(SeqCst), 1);

    // A batch of two: once per shard.
    hub.publish(everyone("2"), Origin::default()).await.unwrap();
    hub.publish(everyone("3"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(hub.counters().deliveries.total(), 3000);
    assert_eq!(made.load(SeqCst), 3);
}

#[tokio::test]
async fn receivers_of_the_same_publications_share_their_encoding() {
    let hub = hub(1);
    let made = Arc::new(AtomicUsize::new(0));
    let recorder = || Recorder { encodings_made: Arc::clone(&made), ..Recorder::default() };
    let named: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    let attach = |name: &String| {
        let mut attachment = hearing_everyone(&hub, recorder());
        attachment.subscribe(user(name)).unwrap();
        attachment
    };
    let _attached: Vec<_> = named.iter().map(attach).collect();
    let _bystander = hearing_everyone(&hub, recorder());
    settle().await;
    let all: Vec<_> = named.iter().map(String::as_str).collect();
    for (whom, data) in [(&all[..], "1"), (&all[..], "2"), (&all[..500], "3")] {
        hub.publish(users(whom, data), Origin::default()).await.unwrap();
    }
    hub.publish(everyone("4"), Origin::default()).await.unwrap();
    settle().await;
    // Who gets all four, who gets all but the third, and who gets the last alone.
    assert_eq!(hub.counters().deliveries.total(), 500 * 4 + 500 * 3 + 1);
    assert_eq!(made.load(SeqCst), 3);
}

#[tokio::test]
async fn what_waits_for_the_shards_is_bounded_in_bytes() {
    let hub = hub(1);
    let data: &'static str = "x".repeat(1024 * 1024).leak();
    let mut waiting = 0;
    // Nothing gives way: the shard takes none of it. A thousand would have found a place by their number.
    let mut context = Context::from_waker(Waker::noop());
    while pin!(hub.publish(everyone(data), Origin::default())).poll(&mut context).is_ready() {
        waiting += 1;
        assert!(waiting < 100, "no bound");
    }
    assert!(waiting >= 10);
    settle().await;
    hub.publish(everyone(data), Origin::default()).await.unwrap();
}

#[tokio::test]
async fn planning_gives_way() {
    let hub = hub(1);
    let ids: Vec<String> = (0..10_000).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for _ in 0..20 {
        hub.publish(users(&ids, "1"), Origin::default()).await.unwrap();
    }
    hub.publish(users(&[], "2"), Origin::default()).await.unwrap();
    // How often somebody else has a turn until all of it is planned.
    let (recorder, mut attachment) = attach(&hub);
    attachment.subscribe(user("0")).unwrap();
    let mut turns = 0;
    while recorder.messages().is_empty() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns > 2, "{turns}");
}

#[tokio::test]
async fn one_users_message_costs_that_users_connections_alone() {
    let hub = hub(1);
    let attached: Vec<_> = (0..1000).map(|_| attach(&hub)).collect();
    let (recorder, mut attachment) = attach(&hub);
    attachment.subscribe(user("42")).unwrap();
    hub.publish(users(&["42"], "1"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(recorder.messages(), ["1"]);
    assert_eq!(hub.counters().deliveries.total(), 1);
    assert!(attached.iter().all(|(recorder, _)| recorder.messages().is_empty()));
}

#[tokio::test]
async fn who_detaches_gets_nothing_more_and_frees_the_place() {
    let hub = hub(1);
    let (gone, mut gone_attachment) = attach(&hub);
    let (_, mut second) = attach(&hub);
    let (_, mut third) = attach(&hub);
    gone_attachment.subscribe(user("42")).unwrap();
    second.subscribe(user("42")).unwrap();
    assert_eq!(third.subscribe(user("42")), Err(SubscribeError::TooManyConnections(2)));
    drop(gone_attachment);
    third.subscribe(user("42")).unwrap();
    hub.publish(everyone("1"), Origin::default()).await.unwrap();
    hub.publish(users(&["42"], "2"), Origin::default()).await.unwrap();
    settle().await;
    assert!(gone.messages().is_empty());
    assert_eq!(hub.attached(), 2);
}

#[tokio::test]
async fn a_connection_has_a_limit_of_subjects() {
    let hub = hub(1);
    let (_, mut attachment) = attach(&hub);
    attachment.subscribe(user("1")).unwrap();
    attachment.subscribe(user("1")).unwrap();
    attachment.subscribe(user("2")).unwrap();
    attachment.subscribe(channel("1")).unwrap();
    assert_eq!(attachment.subscribe(user("3")), Err(SubscribeError::TooManySubjects(2)));
}

#[tokio::test]
async fn a_receiver_gets_what_it_has_subscribed_to_and_each_message_once() {
    let hub = hub(1);
    let recorder = Recorder::default();
    let mut attachment = hub.attach(recorder.clone());
    attachment.subscribe(user("42")).unwrap();
    attachment.subscribe(channel("42")).unwrap();
    hub.publish(everyone("for all"), Origin::default()).await.unwrap();
    hub.publish(subjects([channel("42"), user("42")], "both"), Origin::default()).await.unwrap();
    hub.publish(subjects([channel("43")], "another"), Origin::default()).await.unwrap();
    hub.publish(subjects([channel("42")], "channel"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(recorder.messages(), ["both", "channel"]);
}

#[tokio::test]
async fn who_unsubscribes_gets_nothing_more_of_it_and_frees_the_place() {
    let hub = hub(1);
    let (one, mut one_attachment) = attach(&hub);
    let (_, mut second) = attach(&hub);
    let (_, mut third) = attach(&hub);
    for subject in [user("42"), channel("news")] {
        one_attachment.subscribe(subject).unwrap();
    }
    second.subscribe(user("42")).unwrap();
    for _ in 0..2 {
        for subject in [user("42"), channel("news"), Subject::Everyone] {
            one_attachment.unsubscribe(subject, None);
        }
    }
    third.subscribe(user("42")).unwrap();
    hub.publish(everyone("1"), Origin::default()).await.unwrap();
    hub.publish(subjects([user("42"), channel("news")], "2"), Origin::default()).await.unwrap();
    settle().await;
    assert!(one.messages().is_empty());
    one_attachment.subscribe(Subject::Everyone).unwrap();
    hub.publish(everyone("3"), Origin::default()).await.unwrap();
    settle().await;
    assert_eq!(one.messages(), ["3"]);
}

#[tokio::test(start_paused = true)]
async fn draining_tells_everyone_and_every_newcomer() {
    let hub = hub(2);
    let attached: Vec<_> = (0..1000).map(|_| attach(&hub)).collect();
    hub.close_all(CloseCode::Shutdown);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (newcomer, _attachment) = attach(&hub);
    settle().await;
    let recorders = attached.iter().map(|(recorder, _)| recorder).chain([&newcomer]);
    for recorder in recorders {
        assert_eq!(recorder.seen.lock().unwrap().closed, Some(CloseCode::Shutdown));
    }
}
