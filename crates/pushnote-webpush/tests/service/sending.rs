//! Jobs, and what becomes of them.

use std::time::{Duration, Instant, SystemTime};

use pushnote_webpush::{Audience, Outcome, Progress, Recipients, Service};

use crate::place::{Place, message};
use crate::support::MockService;

fn everyone() -> Audience {
    Recipients::Everyone.into()
}

#[tokio::test]
async fn each_answer_has_its_consequence() {
    let service = MockService::tls().await;
    let mut place = Place::new().await;
    for path in ["ok", "404", "410", "413", "400", "302", "401", "key", "once500", "once503"] {
        place.subscribe(path, None, &service.endpoint(&format!("/{path}/x"))).await;
    }
    assert_eq!(place.jobs.enqueue("m", &everyone(), &message(), None).await.unwrap().devices, 10);
    assert_eq!(place.jobs.waiting(), 10);
    let sender = place.sender(&service, 8);
    let events = place.events(10).await;
    let expected = [
        ("302", Outcome::Refused),
        ("400", Outcome::Refused),
        ("401", Outcome::Unauthorized),
        ("404", Outcome::Gone),
        ("410", Outcome::Gone),
        ("413", Outcome::TooLarge),
        ("key", Outcome::WrongKey),
        ("ok", Outcome::Accepted),
        ("once500", Outcome::Accepted),
        ("once503", Outcome::Accepted),
    ];
    assert_eq!(events, expected.map(|(user, outcome)| (user.to_owned(), outcome)));
    let progress = Progress { accepted: 3, gone: 2, failed: 5, ..Progress::default() };
    assert_eq!(place.jobs.progress("m").await.unwrap(), Some(progress));
    assert_eq!((place.jobs.waiting(), place.subscriptions.count()), (0, 8));
    assert_eq!(sender.counters().outcomes(Service::Other, Outcome::Accepted), 3);
    assert!(sender.counters().retries(Service::Other) >= 2);
    let ok = &place.subscriptions.of("ok").await.unwrap()[0];
    assert!(ok.last_ok.is_some());
    let key = &place.subscriptions.of("key").await.unwrap()[0];
    assert_eq!((key.wrong_key, key.failures), (1, 1));
    assert!(place.subscriptions.of("404").await.unwrap().is_empty());
    // The third time, it is deleted.
    for id in ["m2", "m3"] {
        let to = Recipients::Users(vec!["key".to_owned()]).into();
        place.jobs.enqueue(id, &to, &message(), None).await.unwrap();
        place.events(1).await;
    }
    assert_eq!(place.subscriptions.count(), 7);
    sender.stop().await;
}

#[tokio::test]
async fn a_service_that_has_had_too_much_is_left_alone_and_gets_everything_later() {
    let service = MockService::tls().await;
    let mut place = Place::new().await;
    place.subscribe("user", None, &service.endpoint("/once429/x")).await;
    for number in 0..19 {
        place.subscribe(&format!("user{number}"), None, &service.endpoint(&format!("/wait/{number}"))).await;
    }
    place.jobs.enqueue("m", &everyone(), &message(), None).await.unwrap();
    let begun = Instant::now();
    let sender = place.sender(&service, 4);
    let events = place.events(20).await;
    assert!(events.iter().all(|(_, outcome)| *outcome == Outcome::Accepted), "{events:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(service.in_flight_max() <= 4, "{}", service.in_flight_max());
    assert_eq!((service.requests(), sender.counters().pauses(Service::Other)), (21, 1));
    sender.stop().await;
}

#[tokio::test]
async fn a_subscription_gets_its_messages_one_after_the_other() {
    let service = MockService::tls().await;
    let mut place = Place::new().await;
    place.subscribe("ann", None, &service.endpoint("/wait/x")).await;
    for id in ["1", "2", "3", "4"] {
        place.jobs.enqueue(id, &everyone(), &message(), None).await.unwrap();
    }
    let sender = place.sender(&service, 32);
    place.events(4).await;
    assert_eq!((service.requests(), service.overlapped()), (4, Vec::new()));
    sender.stop().await;
}

#[tokio::test]
async fn a_restart_loses_nothing_and_repeats_what_was_under_way() {
    let service = MockService::tls().await;
    let mut place = Place::new().await;
    for number in 0..10 {
        place.subscribe("ann", None, &service.endpoint(&format!("/wait/{number}"))).await;
    }
    place.subscribe("ann", None, &service.endpoint("/slow/x")).await;
    place.jobs.enqueue("m", &everyone(), &message(), None).await.unwrap();
    let sender = place.sender(&service, 32);
    place.events(10).await;
    // As a kill does.
    drop(sender);
    let mut place = place.restarted().await;
    assert_eq!(place.jobs.waiting(), 1);
    let sender = place.sender(&service, 32);
    while service.asked()["/slow/x"] < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.requests(), 12);
    assert!(place.no_more_events());
    drop(sender);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let service = MockService::plain().await;
    let place = Place::new().await;
    for number in 0..50 {
        place.subscribe(&format!("{number}"), None, &service.endpoint(&format!("/wait/{number}"))).await;
    }
    place.jobs.enqueue("m", &everyone(), &message(), None).await.unwrap();
    let sender = place.sender(&service, 8);
    while service.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sender.stop().await;
    let progress = place.jobs.progress("m").await.unwrap().unwrap();
    assert_eq!(progress.accepted, u64::from(service.requests()));
    assert_eq!(progress.queued + progress.accepted, 50);
}

#[tokio::test]
async fn an_audience_is_whom_it_names() {
    let place = Place::new().await;
    for (user, group, url) in [
        ("ann", Some("red"), "https://push.example/1"),
        ("ann", None, "https://push.example/2"),
        ("bob", Some("red"), "https://push.example/3"),
        ("cid", Some("blue"), "https://web.push.apple.com/4"),
    ] {
        place.subscribe(user, group, url).await;
    }
    let users = |users: &[&str]| Recipients::Users(users.iter().map(|&user| user.to_owned()).collect());
    let mut number = 0;
    let mut devices = async |audience: Audience, message| {
        number += 1;
        place.jobs.enqueue(&number.to_string(), &audience, &message, None).await.unwrap()
    };
    assert_eq!(devices(everyone(), message()).await.devices, 4);
    assert_eq!(devices(Recipients::Group("red".to_owned()).into(), message()).await.devices, 2);
    assert_eq!(devices(Recipients::Group("' OR 1=1".to_owned()).into(), message()).await.devices, 0);
    let some = devices(users(&["ann", "dan", "cid", "ann", "é\"\u{0}"]).into(), message()).await;
    assert_eq!((some.devices, some.without_device), (3, vec!["dan".to_owned(), "é\"\u{0}".to_owned()]));
    let except = |to| Audience { to, except: vec!["ann".to_owned(), "eve".to_owned()] };
    assert_eq!(devices(except(Recipients::Everyone), message()).await.devices, 2);
    assert_eq!(devices(except(users(&["ann"])), message()).await.devices, 0);
    // Nothing is shown for it: not for Apple.
    let mut quiet = message();
    quiet.quiet = true;
    assert_eq!(devices(everyone(), quiet).await.devices, 3);
    let known = place.jobs.enqueue("1", &everyone(), &message(), None).await.unwrap();
    assert_eq!((known.devices, known.known), (4, true));
}

#[tokio::test]
async fn what_is_cancelled_or_too_late_is_not_sent() {
    let service = MockService::plain().await;
    let mut place = Place::new().await;
    place.subscribe("ann", None, &service.endpoint("/ok/1")).await;
    place.subscribe("bob", None, &service.endpoint("/ok/2")).await;
    place.subscribe("cid", None, &service.endpoint("/ok/3")).await;
    let later = SystemTime::now() + Duration::from_secs(2);
    place.jobs.enqueue("later", &everyone(), &message(), Some(later)).await.unwrap();
    place.jobs.enqueue("late", &everyone(), &message().ttl(Duration::from_secs(1)), None).await.unwrap();
    place.jobs.enqueue("now", &everyone(), &message().ttl(Duration::ZERO), None).await.unwrap();
    assert_eq!(place.jobs.cancel("later", &["bob".to_owned()]).await.unwrap(), 1);
    assert_eq!(place.jobs.cancel("later", &["bob".to_owned()]).await.unwrap(), 0);
    assert_eq!(place.jobs.cancel("never", &["bob".to_owned()]).await.unwrap(), 0);
    // A device that is somebody else's by now.
    place.subscribe("dan", None, &service.endpoint("/ok/3")).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let sender = place.sender(&service, 8);
    place.events(5).await;
    while place.jobs.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let progress = async |id| place.jobs.progress(id).await.unwrap().unwrap();
    let expected = Progress { accepted: 1, gone: 1, cancelled: 1, ..Progress::default() };
    assert_eq!(progress("later").await, expected);
    assert_eq!(progress("late").await, Progress { expired: 2, gone: 1, ..Progress::default() });
    assert_eq!(progress("now").await, Progress { accepted: 2, gone: 1, ..Progress::default() });
    assert!(SystemTime::now() >= later);
    let ttls: Vec<_> = service.received().iter().map(|received| received.headers["ttl"].clone()).collect();
    assert_eq!(ttls, ["0", "0", "600"]);
    assert_eq!(place.subscriptions.count(), 3, "it is still there");
    sender.stop().await;
}
