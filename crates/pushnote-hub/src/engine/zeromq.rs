//! ZeroMQ: a SUB socket that hears everything, from a forwarder or from the applications themselves.

use pushnote_zmtp::Subscriber;

use crate::clock::unix_now;
use crate::hub::{Hub, ShardGone};
use crate::ingest::Ingest;
use crate::receiver::Receiver;

/// Publishes what `subscriber` hears, one envelope per single-part message, until it is closed. Anything else
/// is counted and dropped.
///
/// # Errors
///
/// [`ShardGone`] as soon as the hub cannot deliver any more.
pub async fn run<R: Receiver>(
    mut subscriber: Subscriber,
    ingest: Ingest,
    hub: Hub<R>,
) -> Result<(), ShardGone> {
    while let Some(message) = subscriber.recv().await {
        match message.into_single() {
            Ok(bytes) => {
                if let Some(publication) = ingest.publication(&bytes, unix_now()) {
                    hub.publish(publication).await?;
                }
            }
            Err(error) => ingest.refuse("multipart", &error),
        }
    }
    Ok(())
}
