//! Somebody who does nothing wrong, and must not notice anything.

use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Browser, PATIENCE};
use pushnote_zmtp::{Options, Subscriber};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

const PAUSE: Duration = Duration::from_millis(2);
/// What passes at once, passes in this time even where two suites and a build share two cores.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(2);

/// Where what is published arrives.
pub(crate) enum Ear {
    Subscriber(Box<Subscriber>),
    Browser(Box<Browser>),
}

impl Ear {
    pub(crate) fn subscriber(endpoint: &str) -> Self {
        let endpoint = endpoint.parse().expect("an endpoint");
        Self::Subscriber(Box::new(Subscriber::connect(endpoint, Options::default())))
    }

    pub(crate) async fn browser(url: &str) -> Self {
        Self::Browser(Box::new(Browser::open(url).await))
    }

    /// The data of the next message; nothing, if it is no envelope.
    pub(crate) async fn next(&mut self) -> Value {
        match self {
            Self::Browser(browser) => browser.next().await,
            Self::Subscriber(subscriber) => {
                let message = subscriber.recv().await.expect("an open socket");
                let envelope = message.into_single().ok().and_then(|body| serde_json::from_slice(&body).ok());
                envelope.map_or(Value::Null, |mut envelope: Value| envelope["data"].take())
            }
        }
    }
}

/// The last number heard, and the longest that one was under way.
type Heard = Option<(u64, Duration)>;

/// Publishes numbers all the time, and hears them.
pub(crate) struct Witness {
    stop: oneshot::Sender<()>,
    publishing: JoinHandle<(Publisher, u64)>,
    heard: watch::Receiver<Heard>,
    hearing: JoinHandle<()>,
}

impl Witness {
    /// Begins to publish to `endpoint`; returns when `ear` hears it.
    pub(crate) async fn start(endpoint: &str, ear: Ear) -> Self {
        let publisher = publisher(endpoint);
        let epoch = Instant::now();
        let (stop, stopped) = oneshot::channel();
        let publishing = tokio::spawn(publish(publisher, epoch, stopped));
        let (hear, mut heard) = watch::channel(None);
        let hearing = tokio::spawn(listen(ear, epoch, hear));
        let first = timeout(PATIENCE, heard.wait_for(Option::is_some)).await;
        first.expect("nothing is heard").expect("a listener");
        Self { stop, publishing, heard, hearing }
    }

    /// Asserts that everything published since the start was heard, in order and at once; returns the longest
    /// that a message was under way.
    pub(crate) async fn noticed_nothing(mut self) -> Duration {
        self.stop.send(()).expect("a publisher");
        let (_publisher, last) = self.publishing.await.expect("a publisher");
        let all = self.heard.wait_for(|heard| heard.is_some_and(|(number, _)| number == last));
        let all = timeout(PATIENCE, all).await.map(|heard| heard.ok().and_then(|heard| *heard));
        match all {
            Ok(Some((_, longest))) => {
                self.hearing.abort();
                assert!(longest < AT_ONCE, "a message took {longest:?}");
                longest
            }
            // The listener panicked: it knows why.
            Ok(None) => panic!("{:?}", self.hearing.await),
            Err(_) => panic!("{last} was published, but of it only heard {:?}", self.heard.borrow()),
        }
    }
}

async fn publish(
    publisher: Publisher,
    epoch: Instant,
    mut stopped: oneshot::Receiver<()>,
) -> (Publisher, u64) {
    let mut tick = interval(PAUSE);
    for number in 0_u64.. {
        tick.tick().await;
        let at = epoch.elapsed().as_micros() as u64;
        publisher.notify_all((number, at)).expect("room in the queue");
        if stopped.try_recv().is_ok() {
            return (publisher, number);
        }
    }
    unreachable!("there are more numbers");
}

async fn listen(mut ear: Ear, epoch: Instant, hear: watch::Sender<Heard>) {
    let (mut last, mut longest) = (None, Duration::ZERO);
    loop {
        let data = ear.next().await;
        // What others publish is none of its business.
        let (Some(number), Some(at)) = (data[0].as_u64(), data[1].as_u64()) else { continue };
        assert!(last.is_none_or(|last| number == last + 1), "after {last:?} came {number}");
        last = Some(number);
        longest = longest.max(epoch.elapsed().saturating_sub(Duration::from_micros(at)));
        hear.send_replace(Some((number, longest)));
    }
}

pub(crate) fn publisher(endpoint: &str) -> Publisher {
    Publisher::builder().endpoint(endpoint).expect("an endpoint").build().expect("a publisher")
}

/// How long a new publisher and a new listener need until one hears the other.
pub(crate) async fn newcomers_meet(endpoint: &str, mut ear: Ear) -> Duration {
    let started = Instant::now();
    let publisher = publisher(endpoint);
    let mut again = interval(Duration::from_millis(20));
    let meeting = async {
        loop {
            tokio::select! {
                // A full queue is a fair answer while nobody takes anything.
                _ = again.tick() => drop(publisher.notify_all("knock")),
                data = ear.next() => if data == *"knock" { return },
            }
        }
    };
    assert!(timeout(PATIENCE, meeting).await.is_ok(), "newcomers to {endpoint} do not meet");
    started.elapsed()
}

/// Publishes a mark and reads up to it: everything before it has been delivered, and no more is on its way.
pub(crate) async fn settle(publisher: &Publisher, browser: &mut Browser, mark: &str) {
    publisher.notify_all(mark).expect("room in the queue");
    while browser.next().await != *mark {}
}
