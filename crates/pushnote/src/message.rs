//! A message, put together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pushnote_core::envelope::event_name;
use pushnote_core::{Audience, ChannelName, Draft, Push, Receipt, Subject, UserId};
use serde::Serialize;

use crate::error::{AckError, BuildError, PublishError};
use crate::limits::FOREVER;
use crate::publisher::Publisher;

/// A message for channels, users and everyone in one: each connection gets it once. It is published by [`Message::send`]
/// or [`Message::send_acked`], which also tell what was wrong before.
#[derive(Debug)]
#[must_use = "a message is published by send() or send_acked()"]
pub struct Message<'p, T> {
    data: T,
    /// What was wrong first, if anything.
    to: Result<Addressed<'p>, PublishError>,
}

#[derive(Debug)]
struct Addressed<'p> {
    publisher: &'p Publisher,
    subjects: Vec<Subject>,
    event: Option<Box<str>>,
    push: Option<Push>,
}

/// A message that may be sent.
struct Checked<'p> {
    publisher: &'p Publisher,
    audience: Audience,
    event: Option<Box<str>>,
    push: Option<Push>,
}

impl Publisher {
    /// Begins a message, which says next whom it is for:
    ///
    /// ```no_run
    /// # fn publish(publisher: &pushnote::Publisher) -> Result<(), pushnote::PublishError> {
    /// publisher.publish("Hi").channel("news").user(42).event("headline").send()
    /// # }
    /// ```
    pub fn publish<T: Serialize>(&self, data: T) -> Message<'_, T> {
        Message::new(Ok(self), data)
    }

    /// Queues `data` for those who have subscribed to a channel. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: `channel` is no channel's name, the data has no JSON or too much of it, or the queue is full.
    pub fn notify_channel(&self, channel: &str, data: impl Serialize) -> Result<(), PublishError> {
        self.publish(data).channel(channel).send()
    }

    /// Sends `data` for those who have subscribed to a channel, and blocks until it is acknowledged; see
    /// [`Publisher::notify_all_acked`].
    ///
    /// # Errors
    ///
    /// As there, and [`PublishError::Channel`].
    pub fn notify_channel_acked(
        &self,
        channel: &str,
        data: impl Serialize,
        timeout: Duration,
    ) -> Result<Receipt, AckError> {
        self.publish(data).channel(channel).send_acked(timeout)
    }
}

impl<'p, T: Serialize> Message<'p, T> {
    pub(crate) fn new(publisher: Result<&'p Publisher, BuildError>, data: T) -> Self {
        let to =
            publisher.map(|publisher| Addressed { publisher, subjects: Vec::new(), event: None, push: None });
        Self { data, to: to.map_err(PublishError::from) }
    }

    /// For those who have subscribed to a channel.
    pub fn channel(self, name: &str) -> Self {
        self.with(|to| to.name(ChannelName::new(name)?))
    }

    /// For the browsers of a user: an id as text, as a number, as anything that has a `Display`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an id is a number or a literal more often than a variable"
    )]
    pub fn user(self, user: impl ToString) -> Self {
        self.with(|to| to.name(UserId::new(&user.to_string())?))
    }

    /// For the browsers of some users.
    pub fn users(self, users: impl IntoIterator<Item = impl ToString>) -> Self {
        users.into_iter().fold(self, Self::user)
    }

    /// For every browser.
    pub fn everyone(self) -> Self {
        self.with(|to| to.name(Subject::Everyone))
    }

    /// What kind of message it is, for scripts in browsers to tell by: 1 to 128 bytes.
    pub fn event(self, name: &str) -> Self {
        self.with(|to| {
            to.event = Some(event_name(name)?.into());
            Ok(())
        })
    }

    /// What follows, by Web Push, to the devices of each of its users of whom no page has acknowledged it in time. For
    /// messages to users alone.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use pushnote::Push;
    /// # fn publish(publisher: &pushnote::Publisher) -> Result<(), pushnote::PublishError> {
    /// let push = Push::new("New message").body("Anna: see you at 7").after(Duration::from_secs(10)).url("/chat/7");
    /// publisher.publish("see you at 7").user(42).push(push).send()
    /// # }
    /// ```
    pub fn push(self, push: Push) -> Self {
        self.with(|to| {
            push.check()?;
            to.push = Some(push);
            Ok(())
        })
    }

    /// Queues it. Does not block.
    ///
    /// What becomes of a [`Message::push`] is asked for by [`Push::id`], at `GET /v1/messages/ID` of a server's API: set it,
    /// as in `push.id("order-7")`. Without it, the push has an id that nobody is told,
    /// and not that of a [`Receipt`].
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it is for nobody, one of the names is none, it has no JSON or too much of it, or the queue is full.
    pub fn send(self) -> Result<(), PublishError> {
        let Checked { publisher, audience, event, push } = self.to?.checked()?;
        publisher.publish_queued(&self.data, &audience, event.as_deref(), push.as_ref())
    }

    /// Sends it, and blocks until it is acknowledged, but not longer than `timeout`; see
    /// [`Publisher::notify_all_acked`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_acked(self, timeout: Duration) -> Result<Receipt, AckError> {
        let (publisher, draft) = self.asking()?;
        publisher.acks.send(draft, timeout.min(FOREVER))
    }

    /// Sends it when it is awaited, and waits until it is acknowledged, but not longer than `timeout`; see
    /// [`Publisher::notify_all_acked_async`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_acked_async(
        self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T> {
        let asking = self.asking().map(|(publisher, draft)| (Arc::clone(&publisher.acks), draft));
        async move {
            let (acks, draft) = asking?;
            acks.send_async(draft, timeout.min(FOREVER)).await
        }
    }

    fn asking(self) -> Result<(&'p Publisher, Draft), PublishError> {
        let Checked { publisher, audience, event, push } = self.to?.checked()?;
        let draft = publisher.for_audience(0, &self.data, &audience, event.as_deref(), push.as_ref())?;
        Ok((publisher, draft))
    }

    fn with(mut self, change: impl FnOnce(&mut Addressed<'p>) -> Result<(), PublishError>) -> Self {
        if let Ok(to) = &mut self.to
            && let Err(error) = change(to)
        {
            self.to = Err(error);
        }
        self
    }
}

impl<'p> Addressed<'p> {
    fn name(&mut self, subject: impl Into<Subject>) -> Result<(), PublishError> {
        self.subjects.push(subject.into());
        Ok(())
    }

    fn checked(mut self) -> Result<Checked<'p>, PublishError> {
        if self.subjects.is_empty() {
            return Err(PublishError::Nobody);
        }
        let is_user = |subject: &Subject| matches!(subject, Subject::User(_));
        if self.push.is_some() && !self.subjects.iter().all(is_user) {
            return Err(PublishError::PushNotToUsers);
        }
        let mut seen = HashSet::with_capacity(self.subjects.len());
        self.subjects.retain(|subject| seen.insert(subject.clone()));
        let Self { publisher, subjects, event, push } = self;
        Ok(Checked { publisher, audience: subjects.into_iter().collect(), event, push })
    }
}
