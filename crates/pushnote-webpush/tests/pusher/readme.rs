//! The example in solidwebpush's README, line by line.

use std::fs;
use std::sync::mpsc;

use pushnote_store::rusqlite::Connection;
use pushnote_webpush::{
    Imported, Message, Pusher, PusherError, PusherOptions, Subscription, SubscriptionError,
};
use serde_json::json;

use crate::browser::Browser;
use crate::place::Place;

/// As it is printed there.
const PRINTED: &str = r#"{"endpoint":"https://fcm.googleapis.com/fcm/send/cOZ80twUe2I:APA91bFWFWTIJzD3B7YHCBKzpSD_KfFe5a_XOo0gZDhGX1JYBwtY6UtNVyCXVt0Z2Fd4iOb9SLSOo1WGBclMaWoDFYMcmh7EhlXd-OJXpWK-gAph0cO1OQPrIqCQ_W0C-XJ0fUsqpXU_","keys":{"p256dh":"BMb7ie9TlYqIUcA52gQBXqKFleWoqHnXPOkvlgKGd2Mw4nnEMhII7VwB41xp0T70VrZb0w4LoP4Cn7ccD0zEtmA=","auth":"EKID_2FLZ4uJg6zSHB4psA=="}}"#;

#[test]
fn the_example_does_what_it_did() {
    let place = Place::new();

    // pusher = Pusher()
    let pusher = place.pusher();
    // print pusher.getUrlB64PublicKey()
    let printed = pusher.key().public_base64url();
    assert_eq!(printed.len(), 87, "{printed}");
    // "the next time the key won't be created"
    drop(pusher);
    let pusher = place.pusher();
    assert_eq!(pusher.key().public_base64url(), printed);

    // subscription = '{"endpoint":"https://fcm.googleapis.com/…
    let refused = Subscription::parse(PRINTED).unwrap_err();
    assert_eq!(refused, SubscriptionError::NotOnCurve);
    assert_eq!(
        refused.to_string(),
        "keys.p256dh is not a point on the curve P-256: no browser made this key"
    );
    let stored = pusher.new_subscription("session", PRINTED, None).unwrap_err();
    assert!(matches!(stored, PusherError::Subscription(SubscriptionError::NotOnCurve)), "{stored}");
    let [one, two, three] =
        ["1", "2", "3"].map(|name| Browser::at(&place.service.endpoint(&format!("/ok/{name}"))));
    let subscription = Subscription::parse(one.json()).unwrap();

    // pusher.sendNotification(subscription, "Hello World")
    let hello = Message::new("Hello World").unwrap();
    let answer = pusher.send_notification(&subscription, &hello).unwrap();
    assert_eq!(answer.status.map(|status| status.as_u16()), Some(201), "{}", answer.reason);

    // pusher.newSubscription(COOKIE["session_id"], POST["subscription"])
    pusher.new_subscription("user_X_session_id", one.json(), None).unwrap();
    pusher.new_subscription("another", two.json(), None).unwrap();
    // pusher.removeSubscription(COOKIE["session_id"])
    pusher.new_subscription("gone", three.json(), None).unwrap();
    assert!(pusher.remove_subscription("gone").unwrap());
    // msg = {"title": "Notification Title", "body": "Hello World"}
    let msg = Message::json(&json!({ "title": "Notification Title", "body": "Hello World" })).unwrap();
    // pusher.notify(user_X_session_id, msg)
    assert_eq!(pusher.notify("user_X_session_id", &msg).unwrap().accepted, 1);
    // pusher.notifyAll(msg)
    assert_eq!(pusher.notify_all(&msg, None, &[]).unwrap().accepted, 2);

    // pusher.newSubscription(session_id, subscription, 13)
    pusher.new_subscription("session_id", three.json(), Some("13")).unwrap();
    // pusher.notifyAll("Hello World", 13)
    assert_eq!(pusher.notify_all(&hello, Some("13"), &[]).unwrap().accepted, 1);

    // pusher.sendNotificationToAll(subscriptions, "Hello World", nonblocking=True)
    let subscriptions = [&one, &two, &three].map(|browser| browser.subscription.clone());
    let pending = pusher.send_notifications_nonblocking(&subscriptions, &hello);
    // pusher.wait()
    pusher.wait().unwrap();
    assert_eq!(pending.wait().unwrap().len(), 3);

    let received = place.service.received();
    let hello = Some(b"Hello World".to_vec());
    let msg = msg.payload().map(|payload| payload.to_vec());
    assert_eq!(one.payloads(&received), [hello.clone(), msg.clone(), msg.clone(), hello.clone()]);
    assert_eq!(two.payloads(&received), [msg, hello.clone()]);
    assert_eq!(three.payloads(&received), [hello.clone(), hello]);
}

#[test]
fn what_solidwebpush_left_behind_is_taken_over() {
    let place = Place::new();
    // Its private_key.pem is SEC1, its public one needs no file here.
    let theirs = include_str!("../vectors/sec1.pem");
    let key_file = place.data().join("private_key.pem");
    fs::write(&key_file, theirs).unwrap();
    let browser = Browser::at(&place.service.endpoint("/ok/1"));
    let database = place.data().join("subscriptors.db");
    let rows = Connection::open(&database).unwrap();
    let schema = "CREATE TABLE subscriptors ( session_id VARCHAR(256) NOT NULL PRIMARY KEY,
        subscription VARCHAR(512) NOT NULL, group_id INT NOT NULL )";
    rows.execute_batch(schema).unwrap();
    for (session, json) in [("session", browser.json()), ("README", PRINTED.to_owned())] {
        rows.execute("INSERT INTO subscriptors VALUES (?1, ?2, 13)", [session, &json]).unwrap();
    }

    let options = PusherOptions { key_file: Some(key_file), ..place.options() };
    let pusher = Pusher::open(&place.data().join("data"), options).unwrap();
    assert!(pusher.key().public_base64url().starts_with("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMo"));
    let (sender, left_out) = mpsc::channel();
    let imported = pusher.import(&database, move |left| sender.send(left.to_string()).unwrap()).unwrap();
    assert_eq!(imported, Imported { new: 1, left_out: 1, ..Imported::default() });
    let told: Vec<_> = left_out.iter().collect();
    assert_eq!(told, ["row 2: keys.p256dh is not a point on the curve P-256: no browser made this key"]);
    let progress = pusher.notify_all(&Message::new("still here").unwrap(), Some("13"), &[]).unwrap();
    assert_eq!(progress.accepted, 1);
    assert_eq!(browser.payloads(&place.service.received()), [Some(b"still here".to_vec())]);
}
