//! A client that the tests look into.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Position, Subject};
use pushnote_hub::{
    Attachment, Batch, Content, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver,
};

/// What a client has had, and whether it takes more.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) numbers: Vec<u64>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) full: bool,
    /// Of the notices: whether nothing was missing.
    pub(crate) told: Vec<bool>,
    /// What came with them.
    pub(crate) past: Vec<u64>,
    pub(crate) gaps: usize,
    pub(crate) aborted: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// It cannot be told of gaps.
    pub(crate) deaf: bool,
}

impl Client {
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.seen.lock().unwrap().numbers.clone()
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.seen.lock().unwrap().cursor.clone()
    }
}

impl Client {
    /// The same, on another connection: what is on its way to the old one, it does not get.
    pub(crate) fn elsewhere(&self) -> Self {
        let mut seen = self.seen.lock().unwrap();
        seen.full = true;
        let (numbers, cursor) = (seen.numbers.clone(), seen.cursor.clone());
        let seen = Seen { numbers, cursor, ..Seen::default() };
        Self { seen: Arc::new(Mutex::new(seen)), deaf: false }
    }
}

pub(crate) fn number(data: &Bytes) -> u64 {
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
        seen.gaps += batch.publications().filter(|one| *one.content() == Content::Gap).count();
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
        Delivery::Accepted
    }

    fn place(&self, cursor: &Cursor) {
        let mut seen = self.seen.lock().unwrap();
        if !seen.full {
            seen.cursor = Some(cursor.clone());
        }
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

pub(crate) fn hub(epoch: u64, count_max: usize) -> Hub<Client> {
    Hub::start(options(epoch, count_max)).unwrap()
}

pub(crate) fn options(epoch: u64, count_max: usize) -> HubOptions {
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

pub(crate) fn channel(number: usize) -> Subject {
    Subject::Channel(ChannelName::new(&format!("channel {number}")).unwrap())
}

pub(crate) fn publication(number: u64, subjects: impl IntoIterator<Item = Subject>) -> Publication {
    let audience: Audience = subjects.into_iter().collect();
    Publication::new(Bytes::from(number.to_string()), None, audience)
}

/// Lets the shards do all that they can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn attach(hub: &Hub<Client>, client: &Client) -> Attachment<Client> {
    let mut attachment = hub.attach(client.clone());
    attachment.subscribe(Subject::Everyone).unwrap();
    attachment
}

/// The publication that a forwarder has at this place in its stream.
pub(crate) async fn publish_at(
    hub: &Hub<Client>,
    number: u64,
    epoch: u64,
    sequence: u64,
    marks: &[(u64, u64)],
) -> u64 {
    let marks =
        marks.iter().map(|(epoch, sequence)| Position { epoch: *epoch, sequence: *sequence }).collect();
    let origin = Origin { position: Some(Position { epoch, sequence }), marks, ..Origin::default() };
    hub.publish(publication(number, [Subject::Everyone]), origin).await.unwrap()
}
