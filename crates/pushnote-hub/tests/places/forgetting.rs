//! Who comes back late, to this server or to another, after a log that keeps little has forgotten much: nobody is told that
//! nothing is missing when something is, against a model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use pushnote_core::rules::{ChannelRule, ChannelRules, HistoryRule};
use pushnote_core::{Cursor, Position, Subject};
use pushnote_hub::{Attachment, Hub, HubOptions, LogOptions, Origin, Publication};

use crate::client::{Client, Seen, channel, options, publication, settle};

#[derive(Debug, Clone)]
enum Step {
    /// To one subject.
    Publish(usize),
    /// Something did not come, to everybody or to a channel.
    Gap(Option<usize>),
    /// One of the servers did not get what follows, up to the next gap.
    Miss,
    /// Time passes: who hears nothing is told its place.
    Wait,
    /// A client's place is kept for later.
    Save(usize),
    /// A client comes back from a place that was kept, to one of the servers.
    Back(usize, usize, usize),
    /// A new connection subscribes to a channel since a place that was kept.
    Since(usize, usize),
    Stall(usize),
    Room(usize),
}

const CLIENTS: usize = 4;
const CHANNELS: usize = 4;
const SOURCE: u64 = 7;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        16 => (0..=CHANNELS).prop_map(Step::Publish),
        1 => prop::option::of(0..CHANNELS).prop_map(Step::Gap),
        1 => Just(Step::Miss),
        3 => Just(Step::Wait),
        3 => (0..CLIENTS).prop_map(Step::Save),
        3 => (0..CLIENTS, any::<usize>(), 0..2usize).prop_map(|(client, saved, server)| Step::Back(client, saved, server)),
        3 => (any::<usize>(), 0..CHANNELS).prop_map(|(saved, channel)| Step::Since(saved, channel)),
        1 => (0..CLIENTS).prop_map(Step::Stall),
        2 => (0..CLIENTS).prop_map(Step::Room),
    ];
    prop::collection::vec(step, 0..120)
}

fn subject(number: usize) -> Subject {
    if number == CHANNELS { Subject::Everyone } else { channel(number) }
}

/// Client `n` hears everyone's and channel `n`; the first, its channel alone.
fn concerns(client: usize, subject: usize) -> bool {
    (subject == CHANNELS && client != 0) || subject == client
}

/// A place that was kept, with what was had there.
struct Saved {
    cursor: Cursor,
    client: usize,
    numbers: Vec<u64>,
    server: usize,
    /// It had been told of nothing that is missing.
    whole: bool,
}

struct Model {
    hubs: [Hub<Client>; 2],
    clients: Vec<(Client, Attachment<Client>, usize, bool)>,
    /// The subject of each publication; none of a gap.
    published: Vec<Option<usize>>,
    /// To everyone.
    gaps: Vec<u64>,
    missing: bool,
    saved: Vec<Saved>,
}

fn small(epoch: u64) -> Hub<Client> {
    let history = |count, bytes| HistoryRule { count, bytes, ..HistoryRule::default() };
    let rules = [("channel 1", history(Some(2), None)), ("channel 2", history(None, Some(2)))];
    let rules =
        rules.map(|(name, history)| (name.to_owned(), ChannelRule { history, ..ChannelRule::default() }));
    let rules = Arc::new(ChannelRules::new(rules).unwrap());
    let log = LogOptions { epoch, bytes_max: 1 << 20, count_max: 6, age_max: Duration::from_secs(300) };
    Hub::start(HubOptions { rules, log, ..options(epoch, 0) }).unwrap()
}

fn whole(seen: &Seen) -> bool {
    seen.told.iter().all(|complete| *complete) && seen.gaps == 0
}

fn connect(
    hub: &Hub<Client>,
    client: usize,
    numbers: Vec<u64>,
    cursor: Option<Cursor>,
) -> (Client, Attachment<Client>) {
    let seen = Seen { numbers, cursor: cursor.clone(), ..Seen::default() };
    let again = Client { seen: Arc::new(Mutex::new(seen)), deaf: false };
    let mut attachment = hub.attach(again.clone());
    // Live values before the welcome, clients ignore; here they are refused.
    again.seen.lock().unwrap().full = true;
    for of in [CHANNELS, client].into_iter().filter(|of| concerns(client, *of)) {
        attachment.subscribe(subject(of)).unwrap();
    }
    attachment.resume(cursor, ());
    (again, attachment)
}

impl Model {
    async fn start() -> Self {
        let hubs = [small(1), small(2)];
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let (client, attachment) = connect(&hubs[0], number, Vec::new(), None);
            client.seen.lock().unwrap().full = false;
            attachment.has_room();
            clients.push((client, attachment, 0, true));
        }
        settle().await;
        let (published, gaps, saved) = (Vec::new(), Vec::new(), Vec::new());
        Self { hubs, clients, published, gaps, missing: false, saved }
    }

    async fn publish(&mut self, server: usize, publication: Publication, number: u64) {
        let position = Some(Position { epoch: SOURCE, sequence: number });
        let marks = [Position { epoch: SOURCE, sequence: number + 1 }].into();
        self.hubs[server]
            .publish(publication, Origin { position, marks, ..Origin::default() })
            .await
            .unwrap();
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let number = self.published.len() as u64;
        match step {
            Step::Publish(of) => {
                for server in 0..if self.missing { 1 } else { 2 } {
                    self.publish(server, publication(number, [subject(of)]), number).await;
                }
                self.published.push(Some(of));
            }
            Step::Gap(None) => {
                let marks: Arc<[_]> = [Position { epoch: SOURCE, sequence: number }].into();
                // What one server has missed, the other tells nobody.
                let caught_up = std::mem::take(&mut self.missing);
                for hub in &self.hubs[usize::from(caught_up)..] {
                    let origin = Origin { marks: marks.clone(), ..Origin::default() };
                    hub.publish(Publication::gap(), origin).await.unwrap();
                }
                if caught_up {
                    self.hubs[1].source_begins(marks[0]);
                } else {
                    self.gaps.push(number);
                }
            }
            Step::Gap(Some(of)) => {
                for server in 0..if self.missing { 1 } else { 2 } {
                    let gap = Publication::gap_for([subject(of)].into_iter().collect());
                    self.publish(server, gap, number).await;
                }
                self.published.push(None);
            }
            Step::Miss => self.missing = true,
            Step::Wait => {
                settle().await;
                tokio::time::advance(Duration::from_secs(16)).await;
            }
            Step::Save(client) => {
                let (seen, _, server, whole_before) = &self.clients[client];
                let seen = seen.seen.lock().unwrap();
                if let Some(cursor) = seen.cursor.clone() {
                    let whole = *whole_before && whole(&seen);
                    let (numbers, server) = (seen.numbers.clone(), *server);
                    self.saved.push(Saved { cursor, client, numbers, server, whole });
                }
            }
            Step::Back(client, saved, server) => self.back(client, saved, server).await,
            Step::Since(saved, of) => return self.since(saved, of).await,
            Step::Stall(client) => self.clients[client].0.seen.lock().unwrap().full = true,
            Step::Room(client) => {
                let (client, attachment, ..) = &self.clients[client];
                client.seen.lock().unwrap().full = false;
                attachment.has_room();
            }
        }
        Ok(())
    }

    async fn back(&mut self, client: usize, saved: usize, server: usize) {
        let of: Vec<_> = self.saved.iter().filter(|saved| saved.client == client).collect();
        let Some(Saved { cursor, numbers, whole, .. }) = of.get(saved % of.len().max(1)) else {
            return;
        };
        // What a server is yet to be told that it missed, it cannot know.
        let server = if self.missing { 0 } else { server };
        self.clients[client].0.seen.lock().unwrap().full = true;
        let (again, attachment) = connect(&self.hubs[server], client, numbers.clone(), Some(cursor.clone()));
        settle().await;
        again.seen.lock().unwrap().full = false;
        attachment.has_room();
        self.clients[client] = (again, attachment, server, *whole);
    }

    async fn since(&self, saved: usize, of: usize) -> Result<(), TestCaseError> {
        let Some(Saved { cursor, server, .. }) = self.saved.get(saved % self.saved.len().max(1)) else {
            return Ok(());
        };
        settle().await;
        let (client, place) = (Client::default(), cursor.sources.first().map_or(0, |place| place.sequence));
        let mut attachment = self.hubs[*server].attach(client.clone());
        attachment.subscribe(Subject::Everyone).unwrap();
        attachment.resume(None, ());
        attachment.subscribe_since(subject(of), Some(cursor.clone()), Some(())).unwrap();
        settle().await;
        let seen = client.seen.lock().unwrap();
        if seen.told.len() == 2 && whole(&seen) && !(self.missing && *server == 1) {
            let expected = self.published.iter().enumerate().skip(place as usize);
            let expected: Vec<_> =
                expected.filter(|(_, subject)| **subject == Some(of)).map(|(n, _)| n as u64).collect();
            prop_assert_eq!(&seen.past, &expected);
            // Gaps at or behind it may have been told; those that surely were not, were missed.
            prop_assert!(self.gaps.iter().all(|gap| *gap <= place), "a gap at {:?} since {place}", self.gaps);
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), TestCaseError> {
        for client in 0..CLIENTS {
            self.step(Step::Room(client)).await?;
        }
        settle().await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        settle().await;
        for (number, (client, _, server, whole_before)) in self.clients.iter().enumerate() {
            let seen = client.seen.lock().unwrap();
            if *whole_before && whole(&seen) && !(self.missing && *server == 1) {
                let mine = self
                    .published
                    .iter()
                    .enumerate()
                    .filter(|(_, of)| of.is_some_and(|of| concerns(number, of)));
                let mine: Vec<_> = mine.map(|(n, _)| n as u64).collect();
                prop_assert_eq!(&seen.numbers, &mine, "client {} at {}", number, server);
                prop_assert!(self.gaps.is_empty(), "client {number} has not heard of a gap");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_said_to_be_complete_of_which_something_was_forgotten(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut model = Model::start().await;
            for step in steps {
                model.step(step).await?;
            }
            model.check().await
        })?;
    }
}

#[tokio::test]
async fn what_everybody_has_missed_may_have_been_of_a_channel_too() {
    let hub = small(1);
    let client = Client::default();
    let mut attachment = hub.attach(client.clone());
    attachment.subscribe(channel(0)).unwrap();
    attachment.resume(None, ());
    hub.publish(publication(0, [channel(0)]), Origin::default()).await.unwrap();
    attachment.history(channel(0), 5, ());
    settle().await;
    hub.publish(Publication::gap(), Origin::default()).await.unwrap();
    settle().await;
    attachment.history(channel(0), 5, ());
    attachment.history(channel(0), 1, ());
    settle().await;
    assert_eq!(client.seen.lock().unwrap().told, [true, true, false, true]);
}
