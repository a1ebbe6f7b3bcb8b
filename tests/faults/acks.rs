//! Subscribers that do not say what they have, and receipts all the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pushnote::{AckError, Publisher, Receipt};
use pushnote_tests::{Metrics, PATIENCE, Server};

use crate::raw::{ready, subscribe};
use crate::target::Relay;

/// How long the forwarder waits for servers to confirm a message.
const WAIT: Duration = Duration::from_secs(2);

struct Asker {
    relay: Relay,
    metrics: Metrics,
    publisher: Arc<Publisher>,
}

impl Asker {
    fn start() -> Self {
        let relay = Relay::start(&["--ack=tcp://127.0.0.1:0", "--metrics=127.0.0.1:0"]);
        let ack = relay.process.line_after("ack listening on ");
        let metrics = Metrics::of(&relay.process);
        let builder = Publisher::builder().endpoint(&relay.sub[0]).unwrap().ack_endpoint(&ack).unwrap();
        Self { relay, metrics, publisher: Arc::new(builder.build().unwrap()) }
    }

    async fn ask(&self, text: &str) -> Result<Receipt, AckError> {
        let (publisher, text) = (Arc::clone(&self.publisher), text.to_owned());
        tokio::task::spawn_blocking(move || publisher.notify_all_acked(text, PATIENCE)).await.unwrap()
    }

    /// Asks until so many have it, of so many.
    async fn settle(&self, servers: u64, of: u64) {
        let asked = async {
            while !matches!(self.ask("settle").await, Ok(got) if (got.servers, got.of) == (servers, of)) {}
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("they subscribe");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_never_confirms_is_waited_for_once() {
    let asker = Asker::start();
    let server = Server::start(&asker.relay.publ[0]).subscribed();
    let mut mute = asker.relay.pub_door().enter_as(&ready("SUB", &[]), 1).await;
    mute.say(&subscribe(b"")).await;
    asker.settle(1, 2).await;
    let started = Instant::now();
    for _ in 0..10 {
        let receipt = asker.ask("it is waited for no more").await.unwrap();
        assert_eq!((receipt.servers, receipt.of), (1, 2));
    }
    assert!(started.elapsed() < 5 * WAIT, "{:?} for ten", started.elapsed());
    drop(mute);
    asker.settle(1, 1).await;
    drop(server);
}

/// The server's answer comes while the forwarder stands still for longer than it waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_while_the_forwarder_stood_still_counts() {
    let asker = Asker::start();
    let server = Server::start(&asker.relay.publ[0]).subscribed();
    server.process.signal("-STOP");
    let series = "pushnote_mq_asked_confirmations_total";
    let before = pushnote_tests::sum(&asker.metrics.page(), series);
    let question = asker.ask("are you awake?");
    let stall = async {
        tokio::task::block_in_place(|| asker.metrics.until(series, |asked| asked > before));
        asker.relay.process.signal("-STOP");
        server.process.signal("-CONT");
        tokio::time::sleep(2 * WAIT).await;
        asker.relay.process.signal("-CONT");
    };
    let (receipt, ()) = tokio::join!(question, stall);
    let receipt = receipt.unwrap();
    assert_eq!((receipt.servers, receipt.of), (1, 1));
}
