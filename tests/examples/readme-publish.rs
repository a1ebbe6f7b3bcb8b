//! The README's example in Rust.

use std::time::Duration;

use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pushnote::notify_all(json!({"msg": "Hi all!"}))?; // to everyone
    pushnote::notify(json!({"msg": "Hi"}), ["42"])?; // only to user 42's pages
    pushnote::notify_channel("news", json!({"msg": "Hi"}))?; // to pages that have subscribed to a channel
    pushnote::publish(json!({"msg": "Hi"})).channel("news").user(42).event("headline").send()?; // to both
    pushnote::flush(Duration::from_secs(5))?; // in a program that ends
    Ok(())
}
