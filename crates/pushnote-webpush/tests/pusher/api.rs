//! Each call of solidwebpush's `Pusher`, and what it did wrong.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pushnote_webpush::{
    Added, Forbidden, Message, Progress, Pusher, PusherError, PusherOptions, Subscription, SubscriptionError,
    Verdict,
};

use crate::browser::Browser;
use crate::place::Place;

fn message() -> Message {
    Message::new("Hello World").unwrap()
}

fn browser(place: &Place, path: &str) -> Browser {
    Browser::at(&place.service.endpoint(path))
}

#[test]
fn keys_in_each_form() {
    let place = Place::new();
    let pusher = place.pusher();
    let key = pusher.key();
    // getPublicKey, getB64PublicKey, getUrlB64PublicKey, and the same of the private one.
    assert_eq!((key.public_bytes().len(), key.public_bytes()[0]), (65, 4));
    assert_eq!(STANDARD.decode(key.public_base64()).unwrap(), key.public_bytes());
    assert_eq!(URL_SAFE_NO_PAD.decode(key.public_base64url()).unwrap(), key.public_bytes());
    assert_eq!(STANDARD.decode(&*key.private_base64()).unwrap(), &key.private_bytes()[..]);
    assert_eq!(URL_SAFE_NO_PAD.decode(&*key.private_base64url()).unwrap(), &key.private_bytes()[..]);
}

#[test]
fn subscriptions_go_by_sessions() {
    let place = Place::new();
    let pusher = place.pusher();
    let [old, new] = ["/ok/old", "/ok/new"].map(|path| browser(&place, path));
    assert_eq!(pusher.new_subscription("a", old.json(), Some("13")).unwrap(), Added::New);
    // The session's subscription is another one now.
    assert_eq!(pusher.new_subscription("a", new.json(), Some("14")).unwrap(), Added::New);
    assert_eq!(
        pusher.subscriptions_of("a").unwrap(),
        [new.json()].map(|json| Subscription::parse(json).unwrap())
    );
    assert_eq!(pusher.group_of("a").unwrap().as_deref(), Some("14"));
    assert_eq!(pusher.user_of(&new.subscription).unwrap().as_deref(), Some("a"));
    assert_eq!(pusher.user_of(&old.subscription).unwrap(), None);
    // The device is in another session now.
    assert_eq!(pusher.new_subscription("b", new.json(), None).unwrap(), Added::Moved);
    assert!(pusher.subscriptions_of("a").unwrap().is_empty());
    assert_eq!(pusher.group_of("a").unwrap(), None);
    // Session 0 is one like any other.
    pusher.new_subscription("0", new.json(), None).unwrap();
    assert_eq!(pusher.user_of(&new.subscription).unwrap().as_deref(), Some("0"));
    assert!(pusher.remove_subscription("0").unwrap());
    assert!(!pusher.remove_subscription("0").unwrap(), "silent if absent");

    let error = pusher.new_subscription("a", "no JSON", None).unwrap_err();
    assert!(matches!(error, PusherError::Subscription(SubscriptionError::Json { .. })), "{error}");
    let inside = Browser::at("https://169.254.169.254/latest/meta-data").json();
    let error = pusher.new_subscription("a", inside, None).unwrap_err();
    assert!(matches!(error, PusherError::Forbidden(Forbidden::Address(_))), "{error}");
}

#[test]
fn a_user_may_have_devices() {
    let place = Place::new();
    let pusher = place.pusher();
    for path in ["/ok/phone", "/ok/laptop", "/410/lost"] {
        pusher.add_subscription("ann", browser(&place, path).json(), None).unwrap();
    }
    let progress = pusher.notify("ann", &message()).unwrap();
    assert_eq!(progress, Progress { accepted: 2, gone: 1, ..Progress::default() });
    assert_eq!(pusher.subscriptions_of("ann").unwrap().len(), 2, "what is gone is deleted");
}

#[test]
fn notifications_go_to_one_to_groups_and_to_all() {
    let place = Place::new();
    let pusher = place.pusher();
    for (session, group) in [("a", None), ("b", Some("13")), ("c", Some("13")), ("d", Some("0 OR 1=1"))] {
        pusher.new_subscription(session, browser(&place, &format!("/ok/{session}")).json(), group).unwrap();
    }
    let who = || {
        let mut paths: Vec<_> =
            place.service.asked().into_keys().map(|path| path.replace("/ok/", "")).collect();
        paths.sort_unstable();
        paths.concat()
    };
    pusher.notify("a", &message()).unwrap();
    assert_eq!(who(), "a");
    assert_eq!(pusher.notify_all(&message(), Some("13"), &["b"]).unwrap().accepted, 1);
    assert_eq!(who(), "ac");
    assert_eq!(pusher.notify_all(&message(), Some("0 OR 1=1"), &[]).unwrap().accepted, 1);
    assert_eq!(who(), "acd");
    assert_eq!(pusher.notify_all(&message(), Some("nobody"), &[]).unwrap(), Progress::default());
    let id = pusher.notify_all_nonblocking(&message(), None, &["a"]).unwrap();
    pusher.wait().unwrap();
    assert_eq!(pusher.progress(&id).unwrap().unwrap().accepted, 3);
    assert_eq!(place.service.requests(), 6);
    let error = pusher.notify("nobody", &message()).unwrap_err();
    assert_eq!(error.to_string(), "\"nobody\" has no subscription");
}

#[test]
fn a_message_may_have_no_payload() {
    let place = Place::new();
    let pusher = place.pusher();
    let browser = browser(&place, "/ok/a");
    pusher.new_subscription("a", browser.json(), None).unwrap();
    pusher.notify("a", &Message::without_payload()).unwrap();
    pusher.notify("a", &Message::new("").unwrap()).unwrap();
    assert_eq!(browser.payloads(&place.service.received()), [None, Some(Vec::new())]);
}

#[test]
fn what_services_say_of_a_subscription_that_is_not_stored_comes_back() {
    let place = Place::new();
    let pusher = place.pusher();
    let paths = ["/ok/1", "/410/2", "/413/3", "/500/4", "/ok/5"];
    let subscriptions = paths.map(|path| browser(&place, path).subscription);
    let answers = pusher.send_notifications(&subscriptions, &message()).unwrap();
    let verdicts: Vec<_> = answers.into_iter().map(|answer| answer.verdict).collect();
    use Verdict::{Accepted, Gone, Later, TooLarge};
    assert_eq!(verdicts, [Accepted, Gone, TooLarge, Later, Accepted], "in their order");
    assert_eq!(pusher.send_notification(&subscriptions[1], &message()).unwrap().verdict, Gone);
    // Nobody waits for these but `wait`.
    drop(pusher.send_notifications_nonblocking(&subscriptions, &message()));
    pusher.wait().unwrap();
    assert_eq!(place.service.requests(), 11);
}

#[test]
fn a_service_that_never_answers_holds_up_none_but_itself() {
    let place = Place::new();
    let pusher = Pusher::open(place.data(), PusherOptions { in_flight_max: 2, ..place.options() }).unwrap();
    let silent = TcpListener::bind("127.0.0.2:0").unwrap();
    let never = Browser::at(&format!("http://{}/x", silent.local_addr().unwrap())).subscription;
    let works = browser(&place, "/ok/works").subscription;
    let all: Vec<_> = std::iter::repeat_n(never, 5).chain([works]).collect();
    let pending = pusher.send_notifications_nonblocking(&all, &message());
    let taken: Vec<_> = silent.incoming().take(2).map(Result::unwrap).collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    while place.service.received().is_empty() {
        assert!(Instant::now() < deadline, "it waits behind those that never answer");
        std::thread::yield_now();
    }
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_err(), "two requests at once to each service");
    drop((taken, silent));
    let verdicts: Vec<_> = pending.wait().unwrap().iter().map(|answer| answer.verdict).collect();
    assert_eq!(verdicts[5], Verdict::Accepted);
    assert!(verdicts[..5].iter().all(|verdict| *verdict == Verdict::Later), "{verdicts:?}");
}

#[test]
fn who_waits_waits_no_longer_than_patience_lasts() {
    let place = Place::new();
    let patience = Duration::from_millis(200);
    let pusher = Pusher::open(place.data(), PusherOptions { patience, ..place.options() }).unwrap();
    pusher.new_subscription("a", browser(&place, "/once429/a").json(), None).unwrap();
    let begun = Instant::now();
    assert_eq!(pusher.notify("a", &message()).unwrap(), Progress { queued: 1, ..Progress::default() });
    assert!(begun.elapsed() >= patience);
    pusher.wait().unwrap();
    assert_eq!(place.service.asked()["/once429/a"], 2, "it was sent all the same");
}

#[test]
fn the_next_pusher_sends_what_one_has_left() {
    let place = Place::new();
    let pusher = place.pusher();
    pusher.new_subscription("a", browser(&place, "/once429/a").json(), None).unwrap();
    let id = pusher.notify_nonblocking("a", &message()).unwrap();
    while place.service.requests() == 0 {
        std::thread::yield_now();
    }
    drop(pusher);
    let pusher = place.pusher();
    pusher.wait().unwrap();
    assert_eq!(pusher.progress(&id).unwrap().unwrap().accepted, 1);
}

#[tokio::test]
async fn async_code_may_call_it_too() {
    let place = tokio::task::spawn_blocking(Place::new).await.unwrap();
    let pusher = place.pusher();
    pusher.new_subscription("a", browser(&place, "/ok/a").json(), None).unwrap();
    assert_eq!(pusher.notify("a", &message()).unwrap().accepted, 1);
    drop(pusher);
    tokio::task::spawn_blocking(move || drop(place)).await.unwrap();
}
