//! What did not come at all: whoever asks for messages by requests is told, each in the way of its protocol.

use std::time::Duration;

use pushnote_tests::requests::{Answer, begin, rest};
use pushnote_tests::{LossyPublisher, Metrics, PATIENCE};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::site::{LOCATIONS, Relay, named};

const PUBLIC: &str = r#"--channels={ prefix = "public.", public = true }"#;

struct Setup {
    relay: Relay,
    publisher: LossyPublisher,
    lost: u32,
}

impl Setup {
    async fn start() -> Self {
        let relay = Relay::with(LOCATIONS, &[PUBLIC, "--metrics=127.0.0.1:0"]);
        let publisher = LossyPublisher::connect(&relay.single.endpoint);
        let mut setup = Self { relay, publisher, lost: 0 };
        setup.publishes("relay/begun", &json!(0), "/interval/begun").await;
        setup
    }

    /// Publishes a message that is there then.
    async fn publishes(&mut self, channel: &str, data: &Value, seen_at: &str) {
        self.publisher.publish(channel, data).await;
        self.until(seen_at).await;
    }

    async fn until(&self, path: &str) {
        let there = async {
            while self.relay.get(path).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, there).await.expect("the message that was published");
    }

    /// One message is lost on its way, nobody knows of which channel. The server knows when this returns.
    async fn loses_one(&mut self) {
        self.lost += 1;
        let (channel, path) = (format!("relay/lost{}", self.lost), format!("/interval/lost{}", self.lost));
        self.publisher.lose_one_before(&channel, &json!(0)).await;
        self.until(&path).await;
    }

    async fn stream(&self, query: &str) -> Answer {
        self.relay.get(&format!("/streams/public.a?{query}")).await
    }
}

fn gap(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("pushnote-gap"))
}

async fn ends(stream: TcpStream) -> Answer {
    timeout(PATIENCE, rest(stream)).await.expect("an end")
}

#[tokio::test]
async fn a_subscriber_of_a_relay_location_is_told_of_what_did_not_come() {
    let mut setup = Setup::start().await;
    setup.relay.post("/pub/a", "1").await;
    let first = setup.relay.get("/sub/a").await;
    setup.loses_one().await;
    // Nothing has followed; then the next message, and to who names only a time, too.
    let nothing = setup.relay.after("/interval/a", &first).await;
    assert_eq!(gap(&nothing), (204, Some("true")));
    setup.relay.post("/pub/a", "2").await;
    let second = setup.relay.after("/sub/a", &first).await;
    assert_eq!((second.text(), gap(&second)), ("2", (200, Some("true"))));
    let by_time = setup.relay.ask("GET", "/sub/a", &named(&first)[..1], b"").await;
    assert_eq!((by_time.text(), gap(&by_time)), ("2", (200, Some("true"))));
    // Once: it has been told, and so has who comes anew.
    setup.relay.post("/pub/a", "3").await;
    let third = setup.relay.after("/sub/a", &second).await;
    assert_eq!((third.text(), gap(&third)), ("3", (200, None)));
    let oldest = setup.relay.get("/sub/a").await;
    assert_eq!((oldest.text(), gap(&oldest)), ("1", (200, None)));
    let metrics = Metrics::of(&setup.relay.single.server.process);
    metrics.until("pushnote_server_relay_gaps_total", |gaps| gaps == 3.0);

    // Who waits meanwhile.
    let waiting = setup.relay.hold("/sub/a", &named(&third), 1).await;
    setup.loses_one().await;
    setup.relay.post("/pub/a", "4").await;
    let fourth = ends(waiting).await;
    assert_eq!((fourth.text(), gap(&fourth)), ("4", (200, Some("true"))));
}

#[tokio::test]
async fn a_reader_of_a_stream_is_told_of_what_did_not_come() {
    let mut setup = Setup::start().await;
    let reads = "/streams/public.a?offset=-1";
    setup.publishes("public.a", &json!(1), reads).await;
    let first = setup.stream("offset=-1").await;
    assert_eq!(first.text(), "[1]");
    let place = first.header("stream-next-offset").unwrap().to_owned();
    // Who waits and who listens are told when it happens, and whoever comes back.
    let waiting = format!("/streams/public.a?live=long-poll&offset={place}");
    let waiting = begin(setup.relay.address(), "GET", &waiting, &[], b"").await;
    let listening = format!("/streams/public.a?live=sse&offset={place}");
    let listening = begin(setup.relay.address(), "GET", &listening, &[], b"").await;
    setup.loses_one().await;
    assert_eq!(ends(waiting).await.status, 410);
    let listened = ends(listening).await;
    assert!(!listened.text().contains("event: data"), "{listened:?}");
    for live in ["", "live=long-poll&", "live=sse&"] {
        let answer = setup.stream(&format!("{live}offset={place}")).await;
        assert_eq!(answer.status, 410, "{live}: {answer:?}");
    }
    // Who has begun anew with what is left is not told again.
    let again = setup.stream("offset=-1").await;
    assert_eq!(again.text(), "[1]");
    setup.publisher.publish("public.a", &json!(2)).await;
    let next = again.header("stream-next-offset").unwrap();
    let behind = setup.stream(&format!("live=long-poll&offset={next}")).await;
    assert_eq!(behind.text(), "[2]");
}

#[tokio::test]
async fn who_reads_a_stream_in_pieces_from_its_beginning_comes_past_what_is_missing() {
    let mut setup = Setup::start().await;
    let long = "x".repeat(50_000);
    for number in 0..4 {
        setup.publisher.publish("public.a", &json!([number, long])).await;
    }
    setup.loses_one().await;
    setup.publishes("relay/end", &json!(0), "/interval/end").await;
    setup.publisher.publish("public.a", &json!(["last"])).await;
    let numbers = |answer: &Answer| -> Vec<Value> {
        let list: Vec<Value> = serde_json::from_str(answer.text()).unwrap();
        list.iter().map(|one| one[0].clone()).collect()
    };
    let begun = setup.stream("offset=-1").await;
    assert_eq!(numbers(&begun), [0, 1]);
    let next = begun.header("stream-next-offset").unwrap().to_owned();
    let rest = setup.stream(&format!("offset={next}")).await;
    assert_eq!(numbers(&rest)[..2], [2, 3]);
    // Who was there before does not.
    let plain = next.rsplit_once('_').unwrap().0;
    assert_eq!(plain.len(), 33, "{next}");
    assert_eq!(setup.stream(&format!("offset={plain}")).await.status, 410);
}
