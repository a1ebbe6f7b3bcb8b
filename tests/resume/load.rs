//! Numbered messages at a steady rate, and pages that take note of what they get.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pushnote::Publisher;
use pushnote_tests::{Account, Page};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};

/// A thousand messages a second.
const TICK: Duration = Duration::from_millis(10);
const MESSAGES_PER_TICK: u64 = 10;

/// Of what a page had last, so much tells whether it has come to the end: many times what publishers overtake each other.
const END: usize = 1000;

/// Publishers that take turns: of two, one publishes the even numbers and the other one the odd ones.
pub(crate) struct Load {
    published: Arc<AtomicU64>,
    publishing: JoinHandle<()>,
    publishers: u64,
    end: watch::Sender<Option<u64>>,
    pages: JoinSet<Page>,
}

impl Load {
    /// Begins: each of so many publishers sends to all these endpoints. `fill` bytes are added to each message.
    pub(crate) fn start(endpoints: &[&str], publishers: u64, fill: usize) -> Self {
        let each: Vec<_> = (0..publishers).map(|_| publisher(endpoints)).collect();
        let published = Arc::new(AtomicU64::new(0));
        let publishing = tokio::spawn(publish(each, "x".repeat(fill), Arc::clone(&published)));
        let (end, pages) = (watch::channel(None).0, JoinSet::new());
        Self { published, publishing, publishers, end, pages }
    }

    /// Waits until as many more have been published.
    pub(crate) async fn publishes(&self, messages: u64) {
        let enough = self.published.load(Relaxed) + messages;
        while self.published.load(Relaxed) < enough {
            sleep(TICK).await;
        }
    }

    /// Lets a page read on, at one of these servers whenever it is disconnected.
    pub(crate) fn is_followed_by(&mut self, mut page: Page, addresses: &[&str]) {
        let addresses: Vec<_> = addresses.iter().map(|address| (*address).to_owned()).collect();
        let (end, publishers) = (self.end.subscribe(), self.publishers);
        self.pages.spawn(async move {
            page.follow(&addresses, |page| end.borrow().is_some_and(|end| is_at(page, end, publishers)))
                .await;
            page
        });
    }

    /// Waits until all pages have what was published until now. What became of it, for each of them.
    pub(crate) async fn ends(mut self) -> Vec<Account> {
        let end = self.published.load(Relaxed);
        self.end.send_replace(Some(end));
        let mut accounts = Vec::new();
        while let Some(page) = self.pages.join_next().await {
            let page = page.expect("a page that follows to the end");
            let account = page.account(self.publishers);
            eprintln!("{end} published, {} connections, {} gaps: {account:?}", page.connections, page.gaps());
            assert!(account.had + account.missed + account.lost >= end);
            accounts.push(account);
        }
        self.publishing.abort();
        accounts
    }
}

/// Each page has had everything, once and in order.
#[track_caller]
pub(crate) fn nothing_is_missing(accounts: &[Account]) {
    for account in accounts {
        let Account { missed, lost, doubled, .. } = *account;
        assert_eq!((missed, lost, doubled), (0, 0, 0), "{accounts:?}");
    }
}

/// Each page has had everything, in order. What a forwarder that was killed had passed on to one server and not to the other one
/// yet, may have come twice to who went from the one to the other: a few ticks' messages.
#[track_caller]
pub(crate) fn nothing_is_missing_and_few_came_twice(accounts: &[Account]) {
    for account in accounts {
        let Account { missed, lost, doubled, .. } = *account;
        assert!((missed, lost) == (0, 0) && doubled <= 5 * MESSAGES_PER_TICK, "{accounts:?}");
    }
}

/// Nothing came twice or out of order, and pages know what they miss.
#[track_caller]
pub(crate) fn nothing_is_missing_silently(accounts: &[Account]) {
    for account in accounts {
        assert_eq!((account.lost, account.doubled), (0, 0), "{accounts:?}");
    }
}

/// Whether the page has something of each publisher from the last turn before the end, or a later one.
fn is_at(page: &Page, end: u64, publishers: u64) -> bool {
    let last = |publisher| move |number: u64| number % publishers == publisher && number + publishers >= end;
    (0..publishers).all(|publisher| page.had().rev().take(END).any(last(publisher)))
}

fn publisher(endpoints: &[&str]) -> Publisher {
    let builder = endpoints.iter().fold(Publisher::builder(), |builder, one| builder.endpoint(one).unwrap());
    builder.build().unwrap()
}

async fn publish(each: Vec<Publisher>, fill: String, published: Arc<AtomicU64>) {
    let mut tick = interval(TICK);
    loop {
        tick.tick().await;
        for _ in 0..MESSAGES_PER_TICK {
            let number = published.load(Relaxed);
            let publisher = &each[(number % each.len() as u64) as usize];
            // A full queue is the publisher's way to say: later.
            while publisher.notify_all(json!({"n": number, "fill": fill})).is_err() {
                sleep(TICK).await;
            }
            published.fetch_add(1, Relaxed);
        }
    }
}
