//! Nonsense in the messages of applications and of browsers.

use pushnote_tests::{Browser, PythonPublisher, Single};
use serde_json::json;

use crate::witness::{publisher, settle};

/// What is not an envelope, in all the ways that the original died of, and more.
fn malformed_envelope(number: usize) -> String {
    match number % 20 {
        0 => "not json".to_owned(),
        1 => "[]".to_owned(),
        2 => "42".to_owned(),
        3 => "null".to_owned(),
        4 => r#"{"name":"notify_all"}"#.to_owned(),
        5 => r#"{"data":{}}"#.to_owned(),
        6 => r#"{"name":"connect","data":{}}"#.to_owned(),
        7 => r#"{"name":5,"data":{}}"#.to_owned(),
        8 => r#"{"name":"notify","data":1,"users":"42"}"#.to_owned(),
        9 => r#"{"name":"notify","data":1,"users":[{}]}"#.to_owned(),
        10 => r#"{"name":"notify","data":1,"recipients":[1]}"#.to_owned(),
        11 => r#"{"name":"notify","data":1,"recipients":["42:forged"]}"#.to_owned(),
        12 => r#"{"name":"notify_all","data":"#.to_owned(),
        13 => format!(r#"{{"name":"notify_all","data":"{}"}}"#, "x".repeat(70_000)),
        14 => format!(r#"{{"name":"notify_all","data":{}"#, "[".repeat(20_000)),
        15 => "hex: fffe00".to_owned(),
        16 => "hex: 00 01 02".to_owned(),
        17 => format!("hex: {} {}", hex("topic"), hex(r#"{"name":"notify_all","data":1}"#)),
        18 => String::new(),
        _ => r#"{"name":"notify_all","name":"notify","data":1}"#.to_owned(),
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_envelopes_leave_the_server_hearing() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let mut publisher = PythonPublisher::connect(&single.endpoint);
    for number in 0..1000 {
        publisher.line(&malformed_envelope(number));
    }
    publisher.publish(&json!({"name": "notify_all", "data": "still here"}));
    // Nothing of the malformed thousand came before it.
    assert_eq!(browser.next().await, json!("still here"));
}

/// What a browser must not say, and whether the server ends the connection for it.
fn malformed_client_message(number: usize) -> (String, bool) {
    match number % 12 {
        0 => ("not json".to_owned(), true),
        1 => ("5".to_owned(), true),
        2 => (r#"{"name":5,"data":{}}"#.to_owned(), true),
        3 => (r#"{"name":"subscribe","data":{"token":["42"]}}"#.to_owned(), true),
        4 => (r#"{"name":"subscribe","data":{"token":"42:forged"}}"#.to_owned(), true),
        5 => ("[]".to_owned(), false),
        6 => (r#"{"name":"unsubscribe","data":{}}"#.to_owned(), false),
        7 => (r#"{"name":"conn","data":{}}"#.to_owned(), false),
        8 => (r#"{"name":"subscribe"}"#.to_owned(), false),
        9 => (r#"{"name":"_private","data":{}}"#.to_owned(), false),
        10 => (r#"{"name":"subscribe","data":{"token":""}}"#.to_owned(), false),
        _ => ("[".repeat(10_000), true),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_client_messages_leave_the_server_serving() {
    let single = Single::start();
    let url = single.server.websocket_url();
    let mut witness = Browser::open(&url).await;
    let publisher = publisher(&single.endpoint);
    let mut spared = Browser::open(&url).await;
    for number in 0..1000 {
        let (text, ends) = malformed_client_message(number);
        if ends {
            let mut browser = Browser::open(&url).await;
            browser.say(&text).await;
            let code = browser.close_code().await;
            assert!(matches!(code, Some(3500 | 3501)), "{text:.60} ended with {code:?}");
        } else {
            spared.say(&text).await;
        }
    }
    settle(&publisher, &mut witness, "still here").await;
    settle(&publisher, &mut spared, "still here").await;
}
