//! What is waited for without blocking a thread.

use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{Audience, Body, Draft, Push, Receipt};
use serde::Serialize;

use crate::error::{AckError, FlushError, PublishError};
use crate::limits::FOREVER;
use crate::publisher::Publisher;

/// For async code, whatever its executor is: a thread of the publisher's own does the work, and no tokio has to run around
/// the caller.
impl Publisher {
    /// Waits until everything queued before is written to the peer's socket, but not longer than `timeout`: what
    /// [`Publisher::flush`] does, without blocking. For programs that end.
    ///
    /// # Errors
    ///
    /// [`FlushError`], as there.
    pub async fn flush_async(&self, timeout: Duration) -> Result<(), FlushError> {
        self.check_process()?;
        let flushed = self.driver.flush_async(timeout.min(FOREVER)).await;
        flushed.map_err(|unflushed| self.flush_error(&unflushed))
    }

    /// Sends `data` for every browser when it is awaited, and waits until it is acknowledged: what
    /// [`Publisher::notify_all_acked`] does, without blocking. If the future is dropped while it waits, the message may
    /// arrive all the same.
    ///
    /// ```no_run
    /// # async fn order(publisher: &pushnote::Publisher) -> Result<(), pushnote::AckError> {
    /// let receipt = publisher.notify_all_acked_async("sold out", std::time::Duration::from_secs(5)).await?;
    /// println!("{} of {} servers have it", receipt.servers, receipt.of);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AckError`]: it was not sent, was refused, or no answer came in time.
    pub fn notify_all_acked_async<T: Serialize>(
        &self,
        data: T,
        timeout: Duration,
    ) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T> {
        self.ask(self.for_all(0, &data), timeout)
    }

    /// As [`Publisher::notify_all_acked_async`], for the browsers of some users.
    ///
    /// # Errors
    ///
    /// As there, and [`PublishError::User`] if one of the ids is none.
    pub fn notify_acked_async<T: Serialize, U: IntoIterator<Item: ToString>>(
        &self,
        data: T,
        users: U,
        timeout: Duration,
    ) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T, U> {
        self.ask(self.for_users(0, &data, users), timeout)
    }

    /// As [`Publisher::notify_all_acked_async`], for those who have subscribed to a channel.
    ///
    /// # Errors
    ///
    /// As there, and [`PublishError::Channel`].
    pub fn notify_channel_acked_async<T: Serialize>(
        &self,
        channel: &str,
        data: T,
        timeout: Duration,
    ) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T> {
        self.publish(data).channel(channel).send_acked_async(timeout)
    }

    /// As [`Publisher::publish_body`], and waits until it is acknowledged.
    ///
    /// # Errors
    ///
    /// As [`Publisher::notify_all_acked_async`].
    #[doc(hidden)] // for pushnote's server
    pub async fn publish_body_acked(
        &self,
        body: &Body,
        audience: &Audience,
        event: Option<&str>,
        push: Option<&Push>,
        timeout: Duration,
    ) -> Result<Receipt, AckError> {
        self.ask(self.for_body(0, body, audience, event, push), timeout).await
    }

    fn ask(
        &self,
        draft: Result<Draft, PublishError>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<> {
        let acks = Arc::clone(&self.acks);
        async move { acks.send_async(draft?, timeout.min(FOREVER)).await }
    }
}
