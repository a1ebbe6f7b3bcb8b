//! Messages that are answered: passed on like all others, and then the servers are asked whether they have them.

use pushnote_zmtp::{Confirmation, Publisher, Request};
use std::fmt::Display;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long servers get to say that they have a message.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait for servers at a time. Above it, no more are read.
const OPEN_MAX: usize = 1024;

/// Questions that wait for servers.
#[derive(Debug, Default)]
pub(crate) struct Acks(JoinSet<()>);

impl Acks {
    /// Waits while as many are open as may be. Cancel-safe.
    pub(crate) async fn room(&mut self) {
        while self.0.try_join_next().is_some() {}
        if self.0.len() >= OPEN_MAX {
            self.0.join_next().await;
        }
    }

    /// Waits until all are answered.
    pub(crate) async fn settled(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Passes a message on, and answers when the servers have.
    pub(crate) fn take(&mut self, mut request: Request, publisher: &Publisher) {
        let sent = match request.body() {
            Ok(body) => publisher.try_send_confirmed(body).map_err(refusal),
            Err(error) => Err(refusal(error)),
        };
        request.forget_body();
        match sent {
            Ok(confirmation) => drop(self.0.spawn(answer(request, confirmation))),
            Err(refusal) => request.answer(refusal.as_bytes()),
        }
    }
}

async fn answer(request: Request, confirmation: Confirmation) {
    let delivery = confirmation.within(PATIENCE).await;
    let (id, servers, of) = (delivery.position, delivery.confirmed, delivery.subscribers);
    request.answer(format!(r#"{{"id":"{id}","servers":{servers},"of":{of}}}"#).as_bytes());
}

/// The texts of these errors have nothing that JSON would escape.
fn refusal(error: impl Display) -> String {
    format!(r#"{{"error":"{error}"}}"#)
}
