//! What a service says, and what the client makes of it.

use std::time::{Duration, Instant};

use http::{StatusCode, Version};
use pushnote_webpush::{Client, Guard, Key, KeyId, Keys, Message, Topic, Urgency, Vapid, Verdict};

use crate::place::{self, subscription};
use crate::support::MockService;

/// A client that may ask this machine, and trusts the service.
fn client(service: &MockService) -> (Client, KeyId) {
    let key = Key::generate().unwrap();
    let id = key.id();
    (place::client(service, &Keys::new(key, Vec::new())), id)
}

fn message() -> Message {
    Message::new("hello").unwrap().ttl(Duration::from_secs(60))
}

async fn verdict(service: &MockService, path: &str) -> Verdict {
    let (client, key) = client(service);
    client.send(&subscription(&service.endpoint(path)), key, &message()).await.verdict
}

#[tokio::test]
async fn each_answer_has_its_verdict() {
    for service in [MockService::tls().await, MockService::tls_http_1().await, MockService::plain().await] {
        for (path, expected) in [
            ("/ok/a", Verdict::Accepted),
            ("/201/a", Verdict::Accepted),
            ("/404/a", Verdict::Gone),
            ("/410/a", Verdict::Gone),
            ("/413/a", Verdict::TooLarge),
            ("/429/a", Verdict::Paused(Duration::from_secs(1))),
            ("/500/a", Verdict::Later),
            ("/503/a", Verdict::Paused(Duration::from_secs(1))),
            ("/400/a", Verdict::Refused),
            ("/302/a", Verdict::Refused),
            ("/key/a", Verdict::WrongKey),
            ("/endless/a", Verdict::Accepted),
        ] {
            assert_eq!(verdict(&service, path).await, expected, "{path}");
        }
        assert!(!service.asked().contains_key("/ok/redirected"), "no redirect is followed");
    }
}

#[tokio::test]
async fn requests_are_as_the_rfcs_want_them() {
    let service = MockService::tls().await;
    let (client, key) = client(&service);
    let topic: Topic = "score-42".parse().unwrap();
    let message = message().urgency(Urgency::High).topic(topic);
    let subscribed = subscription(&service.endpoint("/ok/w/?token=a%2fb%3d"));
    assert_eq!(client.send(&subscribed, key, &message).await.status, Some(StatusCode::CREATED));
    assert_eq!(client.send(&subscribed, key, &Message::without_payload()).await.verdict, Verdict::Accepted);
    let received = service.received();
    let header = |at: usize, name: &str| received[at].headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(received[0].version, Version::HTTP_2);
    assert_eq!(received[0].path, "/ok/w/?token=a%2fb%3d", "byte for byte");
    assert_eq!(header(0, "ttl"), Some("60"));
    assert_eq!(header(0, "urgency"), Some("high"));
    assert_eq!(header(0, "topic"), Some("score-42"));
    assert_eq!(header(0, "content-encoding"), Some("aes128gcm"));
    assert_eq!(header(0, "content-type"), Some("application/octet-stream"));
    assert_eq!(header(0, "content-length"), Some(&*received[0].body.len().to_string()));
    assert_eq!(received[0].body.len(), 86 + 5 + 1 + 16);
    assert!(header(0, "authorization").unwrap().starts_with("vapid t=ey"));
    assert_eq!(header(0, "authorization"), header(1, "authorization"), "one token for both");
    assert_eq!((received[1].body.len(), header(1, "content-encoding")), (0, None));
    assert_eq!(header(1, "content-length"), Some("0"));
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_believed_is_made_anew_once() {
    let service = MockService::tls().await;
    assert_eq!(verdict(&service, "/once401/a").await, Verdict::Accepted);
    assert_eq!(verdict(&service, "/once403/a").await, Verdict::Accepted);
    assert_eq!(verdict(&service, "/401/a").await, Verdict::Unauthorized);
    assert_eq!(service.asked()["/401/a"], 2);
}

#[tokio::test]
async fn who_is_not_trusted_is_told_nothing() {
    let (service, other) = (MockService::tls().await, MockService::tls().await);
    let (client, key) = client(&other);
    let answer = client.send(&subscription(&service.endpoint("/ok/a")), key, &message()).await;
    assert_eq!((answer.verdict, answer.status), (Verdict::Later, None));
    assert!(answer.reason.contains("certificate"), "{}", answer.reason);
    assert_eq!(service.requests(), 0);
}

#[tokio::test]
async fn without_leave_nobody_inside_is_asked() {
    let service = MockService::plain().await;
    let key = Key::generate().unwrap();
    let id = key.id();
    let vapid = Vapid::new(Keys::new(key, Vec::new()), "mailto:ops@example.com".parse().unwrap());
    let client = Client::new(vapid, Guard::default(), &[]).unwrap();
    let port = service.address.port();
    for url in [
        service.endpoint("/ok/a"),
        format!("https://127.0.0.1:{port}/ok/a"),
        "https://127.0.0.1/ok/a".to_owned(),
        "https://localhost/ok/a".to_owned(),
    ] {
        let answer = client.send(&subscription(&url), id, &message()).await;
        assert_eq!((answer.verdict, answer.status), (Verdict::Refused, None), "{url}");
        assert!(answer.reason.starts_with("not asked: "), "{}", answer.reason);
    }
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_key_that_is_not_here_asks_nobody() {
    let service = MockService::plain().await;
    let (client, _) = client(&service);
    let answer = client.send(&subscription(&service.endpoint("/ok/a")), KeyId([7; 8]), &message()).await;
    assert_eq!(answer.verdict, Verdict::Refused);
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn answers_that_are_hostile_cost_a_bounded_time_and_memory() {
    for service in [MockService::tls().await, MockService::tls_http_1().await] {
        let begun = Instant::now();
        let (trickle, headers, slow) = tokio::join!(
            verdict(&service, "/trickle/a"),
            verdict(&service, "/headers/a"),
            verdict(&service, "/slow/a"),
        );
        assert_eq!(trickle, Verdict::Accepted, "the head says so");
        assert_eq!(headers, Verdict::Later);
        assert_eq!(slow, Verdict::Later);
        assert!((14..18).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}
