//! Everyone has a place in the log: order, and each publication once, across live delivery, reading on and resuming,
//! against a model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use pushnote_core::rules::{ChannelRule, ChannelRules, HistoryRule, SlowPolicy};
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Position, Subject, UserId};
use pushnote_hub::{
    Attachment, Batch, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver,
};

/// What a client has had, and whether it takes more.
#[derive(Default)]
struct Seen {
    numbers: Vec<u64>,
    cursor: Option<Cursor>,
    /// Where it was when it was last told something.
    told_at: Option<u64>,
    full: bool,
    /// Of the notices: whether nothing was missing.
    told: Vec<bool>,
    /// What came with them.
    past: Vec<u64>,
    gaps: usize,
    aborted: bool,
}

#[derive(Clone, Default)]
struct Client {
    seen: Arc<Mutex<Seen>>,
    /// It cannot be told of gaps.
    deaf: bool,
}

impl Client {
    fn numbers(&self) -> Vec<u64> {
        self.seen.lock().unwrap().numbers.clone()
    }

    fn cursor(&self) -> Option<Cursor> {
        self.seen.lock().unwrap().cursor.clone()
    }
}

impl Client {
    /// The same, on another connection: what is on its way to the old one, it does not get.
    fn elsewhere(&self) -> Self {
        let mut seen = self.seen.lock().unwrap();
        seen.full = true;
        let (numbers, cursor) = (seen.numbers.clone(), seen.cursor.clone());
        let seen = Seen { numbers, cursor, ..Seen::default() };
        Self { seen: Arc::new(Mutex::new(seen)), deaf: false }
    }
}

fn number(data: &Bytes) -> u64 {
    str::from_utf8(data).unwrap().parse().unwrap()
}

impl Receiver for Client {
    type Encodings = ();
    type Notice = ();

    fn deliver(&self, batch: &Batch<()>) -> Delivery {
        let mut seen = self.seen.lock().unwrap();
        if seen.full {
            return Delivery::Full;
        }
        seen.numbers.extend(batch.payloads().map(number));
        seen.cursor = batch.publications().last().map(|last| last.cursor().clone());
        Delivery::Accepted
    }

    fn tell(&self, (): &(), place: &Place) -> Delivery {
        let mut seen = self.seen.lock().unwrap();
        if seen.full {
            return Delivery::Full;
        }
        seen.told.push(place.complete);
        let past = place.publications.iter().filter_map(|publication| publication.data());
        seen.past.extend(past.map(number));
        seen.cursor = Some(place.cursor.clone());
        seen.told_at = Some(place.cursor.log.sequence);
        Delivery::Accepted
    }

    fn gap(&self, _: Option<&ChannelName>, cursor: &Cursor) -> Option<Delivery> {
        let mut seen = self.seen.lock().unwrap();
        if self.deaf {
            return None;
        }
        if seen.full {
            return Some(Delivery::Full);
        }
        seen.gaps += 1;
        seen.cursor = Some(cursor.clone());
        Some(Delivery::Accepted)
    }

    fn close(&self, _: CloseCode) {}

    fn abort(&self, _: CloseCode) {
        self.seen.lock().unwrap().aborted = true;
    }
}

fn hub(epoch: u64, count_max: usize) -> Hub<Client> {
    Hub::start(options(epoch, count_max)).unwrap()
}

fn options(epoch: u64, count_max: usize) -> HubOptions {
    HubOptions {
        shards: 2,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: 8,
        channels_per_connection_max: 8,
        connections_per_user_max: 8,
        rules: Arc::default(),
        log: LogOptions { epoch, bytes_max: 64 << 20, count_max, age_max: Duration::from_secs(3600) },
    }
}

fn channel(number: usize) -> Subject {
    Subject::Channel(ChannelName::new(&format!("channel {number}")).unwrap())
}

fn publication(number: u64, subjects: impl IntoIterator<Item = Subject>) -> Publication {
    let audience: Audience = subjects.into_iter().collect();
    Publication::new(Bytes::from(number.to_string()), None, audience)
}

/// Lets the shards do all that they can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn attach(hub: &Hub<Client>, client: &Client) -> Attachment<Client> {
    let mut attachment = hub.attach(client.clone());
    attachment.subscribe(Subject::Everyone).unwrap();
    attachment
}

#[derive(Debug, Clone)]
enum Step {
    /// To everyone, and to some channels.
    Publish(bool, Vec<usize>),
    /// Its client reads no more, or again.
    Stall(usize),
    Room(usize),
    /// Its connection breaks, and it comes back with its cursor.
    Reconnect(usize),
    Settle,
}

const CLIENTS: usize = 4;
const CHANNELS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<bool>(), prop::collection::vec(0..CHANNELS, 0..3)).prop_map(|(everyone, mut channels)| {
            channels.sort_unstable();
            channels.dedup();
            Step::Publish(everyone, channels)
        }),
        1 => (0..CLIENTS).prop_map(Step::Stall),
        2 => (0..CLIENTS).prop_map(Step::Room),
        1 => (0..CLIENTS).prop_map(Step::Reconnect),
        2 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 0..150)
}

/// Client `n` has subscribed to the channels below `n`.
fn subjects_of(client: usize) -> impl Iterator<Item = Subject> {
    (0..client).map(channel)
}

struct Model {
    hub: Hub<Client>,
    clients: Vec<(Client, Attachment<Client>)>,
    expected: Vec<Vec<u64>>,
    published: u64,
}

impl Model {
    async fn start() -> Self {
        let hub = hub(1, 1 << 20);
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let client = Client::default();
            let mut attachment = attach(&hub, &client);
            subjects_of(number).for_each(|subject| attachment.subscribe(subject).unwrap());
            attachment.resume(None, ());
            clients.push((client, attachment));
        }
        settle().await;
        Self { hub, clients, expected: vec![Vec::new(); CLIENTS], published: 0 }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Publish(everyone, channels) => {
                let subjects = everyone.then_some(Subject::Everyone).into_iter();
                let subjects = subjects.chain(channels.iter().copied().map(channel));
                self.hub.publish(publication(self.published, subjects), Origin::default()).await.unwrap();
                for (client, expected) in self.expected.iter_mut().enumerate() {
                    if everyone || channels.iter().any(|channel| *channel < client) {
                        expected.push(self.published);
                    }
                }
                self.published += 1;
            }
            Step::Stall(client) => self.clients[client].0.seen.lock().unwrap().full = true,
            Step::Room(client) => {
                let (client, attachment) = &self.clients[client];
                client.seen.lock().unwrap().full = false;
                attachment.has_room();
            }
            Step::Reconnect(number) => {
                let (client, _) = &self.clients[number];
                let again = client.elsewhere();
                let cursor = again.cursor();
                let mut attachment = attach(&self.hub, &again);
                // Live values before the welcome, clients ignore; here they are refused.
                again.seen.lock().unwrap().full = true;
                subjects_of(number).for_each(|subject| attachment.subscribe(subject).unwrap());
                attachment.resume(cursor, ());
                settle().await;
                again.seen.lock().unwrap().full = false;
                attachment.has_room();
                self.clients[number] = (again, attachment);
            }
            Step::Settle => settle().await,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_publication_comes_once_and_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::start().await;
            for step in steps {
                model.step(step).await;
            }
            for client in 0..CLIENTS {
                model.step(Step::Room(client)).await;
            }
            settle().await;
            for ((client, _), expected) in model.clients.iter().zip(&model.expected) {
                prop_assert_eq!(&client.numbers(), expected);
                let seen = client.seen.lock().unwrap();
                prop_assert!(seen.told.iter().all(|complete| *complete) && seen.gaps == 0);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn who_falls_out_of_the_log_is_told_before_anything_newer() {
    let hub = hub(1, 10);
    let (client, deaf) = (Client::default(), Client { deaf: true, ..Client::default() });
    let (attachment, deaf_attachment) = (attach(&hub, &client), attach(&hub, &deaf));
    settle().await;
    for stalled in [&client, &deaf] {
        stalled.seen.lock().unwrap().full = true;
    }
    for number in 0..100 {
        hub.publish(publication(number, [Subject::Everyone]), Origin::default()).await.unwrap();
        settle().await;
    }
    for (stalled, attachment) in [(&client, &attachment), (&deaf, &deaf_attachment)] {
        stalled.seen.lock().unwrap().full = false;
        attachment.has_room();
    }
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((seen.gaps, seen.numbers.clone()), (1, (90..100).collect::<Vec<u64>>()));
    let deaf = deaf.seen.lock().unwrap();
    assert!(deaf.aborted && deaf.numbers.is_empty(), "never silently behind");
    assert_eq!(hub.log_size().0, 10);
}

#[tokio::test]
async fn a_gap_concerns_only_whose_messages_are_gone() {
    let hub = hub(1, 10);
    let client = Client::default();
    let mut attachment = hub.attach(client.clone());
    attachment.subscribe(channel(1)).unwrap();
    attachment.resume(None, ());
    settle().await;
    client.seen.lock().unwrap().full = true;
    for number in 0..12 {
        let of = if number == 5 { channel(1) } else { Subject::Everyone };
        hub.publish(publication(number, [of]), Origin::default()).await.unwrap();
    }
    settle().await;
    client.seen.lock().unwrap().full = false;
    attachment.has_room();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((seen.gaps, &seen.numbers[..]), (0, &[5][..]));
}

#[tokio::test]
async fn a_subscription_of_who_is_slow_leaves_nothing_out() {
    let hub = hub(1, 100);
    let client = Client::default();
    let mut attachment = attach(&hub, &client);
    attachment.resume(None, ());
    settle().await;
    let start = client.cursor().unwrap();
    client.seen.lock().unwrap().full = true;
    for number in 0..6 {
        let of = if number % 2 == 0 { channel(1) } else { Subject::Everyone };
        hub.publish(publication(number, [of]), Origin::default()).await.unwrap();
    }
    settle().await;
    attachment.subscribe_since(channel(1), Some(start), Some(())).unwrap();
    settle().await;
    client.seen.lock().unwrap().full = false;
    attachment.has_room();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.past[..], &seen.numbers[..]), (&[0, 2, 4][..], &[1, 3, 5][..]));
}

#[tokio::test(start_paused = true)]
async fn who_claims_to_have_had_what_never_comes_is_told_of_a_gap() {
    let hub = hub(1, 100);
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    settle().await;
    let (log, sources) =
        (Position { epoch: 9, sequence: 0 }, [Position { epoch: 7, sequence: u64::MAX }].into());
    let client = Client::default();
    let attachment = attach(&hub, &client);
    attachment.resume(Some(Cursor { log, sources }), ());
    settle().await;
    publish_at(&hub, 1, 7, 1, &[(7, 2)]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    publish_at(&hub, 2, 7, 2, &[(7, 3)]).await;
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[false][..], &[1, 2][..]));
}

#[tokio::test]
async fn a_subscription_since_a_place_brings_that_subject_alone() {
    let hub = hub(1, 100);
    let client = Client::default();
    let mut attachment = attach(&hub, &client);
    attachment.resume(None, ());
    settle().await;
    let start = client.cursor().unwrap();
    for number in 0..10 {
        let of = if number % 2 == 0 { &[channel(1)][..] } else { &[Subject::Everyone, channel(1)] };
        hub.publish(publication(number, of.iter().cloned()), Origin::default()).await.unwrap();
    }
    settle().await;
    assert_eq!(client.numbers(), [1, 3, 5, 7, 9]);
    attachment.subscribe_since(channel(1), Some(start), Some(())).unwrap();
    hub.publish(publication(10, [channel(1), Subject::Everyone]), Origin::default()).await.unwrap();
    settle().await;
    let seen = client.seen.lock().unwrap();
    // With the answer; 10 is for both, and comes once.
    assert_eq!((&seen.past[..], &seen.told[..]), (&[0, 2, 4, 6, 8][..], &[true, true][..]));
    assert_eq!(seen.numbers, [1, 3, 5, 7, 9, 10]);
}

/// The publication that a forwarder has at this place in its stream.
async fn publish_at(hub: &Hub<Client>, number: u64, epoch: u64, sequence: u64, marks: &[(u64, u64)]) -> u64 {
    let marks =
        marks.iter().map(|(epoch, sequence)| Position { epoch: *epoch, sequence: *sequence }).collect();
    let origin = Origin { position: Some(Position { epoch, sequence }), marks, ..Origin::default() };
    hub.publish(publication(number, [Subject::Everyone]), origin).await.unwrap()
}

#[tokio::test]
async fn who_came_and_went_is_for_who_asked_and_moves_no_source() {
    let hub = hub(1, 100);
    let (asking, other) = (Client::default(), Client::default());
    let (mut asks, _other) = (attach(&hub, &asking), attach(&hub, &other));
    let (name, user) = (ChannelName::new("news").unwrap(), UserId::new("42").unwrap());
    asks.subscribe(Subject::Presence(name.clone())).unwrap();
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    hub.publish(Publication::joined(name.clone(), user.clone()), Origin::default()).await.unwrap();
    hub.publish(Publication::left(name, user), Origin::default()).await.unwrap();
    settle().await;
    let (behind, before) = (asking.cursor().unwrap(), other.cursor().unwrap());
    assert_eq!((before.log.sequence, behind.log.sequence), (1, 3));
    assert_eq!((&before.sources, before.sources[0].sequence), (&behind.sources, 1));
}

#[tokio::test]
async fn another_server_goes_on_where_this_one_was() {
    let (one, two) = (hub(1, 1000), hub(2, 1000));
    // Two forwarders, 7 and 8; the second server hears them in another order.
    let client = Client::default();
    let attachment = attach(&one, &client);
    attachment.resume(None, ());
    settle().await;
    for number in 0..10 {
        publish_at(&one, number, 7, number, &[(7, number + 1)]).await;
    }
    settle().await;
    assert_eq!(client.numbers(), (0..10).collect::<Vec<_>>());

    for (number, at) in [(5, 2), (6, 3), (0, 0), (1, 1), (11, 4)] {
        let offset = publish_at(&two, number, 8, at, &[(7, 0), (8, at + 1)]).await;
        // The other forwarder has brought the same.
        two.seen_again(offset, Position { epoch: 7, sequence: number });
    }
    for number in [2, 3, 4, 7, 8, 9, 10, 12] {
        publish_at(&two, number, 7, number, &[(7, number + 1), (8, 5)]).await;
    }
    settle().await;
    let again = Client::default();
    let mut attachment = two.attach(again.clone());
    attachment.subscribe(Subject::Everyone).unwrap();
    attachment.resume(client.cursor(), ());
    settle().await;
    let seen = again.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[true][..], &[11, 10, 12][..]));
    // What it had already is before the place that it is told first.
    assert_eq!(seen.told_at, Some(4));
}

#[tokio::test]
async fn what_forwarders_brought_that_are_no_more_is_not_repeated() {
    let hub = hub(1, 1000);
    // One after the other, each restarted: 7, then 8, then 9.
    for (number, epoch, at) in [(0, 7, 0), (1, 7, 1), (2, 8, 0), (3, 8, 1), (4, 9, 0), (5, 9, 1)] {
        publish_at(&hub, number, epoch, at, &[(epoch, at + 1)]).await;
    }
    settle().await;
    for (sources, numbers) in [
        // A server that was started later has never heard of those before.
        (&[(9, 1)][..], &[5][..]),
        (&[(9, 0)], &[4, 5]),
        (&[(9, 2)], &[]),
        // One that was stopped earlier, of those after.
        (&[(7, 1)], &[1, 2, 3, 4, 5]),
        (&[(8, 1), (7, 2)], &[3, 4, 5]),
    ] {
        let sources = sources.iter().map(|&(epoch, sequence)| Position { epoch, sequence }).collect();
        let client = Client::default();
        let attachment = attach(&hub, &client);
        let cursor = Cursor { log: Position { epoch: 2, sequence: 1 }, sources };
        attachment.resume(Some(cursor), ());
        settle().await;
        let seen = client.seen.lock().unwrap();
        assert_eq!((&seen.told[..], &seen.numbers[..]), (&[true][..], numbers));
    }
}

#[tokio::test]
async fn what_a_server_has_missed_itself_is_a_gap_also_to_who_comes_from_another() {
    let hub = hub(1, 1000);
    let cursor_at = |sequence| {
        let log = Position { epoch: 9, sequence: 0 };
        Some(Cursor { log, sources: [Position { epoch: 7, sequence }].into() })
    };
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    hub.publish(Publication::gap(), Origin::default()).await.unwrap();
    hub.source_begins(Position { epoch: 7, sequence: 5 });
    publish_at(&hub, 5, 7, 5, &[(7, 6)]).await;
    // It goes on without a gap after its link broke.
    hub.source_begins(Position { epoch: 7, sequence: 6 });
    publish_at(&hub, 6, 7, 6, &[(7, 7)]).await;
    settle().await;
    for (sequence, complete, numbers) in
        [(1, false, &[5, 6][..]), (3, false, &[5, 6]), (5, true, &[5, 6]), (6, true, &[6])]
    {
        let client = Client::default();
        let attachment = attach(&hub, &client);
        attachment.resume(cursor_at(sequence), ());
        settle().await;
        let seen = client.seen.lock().unwrap();
        assert_eq!((&seen.told[..], &seen.numbers[..]), (&[complete][..], numbers), "from {sequence} on");
    }
}

#[tokio::test]
async fn an_unknown_place_is_a_gap_and_what_comes_since_is_had() {
    let hub = hub(1, 1000);
    hub.publish(publication(0, [Subject::Everyone]), Origin::default()).await.unwrap();
    settle().await;
    let client = Client::default();
    let attachment = attach(&hub, &client);
    let nowhere = Cursor { log: Position { epoch: 99, sequence: 5 }, sources: Arc::default() };
    settle().await;
    attachment.resume(Some(nowhere), ());
    hub.publish(publication(1, [Subject::Everyone]), Origin::default()).await.unwrap();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[false][..], &[1][..]));
}

/// A client that has stalled while each of these channels had ten messages, and then goes on.
async fn stalled_while_busy(rules: Vec<(&str, ChannelRule)>) -> Arc<Mutex<Seen>> {
    let names: Vec<_> = rules.iter().map(|(name, _)| ChannelName::new(name).unwrap()).collect();
    let rules = rules.into_iter().map(|(name, rule)| (name.to_owned(), rule));
    let rules = Arc::new(ChannelRules::new(rules).unwrap());
    let hub = Hub::start(HubOptions { rules, ..options(1, 1000) }).unwrap();
    let client = Client::default();
    let mut attachment = hub.attach(client.clone());
    for name in &names {
        attachment.subscribe(name.clone().into()).unwrap();
    }
    settle().await;
    client.seen.lock().unwrap().full = true;
    for number in 0..10 {
        for (channel, name) in names.iter().enumerate() {
            let number = 100 * channel as u64 + number;
            hub.publish(publication(number, [name.clone().into()]), Origin::default()).await.unwrap();
        }
    }
    settle().await;
    client.seen.lock().unwrap().full = false;
    attachment.has_room();
    settle().await;
    client.seen
}

fn rule(history: HistoryRule, slow: SlowPolicy) -> ChannelRule {
    ChannelRule { history, slow, ..ChannelRule::default() }
}

#[tokio::test]
async fn a_channels_rule_bounds_its_history_and_says_what_becomes_of_who_is_slower() {
    let two = HistoryRule { count: Some(2), ..HistoryRule::default() };
    let seen = stalled_while_busy(vec![
        ("all", ChannelRule::default()),
        ("two", rule(two, SlowPolicy::Gap)),
        ("newest", rule(two, SlowPolicy::Latest)),
        // Three digits each.
        ("bytes", rule(HistoryRule { bytes: Some(9), ..HistoryRule::default() }, SlowPolicy::Gap)),
    ])
    .await;
    let seen = seen.lock().unwrap();
    let of =
        |channel: u64| seen.numbers.iter().copied().filter(move |n| n / 100 == channel).collect::<Vec<_>>();
    assert_eq!(of(0), (0..10).collect::<Vec<_>>());
    assert_eq!((of(1), of(2), of(3)), (vec![108, 109], vec![209], vec![307, 308, 309]));
    assert_eq!((seen.gaps, seen.aborted), (1, false));
}

#[tokio::test]
async fn a_channels_rule_may_end_the_connection_of_who_is_slower() {
    let none = HistoryRule { count: Some(0), ..HistoryRule::default() };
    let seen = stalled_while_busy(vec![("strict", rule(none, SlowPolicy::Disconnect))]).await;
    assert!(seen.lock().unwrap().aborted);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_not_there() {
    let hub = Hub::start(HubOptions {
        shards: 1,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: 1,
        channels_per_connection_max: 1,
        connections_per_user_max: 1,
        rules: Arc::default(),
        log: LogOptions { epoch: 1, bytes_max: 1 << 20, count_max: 1000, age_max: Duration::from_secs(60) },
    })
    .unwrap();
    hub.publish(publication(0, [Subject::Everyone]), Origin::default()).await.unwrap();
    let start = Cursor { log: Position { epoch: 1, sequence: 0 }, sources: Arc::default() };
    settle().await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let client = Client::default();
    let attachment = attach(&hub, &client);
    attachment.resume(Some(start), ());
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], seen.numbers.len()), (&[false][..], 0));
}
