//! The end of a server, as browsers see it: they are told to leave, each with a code that says to come back.

use std::time::Duration;

use pushnote_core::CloseCode;
use pushnote_hub::Hub;
use pushnote_sockjs::SockJs;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Clients;
use crate::receiver::AnyReceiver;

/// How long to wait for the shards to count everybody out, between looks.
const LOOK: Duration = Duration::from_millis(20);

/// Closes all connections: how many there were, and when that began.
pub(crate) async fn drain(
    hub: &Hub<AnyReceiver>,
    sockjs: &SockJs<Clients>,
    deadline: Duration,
) -> (u64, Instant) {
    let told = hub.attached();
    tracing::info!(connections = told, deadline_s = deadline.as_secs(), "draining");
    let started = Instant::now();
    // Being late is an answer, too: what is left is counted.
    let _ = timeout(deadline, tell_everybody(hub, sockjs)).await;
    (told, started)
}

/// Closes all connections, until each client knows: also one that is between two polls, and comes to hear it.
async fn tell_everybody(hub: &Hub<AnyReceiver>, sockjs: &SockJs<Clients>) {
    let code = CloseCode::Shutdown;
    sockjs.refuse_new(code.code(), code.reason());
    // By way of the shards, behind what they still have to deliver.
    hub.close_all(code);
    while hub.attached() > 0 {
        sleep(LOOK).await;
    }
    sockjs.close_all(code.code(), code.reason()).await;
}
