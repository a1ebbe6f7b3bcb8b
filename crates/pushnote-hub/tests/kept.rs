//! A log that is kept beyond its process: what pages see is what is kept, and the next run goes on with it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Position, Subject};
use pushnote_hub::{
    Attachment, Batch, Delivery, Hub, HubOptions, Keep, KeptLog, LogOptions, Origin, Place, Publication,
    Receiver, Recovered, Waiting,
};
use tokio::sync::watch;

/// A disk that writes when it is told to.
#[derive(Debug)]
struct Disk {
    records: Mutex<Vec<(u64, Bytes)>>,
    /// Records that it takes.
    room: watch::Sender<usize>,
    /// The place before which all is kept, or why not.
    kept: watch::Sender<Result<u64, String>>,
    /// An earlier run, and where it ended.
    earlier: Option<(u64, u64)>,
}

impl Disk {
    fn new(earlier: Option<(u64, u64)>) -> Arc<Self> {
        let (room, kept) = (watch::Sender::new(usize::MAX), watch::Sender::new(Ok(0)));
        Arc::new(Self { records: Mutex::default(), room, kept, earlier })
    }

    fn has_kept(&self, kept: Result<u64, String>) {
        self.kept.send_modify(|now| *now = kept);
    }

    fn has_room_for(&self, records: usize) {
        self.room.send_modify(|now| *now = records);
    }
}

impl Keep for Disk {
    fn keep(&self, offset: u64, body: &Bytes) -> bool {
        let mut records = self.records.lock().unwrap();
        let fits = records.len() < *self.room.borrow();
        if fits {
            records.push((offset, body.clone()));
        }
        fits
    }

    fn room(&self) -> Waiting<'_, ()> {
        let mut room = self.room.subscribe();
        Box::pin(async move { room.changed().await.unwrap() })
    }

    fn kept(&self, place: u64) -> Waiting<'_, Result<(), String>> {
        let mut kept = self.kept.subscribe();
        Box::pin(async move {
            let kept = kept.wait_for(|kept| !kept.as_ref().is_ok_and(|kept| *kept < place)).await.unwrap();
            kept.clone().map(|_| ())
        })
    }

    fn holds(&self, epoch: u64, place: u64) -> bool {
        self.earlier.is_some_and(|(earlier, end)| epoch == earlier && place <= end)
    }
}

/// What a page has been sent, and whether it was told that nothing is missing.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<(Vec<String>, Vec<bool>)>>);

impl Page {
    fn had(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn told(&self) -> Vec<bool> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Receiver for Page {
    type Encodings = ();
    type Notice = ();

    fn deliver(&self, batch: &Batch<()>) -> Delivery {
        let payloads = batch.payloads().map(|data| String::from_utf8(data.to_vec()).unwrap());
        self.0.lock().unwrap().0.extend(payloads);
        Delivery::Accepted
    }

    fn tell(&self, (): &(), place: &Place) -> Delivery {
        let mut seen = self.0.lock().unwrap();
        seen.1.push(place.complete);
        let past = place.publications.iter().filter_map(|publication| publication.data());
        seen.0.extend(past.map(|data| String::from_utf8(data.to_vec()).unwrap()));
        Delivery::Accepted
    }

    fn place(&self, _: &Cursor) {}

    fn gap(&self, _: Option<&ChannelName>, _: &Cursor) -> Option<Delivery> {
        Some(Delivery::Accepted)
    }

    fn close(&self, _: CloseCode) {}

    fn abort(&self, _: CloseCode) {}
}

fn hub(epoch: u64, disk: &Arc<Disk>, next_offset: u64, recovered: Vec<Recovered>) -> Hub<Page> {
    let options = HubOptions {
        shards: 1,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: 1,
        channels_per_connection_max: 1,
        connections_per_user_max: 1,
        rules: Arc::default(),
        log: LogOptions { epoch, bytes_max: 1 << 20, count_max: 1000, age_max: Duration::from_secs(3600) },
    };
    Hub::go_on(options, Some(KeptLog { keep: Arc::clone(disk) as _, next_offset, recovered })).unwrap()
}

fn attach(hub: &Hub<Page>) -> (Page, Attachment<Page>) {
    let page = Page::default();
    let mut attachment = hub.attach(page.clone());
    attachment.subscribe(Subject::Everyone).unwrap();
    (page, attachment)
}

async fn publish(hub: &Hub<Page>, data: &'static str) -> u64 {
    let publication = Publication::new(Bytes::from_static(data.as_bytes()), None, Audience::everyone());
    hub.publish(publication, Origin::default()).await.unwrap()
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_sees_what_is_not_kept_yet() {
    let disk = Disk::new(None);
    let hub = hub(1, &disk, 0, Vec::new());
    let (page, _attachment) = attach(&hub);
    let offset = publish(&hub, "1").await;
    publish(&hub, "2").await;
    settle().await;
    assert!(page.had().is_empty());
    disk.has_kept(Ok(1));
    hub.kept(Some(offset)).await.unwrap();
    disk.has_kept(Ok(2));
    hub.kept(None).await.unwrap();
    settle().await;
    assert_eq!(page.had(), ["1", "2"]);
}

#[tokio::test]
async fn what_cannot_be_kept_is_delivered_all_the_same_and_that_is_told() {
    let disk = Disk::new(None);
    let hub = hub(1, &disk, 0, Vec::new());
    let (page, _attachment) = attach(&hub);
    disk.has_kept(Err("full".to_owned()));
    let offset = publish(&hub, "1").await;
    assert_eq!(hub.kept(Some(offset)).await, Err("full".to_owned()));
    settle().await;
    assert_eq!(page.had(), ["1"]);
}

#[tokio::test]
async fn who_publishes_waits_for_room_and_nothing_is_left_out() {
    let disk = Disk::new(None);
    let hub = hub(1, &disk, 0, Vec::new());
    disk.has_room_for(1);
    publish(&hub, "1").await;
    let waiting = tokio::spawn({
        let hub = hub.clone();
        async move { publish(&hub, "2").await }
    });
    settle().await;
    assert!(!waiting.is_finished());
    disk.has_room_for(2);
    assert_eq!(waiting.await.unwrap(), 1);
    let offsets: Vec<_> = disk.records.lock().unwrap().iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 1]);
}

#[tokio::test]
async fn the_next_run_goes_on_and_cursors_of_the_one_before_hold() {
    let disk = Disk::new(None);
    disk.has_kept(Ok(u64::MAX));
    let first = hub(1, &disk, 0, Vec::new());
    for data in ["1", "2", "3"] {
        publish(&first, data).await;
    }
    let records = std::mem::take(&mut *disk.records.lock().unwrap());
    let recovered = records.iter().map(|(_, body)| Recovered::read(body, Duration::ZERO).unwrap()).collect();
    let disk = Disk::new(Some((1, 3)));
    disk.has_kept(Ok(u64::MAX));
    let hub = hub(2, &disk, 3, recovered);

    assert_eq!(publish(&hub, "4").await, 3);
    settle().await;
    let of_earlier: [(_, _, &[&str]); 4] = [
        ((1, 1), true, &["2", "3", "4"]),
        ((1, 3), true, &["4"]),
        ((1, 4), false, &[]), // was given out, and lost
        ((7, 1), false, &[]),
    ];
    for ((epoch, sequence), complete, had) in of_earlier {
        let cursor = Cursor { log: Position { epoch, sequence }, sources: Arc::default() };
        let (page, attachment) = attach(&hub);
        attachment.resume(Some(cursor.clone()), ());
        let subscribed = Page::default();
        let mut attachment = hub.attach(subscribed.clone());
        attachment.subscribe_since(Subject::Everyone, Some(cursor), Some(())).unwrap();
        settle().await;
        for page in [page, subscribed] {
            let had: Vec<_> = had.iter().map(|data| (*data).to_owned()).collect();
            assert_eq!((page.told(), page.had()), (vec![complete], had));
        }
    }
}
