//! An application's way to one forwarder.

use pushnote_tests::{Forwarder, PATIENCE};
use pushnote_zmtp::{Options, Publisher};
use serde_json::json;
use tokio::time::timeout;

/// What comes by it is numbered by hand.
pub(crate) struct Way(Publisher);

impl Way {
    pub(crate) async fn to(forwarder: &Forwarder) -> Self {
        let socket = Publisher::connect(forwarder.sub.parse().unwrap(), Options::default());
        timeout(PATIENCE, socket.subscribed()).await.expect("the forwarder does not subscribe");
        Self(socket)
    }

    /// Publishes a message of this publisher, with this data, to everyone.
    pub(crate) async fn brings(&self, publisher: &str, number: u64, data: u64) {
        let publication = format!("{publisher}/{number}");
        let envelope = json!({"name": "notify_all", "data": data, "publication": publication});
        self.0.send(envelope.to_string()).await.unwrap();
    }
}
