//! What tests have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::job::{Job, JobKey, Outgoing};
use crate::key::KeyId;
use crate::message::Message;
use crate::subscription::Subscription;

/// The public key of RFC 8291's browser.
pub(crate) const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

/// A subscription at a service.
pub(crate) fn subscription(url: &str) -> Subscription {
    let json = serde_json::json!({ "endpoint": url, "keys": { "p256dh": P256DH, "auth": "BTBZMqHH6r4Tts7J_aSIgg" } });
    Subscription::parse(json.to_string()).unwrap()
}

/// A job for a subscription, whose TTL ends at a time, and is as long as it was from the year 2027's middle of January on.
pub(crate) fn job_for(message: i64, url: &str, expires_ms: i64) -> Job {
    const MADE_MS: i64 = 1_800_000_000_000;
    let ttl = Duration::from_millis((expires_ms - MADE_MS).max(0).unsigned_abs());
    let message_id = message.to_string().into();
    let endpoint = Endpoint::parse(url).unwrap();
    Job {
        key: JobKey { message, subscription: endpoint.id() },
        outgoing: Arc::new(Outgoing {
            message_id,
            message: Message::new("hi").unwrap().ttl(ttl),
            expires_ms,
        }),
        origin: endpoint.origin().into(),
        subscription: subscription(url),
        key_id: KeyId([0; 8]),
        user: "ann".into(),
        attempts: 0,
    }
}

/// A job at some service.
pub(crate) fn job(message: i64, expires_ms: i64) -> Job {
    job_for(message, "https://push.example/x", expires_ms)
}
