//! Browsers that the application keeps by itself: `"subscriptions"` in `POST /v1/push`.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::service::Service;
use super::setup::Setup;

/// The same browser, with another endpoint at the service.
fn at(subscription: &Value, service: &Service, number: usize) -> Value {
    json!({"endpoint": format!("http://{}/{number}", service.address), "keys": subscription["keys"]})
}

fn outcomes(setup: &Setup, message: &Value) -> Value {
    let answer = setup.api("POST", "/v1/push", message);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["outcomes"].clone()
}

#[test]
fn a_browser_that_is_not_stored_reads_what_is_pushed_and_the_answer_says_what_became_of_it() {
    let setup = Setup::start();
    let mut browser = setup.browser("/own-secret");
    let given = json!([browser.subscription]);
    let message = json!({"subscriptions": given, "title": "Hi", "id": "m1", "ttl_s": 60, "urgency": "high"});
    let answer = setup.api("POST", "/v1/push", &message);
    assert_eq!(answer.json(), json!({"id": "m1", "outcomes": [{"outcome": "accepted", "status": 201}]}));
    let (received, shown) = setup.read(&mut browser);
    assert_eq!((received.header("ttl"), received.header("urgency")), (Some("60"), Some("high")));
    assert_eq!((&shown["title"], &shown["id"]), (&json!("Hi"), &json!("m1")));
    // Nothing of it is kept.
    assert_eq!(setup.push(&json!({"everyone": true, "title": "Nobody"})), 0);
    assert_eq!(setup.api("GET", "/v1/messages/m1", &json!(null)).status, 404);

    // Any payload, and what the service says, whose words tell no endpoint.
    for (says, outcome, more) in [
        ("429 Too Many Requests\r\nretry-after: 7", "later", json!(7)),
        ("503 Service Unavailable", "later", json!(null)),
        ("413 Payload Too Large", "too_large", json!(null)),
        ("403 Forbidden", "unauthorized", json!(null)),
        ("302 Found\r\nlocation: http://127.0.0.1/", "refused", json!(null)),
        ("410 Gone", "gone", json!(null)),
    ] {
        setup.service.answer(says);
        if outcome == "unauthorized" {
            // With a fresh token it asks once more.
            setup.service.answer(says);
        }
        let said = outcomes(&setup, &json!({"subscriptions": given, "payload": "x"}));
        assert_eq!((&said[0]["outcome"], &said[0]["retry_after_s"]), (&json!(outcome), &more), "{said}");
        assert!(!said.to_string().contains("own-secret"), "{said}");
        setup.service.take();
    }
    assert!(!setup.server.process.log().contains("own-secret"));
}

#[test]
fn each_of_many_has_its_outcome_and_one_that_is_stored_and_gone_is_forgotten() {
    let setup = Setup::start();
    // A hundred endpoints, and one pair of keys: a process for each is not what is tested.
    let mut browser = setup.browser("/3");
    let given: Vec<_> = (0..100).map(|number| at(&browser.subscription, &setup.service, number)).collect();
    setup.subscribe("42", &browser);
    let said = outcomes(&setup, &json!({"subscriptions": given, "payload": {"n": 1}}));
    assert_eq!(said.as_array().unwrap().len(), 100);
    assert!(said.as_array().unwrap().iter().all(|one| one["outcome"] == "accepted"), "{said}");
    let received = setup.service.take();
    assert!(received.iter().all(|one| browser.decrypt(&one.body) == r#"{"n":1}"#));
    let paths: BTreeSet<_> = received.iter().map(|one| one.path.clone()).collect();
    assert_eq!(paths, (0..100).map(|number| format!("/{number}")).collect());

    let stored = |browser: &Value| {
        let endpoint = browser["endpoint"].as_str().unwrap().replace(':', "%3A").replace('/', "%2F");
        let path = format!("/v1/push/subscriptions?endpoint={endpoint}");
        setup.api("GET", &path, &json!(null)).json()["subscriptions"].clone()
    };
    assert_eq!(stored(&given[3])[0]["user"], "42");
    assert!(!stored(&given[3]).to_string().contains("/3"), "no endpoint is shown");
    assert_eq!(stored(&given[4]), json!([]));
    setup.service.answer("410 Gone");
    let said = outcomes(&setup, &json!({"subscriptions": [given[3]], "payload": ""}));
    assert_eq!(said[0]["outcome"], "gone");
    assert_eq!(stored(&given[3]), json!([]));
}

#[test]
fn what_is_wrong_is_said_of_which_and_nothing_is_sent() {
    let setup = Setup::start();
    let good = setup.browser("/good").subscription;
    let with = |endpoint: &str| json!({"endpoint": endpoint, "keys": good["keys"]});
    let off_the_curve = json!({"endpoint": good["endpoint"], "keys":
        {"p256dh": format!("BA{}", "A".repeat(85)), "auth": good["keys"]["auth"]}});
    let long = json!({"endpoint": good["endpoint"], "keys": good["keys"], "x": "x".repeat(9000)});
    for (wrong, words) in [
        (with("https://10.0.0.1/hidden"), "subscriptions[1]: the endpoint may not be asked"),
        (with("http://169.254.169.254/hidden"), "subscriptions[1]: the endpoint may not be asked"),
        (with("nothing/hidden"), "subscriptions[1]: the endpoint is not a URL"),
        (off_the_curve, "subscriptions[1]: keys.p256dh is not a point on the curve"),
        (long, "subscriptions[1]: the subscription has more than 8192 bytes"),
        (json!("hidden"), "subscriptions[1]: the subscription is not the JSON of a PushSubscription"),
    ] {
        let answer =
            setup.api("POST", "/v1/push", &json!({"subscriptions": [good, wrong, good], "payload": "x"}));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && detail.starts_with(words), "{detail}");
        assert!(!detail.contains("hidden"), "{detail}");
    }
    // A hundred thousand: what is more than allowed is not even looked at.
    for (message, words) in [
        (json!({"subscriptions": vec![&good; 50_000], "title": "x"}), "more than 100 subscriptions"),
        (json!({"subscriptions": [], "title": "x"}), "subscriptions: there is none"),
        (json!({"subscriptions": {}, "title": "x"}), "subscriptions to be a list"),
        (json!({"subscriptions": [good], "everyone": true, "title": "x"}), "in place of users"),
        (json!({"subscriptions": [good], "except": [1], "title": "x"}), "in place of users"),
        (json!({"subscriptions": [good]}), "title"),
        (json!({"title": "x"}), "or subscriptions"),
    ] {
        let answer = setup.api("POST", "/v1/push", &message);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{answer:?}");
    }
    let too_long = json!({"subscriptions": [good], "payload": "x".repeat(4000)});
    assert_eq!(setup.api("POST", "/v1/push", &too_long).status, 413);
    for query in ["", "?user=1&endpoint=https%3A%2F%2Fa.example%2F", "?endpoint=nothing/hidden"] {
        let answer = setup.api("GET", &format!("/v1/push/subscriptions{query}"), &json!(null));
        assert!(answer.status == 400 && !answer.body.contains("hidden"), "{answer:?}");
    }
    assert!(setup.service.take().is_empty());
    assert!(!setup.server.process.log().contains("hidden"));
}

#[test]
fn there_are_so_many_at_once_and_no_more() {
    let setup = Setup::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut browser = setup.browser("/x").subscription;
    browser["endpoint"] = json!(format!("http://{}/x", listener.local_addr().unwrap()));
    let hundred = json!({"subscriptions": vec![browser; 100], "payload": "x"});
    let asked: Vec<_> = (0..4).map(|_| setup.api_meanwhile("POST", "/v1/push", &hundred)).collect();
    let silent: Vec<_> = listener.incoming().take(400).collect();
    let answer = setup.api("POST", "/v1/push", &hundred);
    assert!(answer.status == 503 && answer.body.contains("nothing was sent"), "{answer:?}");
    // The service goes away, and its connections with it.
    drop((silent, listener));
    for one in asked {
        let answer = one.join().unwrap();
        assert_eq!(answer.json()["outcomes"][99]["outcome"], "later", "{answer:?}");
    }
    // The places are free again.
    let answer = setup.api(
        "POST",
        "/v1/push",
        &json!({"subscriptions": [setup.browser("/y").subscription], "payload": "x"}),
    );
    assert_eq!(answer.json()["outcomes"][0]["outcome"], "accepted");
}
