//! A publisher whose messages do not all come.

use pushnote_zmtp::{Options, Publisher};
use serde_json::{Value, json};

/// Publishes numbered messages; what it loses, servers notice by the number of the next.
pub struct LossyPublisher {
    socket: Publisher,
    number: u64,
}

impl LossyPublisher {
    /// Publishes there.
    ///
    /// # Panics
    ///
    /// If it is no endpoint.
    #[must_use]
    pub fn connect(endpoint: &str) -> Self {
        let endpoint = endpoint.parse().expect("an endpoint");
        Self { socket: Publisher::connect(endpoint, Options::default()), number: 0 }
    }

    /// Publishes a message to a channel.
    ///
    /// # Panics
    ///
    /// If nobody takes it.
    pub async fn publish(&mut self, channel: &str, data: &Value) {
        self.send(json!({"name": "publish", "data": data, "channels": [channel]})).await;
    }

    /// Publishes a message to everyone.
    ///
    /// # Panics
    ///
    /// If nobody takes it.
    pub async fn publish_to_everyone(&mut self, data: &Value) {
        self.send(json!({"name": "notify_all", "data": data})).await;
    }

    async fn send(&mut self, mut envelope: Value) {
        self.number += 1;
        envelope["publication"] = json!(format!("lossy/{}", self.number));
        self.socket.send(envelope.to_string()).await.expect("a place in the queue");
    }

    /// Loses one, and publishes the next to a channel.
    ///
    /// # Panics
    ///
    /// If nobody takes that.
    pub async fn lose_one_before(&mut self, channel: &str, data: &Value) {
        self.number += 1;
        self.publish(channel, data).await;
    }
}
