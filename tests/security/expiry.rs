//! Tokens that expire while their page is connected, and what the log says of refused ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_core::{Keys, Tokenizer, UserId};
use pushnote_tests::{Browser, Process, SECRET, Single, token};
use serde_json::json;

fn short_token() -> String {
    let made = Process::output("pushnote", &["token", "42", "--ttl=6s"], &[("PUSHNOTE_SECRET", SECRET)]);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Of an application whose clock is more ahead than the 5 minutes that clocks may differ by.
fn token_of_a_clock_ahead_by(ahead: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead;
    let tokenizer = Tokenizer::new(&Keys::parse(SECRET).unwrap());
    tokenizer.tokenize(&UserId::new("42").unwrap(), now.as_secs(), None)
}

async fn subscribed(url: &str, tokens: &[&str]) -> Browser {
    let mut browser = Browser::open(url).await;
    for token in tokens {
        browser.subscribe(token).await;
    }
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_token_expires_is_asked_for_a_new_one() {
    let Single { server, endpoint, .. } = Single::start();
    let (url, endpoint) = (server.websocket_url(), endpoint.as_str());

    let (short, long) = (short_token(), token("42"));
    let mut expiring = subscribed(&url, &[&short]).await;
    let mut renewed = subscribed(&url, &[&short, &long]).await;
    let mut of_two = subscribed(&url, &[&token("43"), &short]).await;
    assert_eq!(expiring.close_code().await, Some(3502));
    assert_eq!(of_two.close_code().await, Some(3502));
    let published = Process::output(
        "pushnote",
        &["publish", "--user=42", "-s", endpoint, "\"still here\""],
        &[("PUSHNOTE_SECRET", SECRET)],
    );
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    assert_eq!(renewed.next().await, json!("still here"));

    assert_eq!(subscribed(&url, &[&short]).await.close_code().await, Some(3502));
    assert_eq!(subscribed(&url, &["42:forged"]).await.close_code().await, Some(3500));
    let early = token_of_a_clock_ahead_by(Duration::from_secs(330));
    assert_eq!(subscribed(&url, &[&early]).await.close_code().await, Some(3013));
    for refusal in [
        "token refused error=token has expired",
        "token refused error=token is invalid",
        "token is good in",
        "no secret of this server has signed it",
    ] {
        tokio::task::block_in_place(|| server.process.logged(refusal));
    }
    let log = server.process.log();
    assert!(
        !log.contains(&short) && !log.contains(&early) && !log.contains("forged"),
        "a token stands in the log"
    );
}
