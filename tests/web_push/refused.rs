//! Who may not subscribe, and is told why.

use pushnote_tests::{Process, SECRET, Server, token};
use serde_json::{Value, json};

use crate::setup::Setup;

/// The kind of a problem.
fn kind(answer: &pushnote_tests::Answer) -> (u16, String) {
    let problem: Value = answer.json();
    (answer.status, problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
}

#[test]
fn tokens_are_checked_as_elsewhere_and_a_revoked_user_keeps_what_is_subscribed() {
    let setup = Setup::start();
    let browser = setup.browser("/x");
    let with = |token: &str| {
        setup.ask("POST", "/push/subscribe", &json!({"token": token, "subscription": browser.subscription}))
    };
    assert_eq!(kind(&with("none")), (401, "token_invalid".to_owned()));
    let channel = Process::output("pushnote", &["token", "--channel", "a"], &[("PUSHNOTE_SECRET", SECRET)]);
    assert_eq!(
        kind(&with(String::from_utf8(channel.stdout).unwrap().trim())),
        (403, "not_allowed".to_owned())
    );
    let before = token("42");
    assert_eq!(with(&before).status, 201);
    assert_eq!(setup.api("POST", "/v1/revoke", &json!({"users": ["42"]})).status, 202);
    assert_eq!(kind(&with(&before)), (401, "token_expired".to_owned()));
    // It is the token that is revoked. What the browser is to get is said by removing it.
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "Hi"})), 1);
}

#[test]
fn a_group_is_joined_by_who_may_hear_a_channel_of_that_name() {
    let setup = Setup::with(&[r#"--channels={ prefix = "public.", public = true }"#]);
    let browser = setup.browser("/x");
    let with = |group: &str| {
        let body = json!({"token": token("42"), "subscription": browser.subscription, "group": group});
        setup.ask("POST", "/push/subscribe", &body)
    };
    assert_eq!(kind(&with("staff")), (403, "not_allowed".to_owned()));
    assert_eq!(with("public.news").status, 201);
    assert_eq!(setup.push(&json!({"group": "public.news", "title": "News"})), 1);
}

#[test]
fn what_is_wrong_with_a_subscription_is_said_and_its_endpoint_is_not() {
    let setup = Setup::start();
    let browser = setup.browser("/x");
    let with = |endpoint: &str, p256dh: Option<&str>| {
        let mut subscription = browser.subscription.clone();
        subscription["endpoint"] = json!(endpoint);
        if let Some(p256dh) = p256dh {
            subscription["keys"]["p256dh"] = json!(p256dh);
        }
        setup.ask("POST", "/push/subscribe", &json!({"token": token("42"), "subscription": subscription}))
    };
    let off_the_curve = format!("BA{}", "A".repeat(85));
    for (endpoint, p256dh, words) in [
        ("https://10.0.0.1/hidden", None, "may not be asked"),
        ("http://169.254.169.254/hidden", None, "may not be asked"),
        ("nothing/hidden", None, "the endpoint is not a URL"),
        ("https://push.example/hidden", Some("AAAA"), "p256dh"),
        ("https://push.example/hidden", Some(&*off_the_curve), "not a point on the curve"),
    ] {
        let answer = with(endpoint, p256dh);
        assert_eq!(answer.status, 400, "{answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words) && !detail.contains("hidden"), "{endpoint}: {detail}");
    }
    setup.server.process.logged("subscription to Web Push refused");
    assert!(!setup.server.process.log().contains("hidden"));

    let refused = |method, path, body: &str| {
        let answer = pushnote_tests::ask(&setup.server.address, method, path, &[], body);
        (answer.status, answer.head)
    };
    assert_eq!(refused("POST", "/push/subscribe", "{}").0, 400);
    assert_eq!(refused("POST", "/push/shown", "[1]").0, 400);
    assert_eq!(refused("POST", "/push/subscribe", &"x".repeat(100_000)).0, 413);
    let (status, head) = refused("PUT", "/push/subscribe", "");
    assert!(status == 405 && head.contains("allow: post, delete, options"), "{head}");
}

#[test]
fn an_address_asks_so_often_within_a_second_and_no_oftener() {
    let setup = Setup::with(&["--sessions-per-second-max=3"]);
    let refused =
        (0..20).map(|_| setup.ask("GET", "/push/key", &json!(null)).status).find(|status| *status != 200);
    assert_eq!(refused, Some(429));
    setup.server.process.logged("too many requests for Web Push");
}

#[test]
fn a_user_and_an_address_have_so_many_browsers_and_no_more() {
    let setup = Setup::with(&["--push-subscriptions-per-address-max=3"]);
    let browsers = ["/a", "/b", "/c", "/d"].map(|path| setup.browser(path));
    let statuses =
        browsers.iter().enumerate().map(|(at, browser)| setup.subscribe(&at.to_string(), browser).status);
    assert_eq!(Vec::from_iter(statuses), [201, 201, 201, 429]);
    assert_eq!(setup.subscribe("0", &browsers[0]).status, 200, "one that is known is no new one");

    let setup = Setup::with(&["--push-subscriptions-per-user-max=2"]);
    let statuses = ["/a", "/b", "/c"].map(|path| setup.subscribe("42", &setup.browser(path)).status);
    assert_eq!(statuses, [201, 201, 429]);
}

#[test]
fn where_web_push_is_off_and_the_api_is_elsewhere_it_is_said_as_a_problem() {
    let server = Server::with(&["--single", "--mq_socket=tcp://127.0.0.1:0"]);
    for (method, path, expected, words) in [
        ("GET", "/push/key", "push_off", "--vapid-subject switches it on"),
        ("POST", "/push/subscribe", "push_off", "--vapid-subject switches it on"),
        ("POST", "/v1/publish", "not_found", "applications publish at the address of --api"),
    ] {
        let answer = pushnote_tests::ask(&server.address, method, path, &["origin: http://a"], "{}");
        assert_eq!(kind(&answer), (404, expected.to_owned()));
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{answer:?}");
        assert!(
            answer.head.contains("application/problem+json")
                && answer.head.contains("allow-origin: http://a")
        );
    }
}
