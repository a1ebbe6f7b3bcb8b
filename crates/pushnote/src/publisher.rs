//! The publisher's handle.

use std::mem::forget;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use pushnote_core::envelope::SUBJECTS_MAX;
use pushnote_core::{Audience, Body, Draft, Push, Receipt, UserId};
use pushnote_net::harmless;
use pushnote_zmtp::Batch;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::acks::Acks;
use crate::driver::{Driver, Unflushed};
use crate::error::{AckError, FlushError, Obstacle, PublishError};
use crate::limits::{FOREVER, Limits};

/// Sends messages to one endpoint, or the same to several. Share it by reference or in an `Arc`; one is enough for a program.
///
/// ```
/// use std::time::Duration;
/// use pushnote::Publisher;
/// use serde_json::json;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let any_port = "tcp://127.0.0.1:0".parse()?;
/// # let mut server = runtime.block_on(pushnote_zmtp::Subscriber::bind(&any_port, Default::default()))?;
/// # let endpoint = server.local_endpoint().ok_or("not listening")?.to_string();
/// # let endpoint = endpoint.as_str();
/// // let endpoint = "tcp://127.0.0.1:8002";
/// let publisher = Publisher::builder().endpoint(endpoint)?.build()?;
/// publisher.notify_all(json!({"msg": "Hi all!"}))?;
/// publisher.notify(json!({"msg": "Hi"}), [42, 43])?;
/// publisher.flush(Duration::from_secs(5))?;
/// # runtime.block_on(async {
/// #     let all = server.recv().await.ok_or("closed")?;
/// #     assert!(all.topic().starts_with(br#"{"name":"notify_all","data":{"msg":"Hi all!"},"#));
/// #     let some = server.recv().await.ok_or("closed")?;
/// #     assert!(some.topic().starts_with(br#"{"name":"notify","data":{"msg":"Hi"},"users":["42","43"],"#));
/// #     Ok::<(), &str>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it blocks for [`PublisherBuilder::linger`](crate::PublisherBuilder::linger) at most, if messages still wait; what cannot be written in that
/// time is lost, with a warning in the log. [`Publisher::flush`] first to know.
#[derive(Debug)]
pub struct Publisher {
    pub(crate) driver: Arc<Driver>,
    pub(crate) acks: Arc<Acks>,
    /// Taken when dropped.
    thread: Option<JoinHandle<()>>,
    limits: Limits,
    linger: Duration,
}

/// An envelope is written where its frame will be.
const FRAME: usize = Batch::HEAD_BYTES_MAX;

/// Messages since the publisher was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Queued and not yet written.
    pub waiting: u64,
    /// Written to the peer's socket.
    pub written: u64,
    /// Never written, because it was not possible for too long.
    pub given_up: u64,
}

impl Publisher {
    pub(crate) fn new(
        driver: Arc<Driver>,
        acks: Acks,
        thread: JoinHandle<()>,
        limits: Limits,
        linger: Duration,
    ) -> Self {
        Self { driver, acks: Arc::new(acks), thread: Some(thread), limits, linger }
    }

    /// Queues `data` for every browser. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it has no JSON or too much of it, or the queue is full.
    pub fn notify_all(&self, data: impl Serialize) -> Result<(), PublishError> {
        self.queue(self.for_all(FRAME, &data)?)
    }

    /// Queues `data` for the browsers of some users: their ids, as text, as numbers, as anything that has a
    /// `Display`. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it has no JSON or too much of it, one of the ids is none, or the queue is full.
    pub fn notify(
        &self,
        data: impl Serialize,
        users: impl IntoIterator<Item = impl ToString>,
    ) -> Result<(), PublishError> {
        self.queue(self.for_users(FRAME, &data, users)?)
    }

    /// Sends `data` for every browser, and blocks until the forwarder (or the single server) says who has it, but not
    /// longer than `timeout`. For messages that matter; in async code, [`Publisher::notify_all_acked_async`].
    ///
    /// Such messages do not wait behind those of [`Publisher::notify_all`], and may overtake them; among themselves
    /// they keep their order. One that is sent again because a link broke is delivered once.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it was not sent, was refused, or no answer came in time.
    pub fn notify_all_acked(&self, data: impl Serialize, timeout: Duration) -> Result<Receipt, AckError> {
        self.acks.send(self.for_all(0, &data)?, timeout.min(FOREVER))
    }

    /// As [`Publisher::notify_all_acked`], for the browsers of some users.
    ///
    /// # Errors
    ///
    /// As there, and [`PublishError::User`] if one of the ids is none.
    pub fn notify_acked(
        &self,
        data: impl Serialize,
        users: impl IntoIterator<Item = impl ToString>,
        timeout: Duration,
    ) -> Result<Receipt, AckError> {
        self.acks.send(self.for_users(0, &data, users)?, timeout.min(FOREVER))
    }

    /// Blocks until everything queued before is written to the peer's socket, but not longer than `timeout`. For
    /// programs that end; in async code, where nothing may block, [`Publisher::flush_async`].
    ///
    /// # Errors
    ///
    /// [`FlushError`] if something is not written yet, or was given up since the last flush that said so: how much,
    /// and what is in the way.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.check_process()?;
        self.driver.flush(timeout.min(FOREVER)).map_err(|unflushed| self.flush_error(&unflushed))
    }

    /// In a process that was forked off, what was queued is the parent's to write.
    pub(crate) fn check_process(&self) -> Result<(), FlushError> {
        let driver = &self.driver;
        if driver.process.is_this() {
            return Ok(());
        }
        Err(FlushError {
            left: 0,
            given_up: 0,
            subscriber_timeout: driver.subscriber_timeout,
            endpoints: driver.endpoints.clone(),
            obstacle: Obstacle::Forked,
        })
    }

    pub(crate) fn flush_error(&self, unflushed: &Unflushed) -> FlushError {
        let driver = &self.driver;
        FlushError {
            left: unflushed.left,
            given_up: unflushed.given_up,
            subscriber_timeout: driver.subscriber_timeout,
            endpoints: driver.endpoints.clone(),
            obstacle: unflushed.obstacle.unwrap_or_else(|| driver.obstacle()),
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counts = self.driver.counts();
        Stats { waiting: counts.waiting, written: counts.written, given_up: counts.given_up }
    }

    pub(crate) fn for_all(&self, room: usize, data: &impl Serialize) -> Result<Draft, PublishError> {
        self.checked(Draft::notify_all(room, data)?, 1)
    }

    pub(crate) fn for_users(
        &self,
        room: usize,
        data: &impl Serialize,
        users: impl IntoIterator<Item = impl ToString>,
    ) -> Result<Draft, PublishError> {
        let users =
            users.into_iter().map(|user| UserId::new(&user.to_string())).collect::<Result<Vec<_>, _>>()?;
        self.checked(Draft::notify(room, data, &users)?, users.len())
    }

    /// Queues a body for `audience`, with what follows it, for pushnote's server, which passes on what it is given. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// As [`Publisher::notify_all`], and [`PublishError::Json`] if the body's data is no JSON.
    #[doc(hidden)] // its types are those of pushnote's parts, and promise nothing
    pub fn publish_body(
        &self,
        body: &Body,
        audience: &Audience,
        event: Option<&str>,
        push: Option<&Push>,
    ) -> Result<(), PublishError> {
        self.queue(self.for_body(FRAME, body, audience, event, push)?)
    }

    /// Queues that the connections of some users end; with a time, in Unix seconds, also their tokens that were made until then.
    /// Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: one of the ids is none, or the queue is full.
    pub fn expel(
        &self,
        users: impl IntoIterator<Item = impl ToString>,
        revoke_until: Option<u64>,
    ) -> Result<(), PublishError> {
        let users =
            users.into_iter().map(|user| UserId::new(&user.to_string())).collect::<Result<Vec<_>, _>>()?;
        self.queue(self.checked(Draft::expel(FRAME, &users, revoke_until)?, users.len())?)
    }

    /// Whether it was told where messages are acknowledged.
    #[must_use]
    pub fn is_acked(&self) -> bool {
        !self.acks.endpoints.0.is_empty()
    }

    pub(crate) fn for_body(
        &self,
        room: usize,
        body: &Body,
        audience: &Audience,
        event: Option<&str>,
        push: Option<&Push>,
    ) -> Result<Draft, PublishError> {
        let data: &RawValue = serde_json::from_slice(&body.data)?;
        let draft = followed(Draft::publish(room, &data, audience, event)?, push);
        let draft = match &body.media_type {
            Some(media_type) => draft.with_media_type(media_type),
            None => draft,
        };
        self.checked(draft, audience.subjects().len())
    }

    /// What [`Message::send`](crate::Message::send) does.
    pub(crate) fn publish_queued(
        &self,
        data: &impl Serialize,
        audience: &Audience,
        event: Option<&str>,
        push: Option<&Push>,
    ) -> Result<(), PublishError> {
        self.queue(self.for_audience(FRAME, data, audience, event, push)?)
    }

    /// A message's draft, with so much room before it.
    pub(crate) fn for_audience(
        &self,
        room: usize,
        data: &impl Serialize,
        audience: &Audience,
        event: Option<&str>,
        push: Option<&Push>,
    ) -> Result<Draft, PublishError> {
        let draft = followed(Draft::publish(room, data, audience, event)?, push);
        self.checked(draft, audience.subjects().len())
    }

    /// The same, unless servers would refuse it; `named` is how many it is for.
    fn checked(&self, draft: Draft, named: usize) -> Result<Draft, PublishError> {
        let Limits { message_bytes_max, frame_bytes_max } = self.limits;
        if draft.data_len() > message_bytes_max {
            return Err(PublishError::TooLong { len: draft.data_len(), max: message_bytes_max });
        }
        if draft.len_max() > frame_bytes_max {
            return Err(PublishError::NamesTooLong { len: draft.len_max(), max: frame_bytes_max });
        }
        if named > SUBJECTS_MAX {
            return Err(PublishError::TooManyNames { len: named });
        }
        Ok(draft)
    }

    /// Queues that some users have acknowledged a message, by its id, for pushnote's server. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: the queue is full, or the names are too long or too many.
    #[doc(hidden)] // likewise
    pub fn acknowledge(&self, message: &str, users: &[UserId]) -> Result<(), PublishError> {
        self.queue(self.checked(Draft::acknowledge(FRAME, message, users)?, users.len())?)
    }

    fn queue(&self, draft: Draft) -> Result<(), PublishError> {
        if !self.driver.process.is_this() {
            return Err(PublishError::Forked);
        }
        self.driver.push(draft).map_err(|full| PublishError::QueueFull {
            messages: full.messages,
            bytes: full.bytes,
            endpoints: self.driver.endpoints.clone(),
            obstacle: self.driver.obstacle(),
        })
    }
}

fn followed(draft: Draft, push: Option<&Push>) -> Draft {
    match push {
        Some(push) => draft.with_push(push),
        None => draft,
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if !self.driver.process.is_this() {
            // Nothing here is this process's to end: its locks may be held for ever, and what was the thread's is another's by now.
            forget((Arc::clone(&self.driver), Arc::clone(&self.acks), self.thread.take()));
            return;
        }
        if let Err(error) = self.flush(self.linger) {
            harmless(|| tracing::warn!(%error, "publisher dropped before everything was written"));
        }
        self.driver.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by then, and a second one here would abort.
            let _ = thread.join();
        }
    }
}
