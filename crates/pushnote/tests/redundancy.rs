//! Several endpoints, and answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pushnote::{AckError, Obstacle, Publisher, Receipt};
use pushnote_zmtp::{Options, Responder, Subscriber};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn subscriber(endpoint: &str) -> (Subscriber, String) {
    let subscriber = Subscriber::bind(&endpoint.parse().unwrap(), Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    (subscriber, endpoint)
}

async fn responder() -> (Responder, String) {
    let mut responder = Responder::new(Options::default());
    responder.bind_also(&"tcp://127.0.0.1:*".parse().unwrap()).await.unwrap();
    let endpoint = responder.local_endpoints()[0].to_string();
    (responder, endpoint)
}

/// An endpoint where nobody listens.
fn nobody() -> String {
    let folder = tempfile::tempdir().unwrap();
    format!("ipc://{}/nobody", folder.path().display())
}

async fn next(subscriber: &mut Subscriber) -> Value {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("no message in time").unwrap();
    serde_json::from_slice(&message.into_single().unwrap()).unwrap()
}

/// Runs what blocks beside the runtime.
async fn blocking<T: Send + 'static>(
    publisher: &Arc<Publisher>,
    call: impl FnOnce(&Publisher) -> T + Send + 'static,
) -> T {
    let publisher = Arc::clone(publisher);
    tokio::task::spawn_blocking(move || call(&publisher)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_gets_every_message_under_the_same_number() {
    let (mut one, first) = subscriber("tcp://127.0.0.1:*").await;
    let (mut other, second) = subscriber("tcp://127.0.0.1:*").await;
    let builder = Publisher::builder().endpoint(&format!("{first}, {second}")).unwrap();
    let publisher = builder.build().unwrap();
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    for number in 0..100 {
        let envelope = next(&mut one).await;
        assert_eq!(envelope["data"], number);
        assert_eq!(envelope, next(&mut other).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_holds_up_nobody() {
    let (mut one, first) = subscriber("tcp://127.0.0.1:*").await;
    let builder = Publisher::builder().endpoint(&first).unwrap().endpoint(&nobody()).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    for number in 0..1000 {
        publisher.notify_all(number).unwrap();
    }
    for number in 0..1000 {
        assert_eq!(next(&mut one).await["data"], number);
    }
    assert_eq!(blocking(&publisher, |publisher| publisher.flush(PATIENCE)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_takes_nothing_holds_up_nobody() {
    let (mut one, first) = subscriber("tcp://127.0.0.1:*").await;
    let (_stuck, second) = subscriber("tcp://127.0.0.1:*").await; // nobody reads it
    let builder = Publisher::builder().endpoint(&format!("{first},{second}")).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    let reading = tokio::spawn(async move {
        for number in 0..20_000 {
            assert_eq!(next(&mut one).await["data"][0], number);
        }
    });
    let filler = "x".repeat(2000); // far more than the kernel's buffers hold
    for number in 0..20_000 {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while publisher.notify_all((number, &filler)).is_err() {
            assert!(tokio::time::Instant::now() < deadline, "the queue stays full");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    timeout(PATIENCE, reading).await.expect("held up").unwrap();
    assert_eq!(blocking(&publisher, |publisher| publisher.flush(PATIENCE)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_keep_their_order_and_bring_a_receipt() {
    let (mut desk, endpoint) = responder().await;
    let builder = Publisher::builder().endpoint(&nobody()).unwrap().ack_endpoint(&endpoint).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    let answering = tokio::spawn(async move {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let request = timeout(PATIENCE, desk.recv()).await.unwrap();
            let envelope: Value = serde_json::from_slice(request.body().unwrap()).unwrap();
            ids.push(envelope["publication"].as_str().unwrap().to_owned());
            request.answer(br#"{"id":"e/7","servers":2,"of":3}"#);
        }
        let request = timeout(PATIENCE, desk.recv()).await.unwrap();
        request.answer(br#"{"error":"not today"}"#);
        let request = timeout(PATIENCE, desk.recv()).await.unwrap();
        request.answer(br#"{"error":"not now","retry":true}"#);
        // The answer is written as long as the desk is there.
        (ids, desk)
    });
    let receipt = blocking(&publisher, |publisher| publisher.notify_all_acked("x", PATIENCE)).await.unwrap();
    assert_eq!(receipt, Receipt { id: "e/7".into(), servers: 2, of: 3 });
    blocking(&publisher, |publisher| publisher.notify_acked(json!({}), [42], PATIENCE)).await.unwrap();
    let refused =
        blocking(&publisher, |publisher| publisher.notify_all_acked(1, PATIENCE)).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: not today");
    let not_taken =
        blocking(&publisher, |publisher| publisher.notify_all_acked(1, PATIENCE)).await.unwrap_err();
    assert!(matches!(&not_taken, AckError::NotTaken(why) if why == "not now"), "{not_taken}");
    let (ids, _desk) = answering.await.unwrap();
    assert!(ids[0].ends_with("-a/0") && ids[1].ends_with("-a/1"), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_the_better_answer_counts_and_one_that_is_away_none() {
    let (mut desk, endpoint) = responder().await;
    let builder = Publisher::builder().endpoint(&nobody()).unwrap();
    let builder = builder.ack_endpoint(&format!("{},{endpoint}", nobody())).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    tokio::spawn(async move {
        loop {
            desk.recv().await.answer(br#"{"id":"e/1","servers":1,"of":1}"#);
        }
    });
    let receipt = blocking(&publisher, |publisher| publisher.notify_all_acked("x", PATIENCE)).await.unwrap();
    assert_eq!(receipt.servers, 1);
}

/// Takes connections, says it is a ROUTER, and reads nothing more.
async fn stuck() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

async fn greet(listener: &TcpListener) -> TcpStream {
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
    greeting[12..16].copy_from_slice(b"NULL");
    peer.write_all(&greeting).await.unwrap();
    peer.write_all(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER").await.unwrap();
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_one_that_reads_nothing_costs_no_message_its_number() {
    const MESSAGES: usize = 400;
    const SOON: Duration = Duration::from_millis(20);
    let (mut desk, endpoint) = responder().await;
    let (listener, other) = stuck().await;
    let builder = Publisher::builder().endpoint(&nobody()).unwrap();
    let builder = builder.ack_endpoint(&format!("{endpoint},{other}")).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    let _peer = greet(&listener).await;
    let answering = tokio::spawn(async move {
        let mut ids = HashSet::new();
        while ids.len() < MESSAGES {
            let request = timeout(PATIENCE, desk.recv()).await.expect("a number was used twice");
            let envelope: Value = serde_json::from_slice(request.body().unwrap()).unwrap();
            assert!(ids.insert(envelope["publication"].as_str().unwrap().to_owned()), "for another message");
            request.answer(br#"{"id":"e/1","servers":1,"of":1}"#);
        }
        desk
    });
    // Before there is a connection, what nobody waits for any more is not asked at all.
    let connected = async {
        while blocking(&publisher, |publisher| publisher.notify_all_acked(0, SOON)).await.is_err() {}
    };
    timeout(PATIENCE, connected).await.expect("the one that reads does not answer");
    let text = "x".repeat(60_000);
    for number in 0..MESSAGES {
        let data = json!([number, text]);
        let sent = move |publisher: &Publisher| publisher.notify_all_acked(data, SOON);
        match blocking(&publisher, sent).await {
            Ok(_) | Err(AckError::NoAnswer { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let _desk = answering.await.unwrap();
}

#[test]
fn without_an_answer_there_is_an_error() {
    let publisher = Publisher::builder().endpoint(&nobody()).unwrap().build().unwrap();
    let error = publisher.notify_all_acked("x", PATIENCE).unwrap_err();
    assert!(matches!(error, AckError::NotConfigured), "{error}");

    let endpoint = nobody();
    let builder = Publisher::builder().endpoint(&endpoint).unwrap().ack_endpoint(&endpoint).unwrap();
    let error = builder.build().unwrap().notify_all_acked("x", Duration::from_millis(50)).unwrap_err();
    let text = format!(
        "no answer within 50ms from {endpoint} (not connected to {endpoint}); the message may have arrived all the same"
    );
    assert_eq!(error.to_string(), text);
    assert!(matches!(error, AckError::NoAnswer { obstacle: Some(Obstacle::NotConnected), .. }));
}
