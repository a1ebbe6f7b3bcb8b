//! Publishes one message to everyone, and ends. PUSHNOTE_MQ_SOCKET says where to.

use std::time::Duration;

use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _flush = pushnote::flush_on_drop(Duration::from_secs(5));
    pushnote::notify_all(json!({"msg": "Hi all!"}))?;
    Ok(())
}
