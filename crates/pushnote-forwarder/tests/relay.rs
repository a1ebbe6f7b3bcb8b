//! The relay in this process, between our own sockets.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_forwarder::{Forwarder, Settings, Totals, Way};
use pushnote_zmtp::{Endpoint, Options, Publisher, Requester, SlowSubscriber, Subscriber};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:*".parse().unwrap()
}

fn listening() -> Settings {
    Settings {
        sub: vec![Way::Listen(any_port())],
        r#pub: vec![Way::Listen(any_port())],
        ..Settings::default()
    }
}

struct Running {
    sub: Vec<Endpoint>,
    r#pub: Vec<Endpoint>,
    ack: Vec<Endpoint>,
    stop: oneshot::Sender<()>,
    totals: JoinHandle<Totals>,
}

impl Running {
    async fn start(settings: Settings) -> Self {
        let forwarder = Forwarder::bind(settings).await.unwrap();
        let (sub, r#pub) = (forwarder.sub_endpoints().to_vec(), forwarder.pub_endpoints().to_vec());
        let ack = forwarder.ack_endpoints().to_vec();
        let (stop, stopped) = oneshot::channel();
        let totals = tokio::spawn(forwarder.run(async {
            let _ = stopped.await;
        }));
        Running { sub, r#pub, ack, stop, totals }
    }

    async fn stop(self) -> Totals {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.totals).await.unwrap().unwrap()
    }
}

async fn next(subscriber: &mut Subscriber) -> Vec<u8> {
    timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap().into_single().unwrap().to_vec()
}

/// Knocks until the subscriber hears, and until it has heard all of it.
async fn join(publisher: &Publisher, subscriber: &mut Subscriber, topic: &str) {
    let mut knocks = 0;
    let mut last = String::new();
    loop {
        while let Ok(message) = timeout(Duration::from_millis(20), subscriber.recv()).await {
            if *message.unwrap().into_single().unwrap() == *last.as_bytes() {
                return;
            }
        }
        knocks += 1;
        assert!(knocks < 500, "never heard");
        last = format!("{topic} knock {knocks}");
        publisher.send(&last).await.unwrap();
    }
}

#[tokio::test]
async fn everything_passes_in_order_to_everybody() {
    let relay = Running::start(listening()).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let mut subscriber = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
        join(&publisher, &mut subscriber, "").await;
        subscribers.push(subscriber);
    }
    for number in 0..2000_usize {
        publisher.send(format!("{number} {}", "x".repeat(number * 37 % 5000))).await.unwrap();
    }
    for subscriber in &mut subscribers {
        for number in 0..2000 {
            let prefix = format!("{number} ");
            loop {
                let payload = next(subscriber).await;
                if payload.starts_with(b" knock") {
                    continue;
                }
                assert!(payload.starts_with(prefix.as_bytes()));
                break;
            }
        }
    }
    let totals = relay.stop().await;
    assert_eq!((totals.sent.dropped, totals.received.messages), (0, totals.sent.messages));
}

#[tokio::test]
async fn only_what_was_subscribed_to_leaves() {
    let relay = Running::start(listening()).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let topics = vec!["news.".into(), "news.sport".into(), "x".into()];
    let mut some = Subscriber::connect(relay.r#pub[0].clone(), Options { topics, ..Options::default() });
    join(&publisher, &mut some, "x").await;
    let sent = ["news", "news.a", "weather", "news.sport", "", "xyz", "news.b", "y", "x"];
    for text in sent {
        publisher.send(text).await.unwrap();
    }
    for text in ["news.a", "news.sport", "xyz", "news.b", "x"] {
        assert_eq!(next(&mut some).await, text.as_bytes());
    }
}

#[tokio::test]
async fn both_ends_can_connect_and_have_several_endpoints() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let settings = Settings {
        sub: vec![Way::Connect(publisher.local_endpoint().unwrap().clone()), Way::Listen(any_port())],
        r#pub: vec![Way::Connect(subscriber.local_endpoint().unwrap().clone()), Way::Listen(any_port())],
        ..Settings::default()
    };
    let relay = Running::start(settings).await;
    timeout(PATIENCE, publisher.subscribed()).await.unwrap();
    publisher.send("by one way").await.unwrap();
    assert_eq!(next(&mut subscriber).await, b"by one way");
    let other = Publisher::connect(relay.sub[0].clone(), Options::default());
    other.send("by the other").await.unwrap();
    assert_eq!(next(&mut subscriber).await, b"by the other");
    let mut second = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&other, &mut second, "").await;
}

#[tokio::test]
async fn what_was_received_is_delivered_before_it_stops() {
    let relay = Running::start(listening()).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut subscriber = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut subscriber, "").await;
    for number in 0..3000 {
        publisher.send(format!("{number:01000}")).await.unwrap();
    }
    assert_eq!(next(&mut subscriber).await.len(), 1000);
    let received_before = subscriber.stats().messages;
    let totals = relay.stop().await;
    assert!(totals.received.messages >= received_before);
    while subscriber.stats().messages < totals.received.messages {
        timeout(PATIENCE, subscriber.recv()).await.expect("a message was left behind");
    }
}

#[tokio::test]
async fn a_relay_that_waits_loses_nothing_to_a_slow_subscriber() {
    let options =
        Options { slow_subscriber: SlowSubscriber::Wait, queue_bytes_max: 100_000, ..Options::default() };
    let relay = Running::start(Settings { options, ..listening() }).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut slow = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut slow, "").await;
    let sending = async {
        for number in 0..30_000 {
            publisher.send(format!("{number:01000}")).await.unwrap();
        }
    };
    let receiving = async {
        for number in 0..30_000 {
            assert!(next(&mut slow).await == format!("{number:01000}").as_bytes());
            if number % 3000 == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await; // it is slow, and what is behind it waits
            }
        }
    };
    tokio::join!(sending, receiving);
    assert_eq!(relay.stop().await.sent.dropped, 0);
}

#[tokio::test]
async fn a_relay_that_waits_and_is_stopped_loses_nothing_it_has() {
    let options =
        Options { slow_subscriber: SlowSubscriber::Wait, queue_bytes_max: 100_000, ..Options::default() };
    let relay = Running::start(Settings { options, drain: PATIENCE, ..listening() }).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut slow = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut slow, "").await;
    let before = slow.stats().messages;
    // It does not read, until the relay waits for it and its publisher for the relay.
    for number in 0.. {
        let sent = publisher.send(format!("{number:05} {}", "x".repeat(20_000)));
        if timeout(Duration::from_millis(500), sent).await.is_err() {
            break;
        }
    }
    let (totals, _) = tokio::join!(relay.stop(), async {
        let mut last = None;
        while let Ok(message) = timeout(Duration::from_secs(2), next(&mut slow)).await {
            let number: u32 = std::str::from_utf8(&message[..5]).unwrap().parse().unwrap();
            assert_eq!(number, last.map_or(0, |last| last + 1));
            last = Some(number);
        }
    });
    assert!(totals.received.messages > before + 100);
    assert_eq!(slow.stats().messages, totals.received.messages);
}

#[tokio::test]
async fn who_is_behind_gets_the_rest_from_the_history_before_it_stops() {
    let options = Options { queue_bytes_max: 100_000, history_bytes_max: 64 << 20, ..Options::default() };
    let relay = Running::start(Settings { options, drain: PATIENCE, ..listening() }).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut slow = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut slow, "").await;
    let before = slow.stats().messages;
    for number in 0..3000 {
        publisher.send(format!("{number:08000}")).await.unwrap();
    }
    publisher.flush().await;
    // What it holds, what the system holds and its queue do not add up to that.
    let (totals, ()) = tokio::join!(relay.stop(), async {
        while let Ok(Some(_)) = timeout(Duration::from_secs(2), slow.recv()).await {}
    });
    assert!(totals.received.messages > before + 1500);
    assert_eq!(slow.stats().messages, totals.received.messages);
}

#[tokio::test]
async fn what_was_asked_is_answered_before_it_stops() {
    let settings = Settings { ack: vec![any_port()], drain: PATIENCE, ..listening() };
    let relay = Running::start(settings).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut slow = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut slow, "").await;
    for _ in 0..100 {
        publisher.send(vec![0; 20_000]).await.unwrap(); // more than it reads ahead
    }
    publisher.flush().await;
    let requester = Requester::connect(relay.ack[0].clone(), Options::default());
    let question = br#"{"name":"notify_all","data":"who has it?"}"#;
    let mut reply = requester.request(question).unwrap();
    assert!(
        timeout(Duration::from_millis(500), &mut reply).await.is_err(),
        "the relay waits for the slow one"
    );
    let (_, (), reply) = tokio::join!(
        relay.stop(),
        async { while next(&mut slow).await != question {} },
        timeout(PATIENCE, reply)
    );
    assert!(reply.unwrap().ends_with(br#""servers":1,"of":1}"#));
}

#[tokio::test]
async fn a_subscriber_that_stays_slow_is_disconnected_if_so_told() {
    let policy = SlowSubscriber::Disconnect(Duration::from_millis(200));
    let options = Options { slow_subscriber: policy, queue_bytes_max: 100_000, ..Options::default() };
    let relay = Running::start(Settings { options, ..listening() }).await;
    let publisher = Publisher::connect(relay.sub[0].clone(), Options::default());
    let mut slow = Subscriber::connect(relay.r#pub[0].clone(), Options::default());
    join(&publisher, &mut slow, "").await;
    let flood = async {
        loop {
            publisher.send(vec![0; 60_000]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let _: Result<(), _> = timeout(Duration::from_secs(4), flood).await;
    let totals = relay.stop().await;
    assert_eq!(totals.sent.closed_for("slow_subscriber"), 1, "{totals:?}");
}
