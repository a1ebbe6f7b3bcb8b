//! What the fan-out itself costs, from `publish` to the last of a shard's receivers, which only count: a regression net.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Subject, UserId};
use pushnote_hub::{
    Attachment, Batch, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

fn options() -> HubOptions {
    HubOptions {
        shards: 1,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: 1,
        channels_per_connection_max: 1,
        connections_per_user_max: 1,
        rules: Arc::default(),
        log: LogOptions { epoch: 1, bytes_max: 1 << 20, count_max: 1000, age_max: Duration::from_secs(3600) },
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    to_everyone(&mut criterion);
    to_one_user(&mut criterion);
    criterion.final_summary();
}

fn to_everyone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish to everyone");
    for receivers in [1, 1_000, 10_000] {
        let crowd = Crowd::gather(receivers);
        for messages in [1, 16] {
            group.throughput(Throughput::Elements(receivers * messages));
            group.bench_function(format!("{receivers} receivers, {messages} in flight"), |bencher| {
                bencher.iter(|| crowd.publish(messages, &Audience::everyone(), receivers * messages));
            });
        }
    }
}

/// Must cost that user's connection only.
fn to_one_user(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish to one user");
    group.throughput(Throughput::Elements(1));
    for receivers in [1, 100_000] {
        let crowd = Crowd::gather(receivers);
        let audience = Audience::users([user(receivers / 2)]);
        group.bench_function(format!("among {receivers} receivers"), |bencher| {
            bencher.iter(|| crowd.publish(1, &audience, 1));
        });
    }
}

fn user(n: u64) -> UserId {
    UserId::new(&n.to_string()).expect("an id")
}

/// A shard and its receivers, each of a user of its own, on one thread.
struct Crowd {
    runtime: Runtime,
    hub: Hub<Counting>,
    tally: Arc<Tally>,
    _attachments: Vec<Attachment<Counting>>,
}

impl Crowd {
    fn gather(receivers: u64) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let tally = Arc::new(Tally::default());
        let hub = runtime.block_on(async { Hub::start(options()).expect("no window, no thread") });
        let attach = |n| {
            let mut attachment = hub.attach(Counting(Arc::clone(&tally)));
            attachment.subscribe(Subject::Everyone).expect("it has no limit");
            attachment.subscribe(Subject::User(user(n))).expect("within the limits");
            attachment
        };
        let attachments = (0..receivers).map(attach).collect();
        let crowd = Self { runtime, hub, tally, _attachments: attachments };
        // Once it is through, the shard has attached them all.
        crowd.publish(1, &Audience::everyone(), receivers);
        crowd
    }

    /// Publishes `messages` at once and returns when they have become so many `deliveries`.
    fn publish(&self, messages: u64, audience: &Audience, deliveries: u64) {
        self.tally.missing.store(deliveries, Relaxed);
        self.runtime.block_on(async {
            for _ in 0..messages {
                let publication =
                    Publication::new(Bytes::from_static(b"\"Hi all!\""), None, audience.clone());
                self.hub.publish(publication, Origin::default()).await.expect("the shard lives");
            }
            self.tally.complete.notified().await;
        });
    }
}

#[derive(Default)]
struct Tally {
    /// Deliveries still to come.
    missing: AtomicU64,
    complete: Notify,
}

struct Counting(Arc<Tally>);

impl Receiver for Counting {
    type Encodings = ();
    type Notice = ();

    fn deliver(&self, batch: &Batch<()>) -> Delivery {
        let delivered = batch.len() as u64;
        if self.0.missing.fetch_sub(delivered, Relaxed) == delivered {
            self.0.complete.notify_one();
        }
        Delivery::Accepted
    }

    fn tell(&self, (): &(), _: &Place) -> Delivery {
        Delivery::Accepted
    }

    fn place(&self, _: &Cursor) {}

    fn gap(&self, _: Option<&ChannelName>, _: &Cursor) -> Option<Delivery> {
        None
    }

    fn close(&self, _code: CloseCode) {}

    fn abort(&self, _code: CloseCode) {}
}
