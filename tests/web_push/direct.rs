//! Browsers that the application keeps by itself: `"subscriptions"` in `POST /v1/push`.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pushnote_tests::{Answer, Metrics, PATIENCE};
use serde_json::{Value, json};

use super::service::Service;
use super::setup::{KEY, OTHER_KEY, Setup};

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

/// A push service that takes connections and never answers.
struct Silent {
    listener: TcpListener,
    taken: Vec<TcpStream>,
}

impl Silent {
    /// On a host of its own.
    fn start(host: &str) -> Self {
        Self { listener: TcpListener::bind((host, 0)).unwrap(), taken: Vec::new() }
    }

    /// The same browser so many times, at this service.
    fn browsers(&self, subscription: &Value, count: usize) -> Value {
        let endpoint = format!("http://{}/x", self.listener.local_addr().unwrap());
        json!(vec![json!({"endpoint": endpoint, "keys": subscription["keys"]}); count])
    }

    /// Waits until so many more requests are here.
    fn take(&mut self, count: usize) {
        self.taken.extend(self.listener.incoming().take(count).map(Result::unwrap));
    }
}

fn to(subscriptions: &Value) -> Value {
    json!({"subscriptions": subscriptions, "payload": "x"})
}

/// A refusal of a whole request: its kind, and what it says. It says when to ask again, too.
fn refusal(answer: &Answer) -> (u16, String, String) {
    assert!(answer.head.contains("\r\nretry-after: 1"), "{answer:?}");
    let problem = answer.json();
    let text = |field: &str| problem[field].as_str().unwrap().to_owned();
    (answer.status, text("type").replace("urn:pushnote:problem:", ""), text("detail"))
}

#[test]
fn a_silent_service_holds_up_only_itself_and_a_key_has_half_of_it() {
    let setup = Setup::with(&["--metrics=127.0.0.1:0"]);
    let browser = setup.browser("/good").subscription;
    let mut silent = Silent::start("127.0.0.2");
    let hundred = to(&silent.browsers(&browser, 100));
    let mut asked = vec![setup.api_meanwhile(KEY, "POST", "/v1/push", &hundred)];
    silent.take(100);

    // One key has half of a service's places, and is told so; others have theirs.
    let (status, kind, detail) = refusal(&setup.api("POST", "/v1/push", &hundred));
    assert_eq!((status, kind.as_str()), (429, "key_busy"));
    let host = silent.listener.local_addr().unwrap();
    let words =
        format!("nothing was sent, ask again soon: 100 requests of this API key to http://{host} wait");
    assert!(detail.starts_with(&words), "{detail}");
    asked.push(setup.api_meanwhile(OTHER_KEY, "POST", "/v1/push", &hundred));
    silent.take(100);
    let (status, kind, detail) = refusal(&setup.api_as(OTHER_KEY, "POST", "/v1/push", &hundred));
    assert_eq!((status, kind.as_str()), (503, "busy"));
    let words = format!("nothing was sent, ask again soon: 200 requests to http://{host} wait");
    assert!(detail.starts_with(&words), "{detail}");

    // Another service is none the worse, and of a list with both, each has its outcome.
    let both = to(&json!([silent.browsers(&browser, 1)[0], browser]));
    for key in [KEY, OTHER_KEY] {
        let answer = setup.api_as(key, "POST", "/v1/push", &both).json();
        let (full, good) = (&answer["outcomes"][0], &answer["outcomes"][1]);
        assert_eq!((&full["outcome"], &full["retry_after_s"]), (&json!("later"), &json!(1)), "{answer}");
        assert!(full["reason"].as_str().unwrap().starts_with("not asked: 200 requests to http"), "{answer}");
        assert_eq!(good["outcome"], "accepted", "{answer}");
    }
    // What was refused is counted, and said once.
    let metrics = Metrics::of(&setup.server.process);
    let refused = "pushnote_server_push_direct_refused_total{service=\"other\",cause=";
    metrics.until(&format!("{refused}\"key\""), |count| count == 100.0);
    metrics.until(&format!("{refused}\"service\""), |count| count == 102.0);
    assert_eq!(setup.server.process.log().matches("were not sent").count(), 1);

    // The service goes away, and its connections with it: the places are free again.
    drop(silent);
    for one in asked {
        let answer = one.join().unwrap();
        assert_eq!(answer.json()["outcomes"][99]["outcome"], "later", "{answer:?}");
    }
    let answer = setup.api("POST", "/v1/push", &hundred).json();
    assert!(answer.to_string().contains("refused"), "asked again, and nobody is there: {answer}");
}

#[test]
fn who_hangs_up_frees_the_places_at_once() {
    let setup = Setup::start();
    let browser = setup.browser("/x").subscription;
    let mut silent = Silent::start("127.0.0.2");
    let hundred = to(&silent.browsers(&browser, 100));
    let started = Instant::now();
    for _ in 0..3 {
        let client = setup.api_request("POST", "/v1/push", &hundred);
        silent.take(100);
        assert_eq!(setup.api("POST", "/v1/push", &hundred).status, 429);
        drop(client);
        // The requests to the service end with it.
        for mut taken in silent.taken.drain(..) {
            taken.set_read_timeout(Some(PATIENCE)).unwrap();
            taken.read_to_end(&mut Vec::new()).expect("an end");
        }
    }
    // Each of them would have waited so long.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn a_server_that_ends_waits_for_what_is_under_way() {
    let mut setup = Setup::start();
    let browser = setup.browser("/x").subscription;
    let mut silent = Silent::start("127.0.0.2");
    let asked = setup.api_meanwhile(KEY, "POST", "/v1/push", &to(&silent.browsers(&browser, 1)));
    silent.take(1);
    setup.server.process.terminate();
    setup.server.process.logged("draining");
    silent.taken[0].write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(asked.join().unwrap().json()["outcomes"][0]["outcome"], "accepted");
    assert!(setup.server.process.ended().success());
}
