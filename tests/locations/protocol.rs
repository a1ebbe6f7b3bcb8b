//! What the protocol requires, by its sections.

use std::time::Instant;

use pushnote_tests::requests::rest;

use crate::site::{Relay, named};

/// 3.1: "A request with no If-Modified-Since header MUST be assumed to be requesting the oldest available message." "Each 200
/// OK response containing a message MUST have its Last-Modified and Etag headers set so that a request using those headers will
/// be interpreted as a request for the next available message."
#[tokio::test]
async fn a_subscriber_begins_with_the_oldest_and_goes_on_with_the_next() {
    let relay = Relay::start();
    for number in 0..5 {
        assert_eq!(relay.post("/pub/a", &number.to_string()).await.status, 202);
        // Offsets are the log's: what concerns others leaves places out.
        relay.post("/pub/b", "other").await;
    }
    let mut message = relay.get("/sub/a").await;
    for number in 0..5 {
        if number > 0 {
            message = relay.after("/sub/a", &message).await;
        }
        assert_eq!((message.status, message.text()), (200, number.to_string().as_str()));
        let etag = message.header("etag").unwrap();
        etag.parse::<u64>().expect("a bare number");
        assert_eq!(message.header("cache-control"), Some(format!("etag={etag}").as_str()));
        assert_eq!(message.header("vary"), Some("If-Modified-Since, If-None-Match"));
        assert_eq!(message.header("pushnote-gap"), None);
    }
    // What a client of django-pushserver begins with, and what proxies make of tags.
    let epoch = [("If-Modified-Since", "Thu, 1 Jan 1970 00:00:00 GMT"), ("If-None-Match", "0")];
    let first = relay.ask("GET", "/sub/a", &epoch, b"").await;
    assert_eq!(first.text(), "0");
    let (time, tag) = (first.header("last-modified").unwrap(), first.header("etag").unwrap());
    for quoted in [format!("\"{tag}\""), format!("W/\"{tag}\"")] {
        let second = [("If-Modified-Since", time), ("If-None-Match", &quoted)];
        assert_eq!(relay.ask("GET", "/sub/a", &second, b"").await.text(), "1");
    }
    // A tag without a time says nothing.
    assert_eq!(relay.ask("GET", "/sub/a", &[("If-None-Match", tag)], b"").await.text(), "0");
    // A time without a tag is that of the first message of its second; a negative tag is before it.
    let without = relay.ask("GET", "/sub/a", &[("If-Modified-Since", time)], b"").await;
    assert_eq!(without.text(), "1");
    let before = [("If-Modified-Since", time), ("If-None-Match", "-1")];
    assert_eq!(relay.ask("GET", "/sub/a", &before, b"").await.text(), "0");
}

/// 3.1: "All other request methods SHOULD be responded to with a 405 Method Not Allowed status code."
#[tokio::test]
async fn a_subscriber_only_gets() {
    let relay = Relay::start();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = relay.ask(method, "/sub/a", &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, OPTIONS")), "{method}");
    }
    assert_eq!(relay.ask("PATCH", "/pub/a", &[], b"").await.status, 405);
}

/// 3.1: "said 200 OK MUST contain the Content-Type header of the message publisher request"; 3.2: "The request MAY contain a body
/// in any encoding", "The Content-Type header of the request MUST be forwarded with the message."
#[tokio::test]
async fn a_message_is_any_body_with_its_type() {
    let relay = Relay::start();
    let png: &[u8] = &[0x89, b'P', b'N', b'G', 0, 0xff, b'\n'];
    let bodies: [(&str, &[u8]); 6] = [
        ("text/plain; charset=utf-8", "žluťoučký\r\nkůň".as_bytes()),
        ("image/png", png),
        ("application/json", b"{\"a\": [1, 2]}"),
        ("application/json", b"no JSON"),
        ("application/x-www-form-urlencoded", b"a=b&c=%20"),
        ("text/plain", b""),
    ];
    for (index, (media_type, body)) in bodies.into_iter().enumerate() {
        let (publish, subscribe) = (format!("/pub/{index}"), format!("/sub/{index}"));
        assert_eq!(relay.ask("POST", &publish, &[("Content-Type", media_type)], body).await.status, 202);
        let message = relay.get(&subscribe).await;
        assert_eq!((message.header("content-type"), &message.body[..]), (Some(media_type), body));
    }
    assert_eq!(relay.ask("POST", "/pub/none", &[], b"x").await.status, 202);
    assert_eq!(relay.get("/sub/none").await.header("content-type"), Some("application/octet-stream"));
}

/// 3.1, long-polling: "responses to requests for messages not yet available MUST be delayed", "The entire response must be
/// indistinguishable from a response to a request for an existing message." 3.2: "201 Created if there were any long-held
/// subscribers that have been sent this message, and with a 202 Accepted otherwise."
#[tokio::test]
async fn a_request_waits_for_a_message_and_gets_what_others_get() {
    let relay = Relay::start();
    let held = relay.hold("/sub/a", &[], 1).await;
    let posted = relay.post("/pub/a", "news").await;
    assert_eq!((posted.status, posted.text().ends_with("active subscribers: 1")), (201, true));
    let (waited, asked) = (rest(held).await, relay.get("/sub/a").await);
    let same =
        |head: &str| head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
    assert_eq!(
        (waited.status, same(&waited.head), waited.body),
        (200, same(&asked.head), asked.body.clone())
    );
    // Behind the newest it waits again, and a time that is still to come is behind it, too.
    let behind = relay.hold("/sub/a", &named(&asked), 1).await;
    let future = [("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), ("If-None-Match", "0")];
    assert_eq!(relay.ask("GET", "/interval/a", &future, b"").await.status, 304);
    assert_eq!(relay.post("/pub/a", "more").await.status, 201);
    assert_eq!(rest(behind).await.text(), "more");
}

/// 3.1: "If the channel the subscriber is waiting on is deleted … the server MUST immediately send a 410 Gone response." 3.2:
/// "DELETE requests receive a 200 OK if the channel … exists and has been completely deleted", else 404.
#[tokio::test]
async fn a_deleted_channel_is_gone() {
    let relay = Relay::start();
    assert_eq!(relay.ask("DELETE", "/pub/a", &[], b"").await.status, 404);
    relay.post("/pub/a", "old").await;
    let old = relay.get("/sub/a").await;
    let held = relay.hold("/sub/a", &named(&old), 1).await;
    let deleted = relay.ask("DELETE", "/pub/a", &[], b"").await;
    assert_eq!((deleted.status, deleted.text().ends_with("active subscribers: 1")), (200, true));
    assert_eq!(rest(held).await.status, 410);
    assert_eq!(relay.ask("DELETE", "/pub/a", &[], b"").await.status, 404);
    assert_eq!(relay.ask("GET", "/pub/a", &[], b"").await.status, 404);
    assert_eq!(relay.get("/known/a").await.status, 404);
    assert_eq!(relay.get("/interval/a").await.status, 304, "nothing is left");
    relay.post("/pub/a", "new").await;
    assert_eq!(relay.get("/sub/a").await.text(), "new");
}

/// 3.1, interval-polling: "Requests for messages not yet available MUST produce a 304 Not Modified".
#[tokio::test]
async fn an_interval_poll_is_answered_at_once() {
    let relay = Relay::start();
    assert_eq!(relay.get("/interval/a").await.status, 304);
    relay.post("/pub/a", "news").await;
    let message = relay.get("/interval/a").await;
    assert_eq!((message.status, message.text()), (200, "news"));
    let none = relay.after("/interval/a", &message).await;
    assert_eq!((none.status, none.body.len()), (304, 0));
    assert_eq!(
        (none.header("etag"), none.header("last-modified")),
        (message.header("etag"), message.header("last-modified"))
    );
}

/// 3.1: broadcast, last-in first-out, first-in last-out.
#[tokio::test]
async fn of_several_subscribers_all_or_the_last_or_the_first_wait() {
    let relay = Relay::start();
    let (one, two) = (relay.hold("/sub/a", &[], 1).await, relay.hold("/sub/a", &[], 2).await);
    relay.post("/pub/a", "all").await;
    assert_eq!((rest(one).await.text(), rest(two).await.text()), ("all", "all"));

    let first = relay.hold("/last/b", &[], 1).await;
    let last = relay.hold("/last/b", &[], 1).await;
    assert_eq!(rest(first).await.status, 409);
    relay.until_held("b", 1).await;
    relay.post("/pub/b", "last").await;
    assert_eq!(rest(last).await.text(), "last");

    let first = relay.hold("/first/c", &[], 1).await;
    assert_eq!(relay.get("/first/c").await.status, 409);
    relay.post("/pub/c", "first").await;
    assert_eq!(rest(first).await.text(), "first");
}

/// 3.2: GET, PUT, and "All 200-level responses MUST, in the response body, contain information about the applicable channel."
#[tokio::test]
async fn a_publisher_is_told_about_the_channel() {
    let relay = Relay::start();
    assert_eq!(relay.get("/pub/a").await.status, 404);
    let created = relay.ask("PUT", "/pub/a", &[], b"no message").await;
    let empty = "queued messages: 0\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0";
    assert_eq!((created.status, created.text()), (200, empty));
    assert_eq!(relay.get("/pub/a").await.text(), empty);
    let requested = Instant::now();
    assert_eq!(relay.get("/interval/a").await.status, 304, "PUT publishes nothing");
    let posted = relay.post("/pub/a", "x").await;
    let text = posted.text();
    let last = text.strip_prefix("queued messages: 1\r\nlast requested: ").expect(text);
    let (seconds, _) = last.split_once(" sec. ago").expect(text);
    assert!(seconds.parse::<u64>().is_ok_and(|ago| ago <= requested.elapsed().as_secs()), "{text}");
    for (accept, beginning) in [
        ("text/json", "{\"messages\": 1, \"requested\": "),
        (
            "application/xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>1</messages>",
        ),
        ("application/x-yaml", "---\r\nmessages: 1\r\nrequested: "),
        ("text/html", "queued messages: 1\r\n"),
    ] {
        let info = relay.ask("GET", "/pub/a", &[("Accept", accept)], b"").await;
        let given = if accept == "text/html" { "text/plain" } else { accept };
        assert_eq!((info.status, info.header("content-type")), (200, Some(given)));
        assert!(info.text().starts_with(beginning), "{}", info.text());
    }
}

/// 2.1: "The server MUST implement a mechanism for identifying channels with unique ids. This MAY, for example, be a url
/// parameter".
#[tokio::test]
async fn a_channel_is_named_by_a_path_or_a_parameter() {
    let relay = Relay::start();
    relay.post("/pub/%C4%8Das%20a", "hello").await;
    assert_eq!(relay.get("/activity?x=1&id=%C4%8Das+a").await.text(), "hello");
    assert_eq!(relay.get("/known/%C4%8Das%20a").await.text(), "hello");
    let unnamed = relay.get("/activity").await;
    assert_eq!((unnamed.status, unnamed.text().trim_end()), (404, "No channel id provided."));
    assert_eq!(relay.get("/known/%FF").await.status, 400);
    assert_eq!(relay.get("/known/%0A").await.status, 400);
    assert_eq!(relay.get(&format!("/sub/{}", "a".repeat(256))).await.status, 400);
}

#[tokio::test]
async fn a_header_that_names_no_message_is_refused() {
    let relay = Relay::start();
    relay.post("/pub/a", "x").await;
    for headers in [
        [("If-Modified-Since", "yesterday"), ("If-None-Match", "0")],
        [("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("If-None-Match", "abc")],
    ] {
        let refused = relay.ask("GET", "/sub/a", &headers, b"").await;
        assert_eq!(refused.status, 400);
        // A page of another origin is to read why.
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    }
}
