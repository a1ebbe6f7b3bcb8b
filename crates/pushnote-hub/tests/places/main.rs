//! Everyone has a place in the log: order, and each publication once, across live delivery, reading on and resuming,
//! against a model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod elsewhere;
mod forgetting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use pushnote_core::rules::{ChannelRule, ChannelRules, HistoryRule, SlowPolicy};
use pushnote_core::{ChannelName, Cursor, Position, Subject, UserId};
use pushnote_hub::{Attachment, Hub, HubOptions, LogOptions, Origin, Publication};

use client::{Client, Seen, attach, channel, hub, options, publication, publish_at, settle};

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
async fn who_was_away_from_a_quiet_channel_has_missed_nothing_although_its_place_has_left_the_log() {
    let hub = hub(1, 10);
    hub.publish(publication(0, [channel(1)]), Origin::default()).await.unwrap();
    settle().await;
    let client = Client::default();
    let attachment = hub.attach(client.clone());
    attachment.resume(None, ());
    settle().await;
    let left = client.cursor().unwrap();
    // The quiet channel's own message leaves the log, too: it was had. Of another, one was missed.
    for number in 1..100 {
        let of = if number == 50 { channel(2) } else { channel(3) };
        hub.publish(publication(number, [of]), Origin::default()).await.unwrap();
    }
    settle().await;
    for (of, complete) in [(1, true), (2, false), (4, true)] {
        let back = Client::default();
        let mut attachment = hub.attach(back.clone());
        attachment.subscribe(channel(of)).unwrap();
        attachment.resume(Some(left.clone()), ());
        settle().await;
        let seen = back.seen.lock().unwrap();
        assert_eq!((&seen.told[..], &seen.numbers[..]), (&[complete][..], &[][..]), "channel {of}");
    }
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
    // What is before its place, with the answer; the rest it reads on, in order.
    let all: Vec<_> = seen.past.iter().chain(&seen.numbers).copied().collect();
    assert_eq!((all, &seen.told[..]), ((0..6).collect(), &[true, true][..]));
}

#[tokio::test]
async fn a_subscription_that_is_renewed_since_long_ago_brings_what_was_before_it_alone() {
    let hub = hub(1, 1 << 20);
    let client = Client::default();
    let mut attachment = attach(&hub, &client);
    attachment.resume(None, ());
    settle().await;
    let start = client.cursor().unwrap();
    for number in 0..3 {
        hub.publish(publication(number, [channel(1)]), Origin::default()).await.unwrap();
    }
    settle().await;
    attachment.subscribe(channel(1)).unwrap();
    settle().await;
    for number in 3..10_000 {
        hub.publish(publication(number, [channel(1)]), Origin::default()).await.unwrap();
    }
    settle().await;
    attachment.subscribe_since(channel(1), Some(start), Some(())).unwrap();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.past[..], &seen.told[..]), (&[0, 1, 2][..], &[true, true][..]));
    assert!(seen.numbers.iter().copied().eq(3..10_000));
}

#[tokio::test]
async fn a_subscription_since_a_place_further_on_brings_nothing_from_before() {
    let hub = hub(1, 100);
    let client = Client::default();
    let mut attachment = attach(&hub, &client);
    settle().await;
    client.seen.lock().unwrap().full = true;
    for number in 0..8 {
        let of = if number % 2 == 0 { channel(1) } else { Subject::Everyone };
        hub.publish(publication(number, [of]), Origin::default()).await.unwrap();
    }
    let since = Cursor { log: Position { epoch: 1, sequence: 5 }, sources: Arc::default() };
    attachment.subscribe_since(channel(1), Some(since), Some(())).unwrap();
    settle().await;
    client.seen.lock().unwrap().full = false;
    attachment.has_room();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.past[..], &seen.numbers[..]), (&[][..], &[1, 3, 5, 6, 7][..]));
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
