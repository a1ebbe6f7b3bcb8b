//! An envelope as its publisher writes it.

use std::io::Write;

use serde::Serialize;

use crate::envelope::{ACKNOWLEDGE, DISCONNECT, NOTIFY, NOTIFY_ALL, PUBLISH, REVOKE};
use crate::publication_id::PUBLISHER_BYTES_MAX;
use crate::push::Push;
use crate::subject::Audience;
use crate::user::UserId;

/// Room for what most messages take, before any of it is written.
const FIRST_BYTES: usize = 256;

/// An [`Envelope`](crate::Envelope) whose number is not known yet: that is given when the message's turn has come. It is
/// written once, into one buffer, which may have room at its front for what travels before it.
#[derive(Debug, Clone)]
pub struct Draft {
    buffer: Vec<u8>,
    room: usize,
    data_len: usize,
}

impl Draft {
    /// How many bytes a number adds at most.
    pub const ID_BYTES_MAX: usize = r#","publication":"/""#.len() + PUBLISHER_BYTES_MAX + 20;

    /// What publishes `data` to everyone: `{"name":"notify_all","data":…}`, behind `room` bytes.
    ///
    /// # Errors
    ///
    /// `data` has no form in JSON, for example a map whose keys are not strings.
    pub fn notify_all(room: usize, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Self::begin(room, NOTIFY_ALL, data)
    }

    /// What publishes `data` to `users`: `{"name":"notify","data":…,"users":["…",…]}`, behind `room` bytes.
    ///
    /// # Errors
    ///
    /// `data` has no form in JSON, for example a map whose keys are not strings.
    pub fn notify(room: usize, data: &impl Serialize, users: &[UserId]) -> Result<Self, serde_json::Error> {
        let mut draft = Self::begin(room, NOTIFY, data)?;
        draft.field("users", &users)?;
        Ok(draft)
    }

    /// What ends the connections of `users`, or also their tokens that were made until then (Unix seconds), behind `room` bytes.
    ///
    /// # Errors
    ///
    /// None that is known: names always have a form in JSON.
    pub fn expel(
        room: usize,
        users: &[UserId],
        revoke_until: Option<u64>,
    ) -> Result<Self, serde_json::Error> {
        let name = if revoke_until.is_some() { REVOKE } else { DISCONNECT };
        let mut draft = Self::begin(room, name, &revoke_until)?;
        draft.field("users", &users)?;
        Ok(draft)
    }

    /// What says that `users` have acknowledged a message, behind `room` bytes.
    ///
    /// # Errors
    ///
    /// None that is known: names always have a form in JSON.
    pub fn acknowledge(room: usize, message: &str, users: &[UserId]) -> Result<Self, serde_json::Error> {
        let mut draft = Self::begin(room, ACKNOWLEDGE, &message)?;
        draft.field("users", &users)?;
        Ok(draft)
    }

    /// What publishes `data` to whomever `audience` names:
    /// `{"name":"publish","data":…,"channels":["…",…],"users":["…",…],"everyone":true,"event":"…"}`, behind `room` bytes.
    /// An `event` must be as [`event_name`](crate::envelope::event_name) takes it.
    ///
    /// # Errors
    ///
    /// `data` has no form in JSON, for example a map whose keys are not strings.
    pub fn publish(
        room: usize,
        data: &impl Serialize,
        audience: &Audience,
        event: Option<&str>,
    ) -> Result<Self, serde_json::Error> {
        let mut draft = Self::begin(room, PUBLISH, data)?;
        draft.list("channels", &audience.channels().collect::<Vec<_>>())?;
        draft.list("users", &audience.user_ids().collect::<Vec<_>>())?;
        if audience.is_everyone() {
            draft.buffer.extend_from_slice(br#","everyone":true"#);
        }
        if let Some(event) = event {
            draft.field("event", &event)?;
        }
        Ok(draft)
    }

    /// Says that the data, a string, stands for a body of this type ([`Body`](crate::Body)).
    #[must_use]
    pub fn with_media_type(mut self, media_type: &str) -> Self {
        // A string always serialises.
        let _ = self.field("media_type", &media_type);
        self
    }

    /// Says what follows if no page acknowledges it, which must be as [`Push::check`] has it, and for users alone.
    #[must_use]
    pub fn with_push(mut self, push: &Push) -> Self {
        // What it consists of always serialises.
        let _ = self.field("push", push);
        self
    }

    /// Writes a list, unless it is empty.
    fn list(&mut self, key: &str, items: &[impl Serialize]) -> Result<(), serde_json::Error> {
        if items.is_empty() { Ok(()) } else { self.field(key, &items) }
    }

    fn field(&mut self, key: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        // Writing to a vector does not fail.
        let _ = write!(self.buffer, r#","{key}":"#);
        serde_json::to_writer(&mut self.buffer, value)
    }

    fn begin(room: usize, name: &str, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut buffer = Vec::with_capacity(room + FIRST_BYTES);
        buffer.resize(room, 0);
        // Writing to a vector does not fail.
        let _ = write!(buffer, r#"{{"name":"{name}","data":"#);
        let before = buffer.len();
        serde_json::to_writer(&mut buffer, data)?;
        let data_len = buffer.len() - before;
        Ok(Self { buffer, room, data_len })
    }

    /// Bytes of the data, as JSON.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data_len
    }

    /// The most bytes that the envelope will have.
    #[must_use]
    pub fn len_max(&self) -> usize {
        self.buffer.len() - self.room + Self::ID_BYTES_MAX + 1
    }

    /// The whole envelope, numbered, behind its room.
    #[must_use]
    pub fn numbered(mut self, publisher: &str, number: u64) -> Vec<u8> {
        // As above.
        let _ = write!(self.buffer, r#","publication":"{publisher}/{number}"}}"#);
        self.buffer
    }

    /// The whole envelope without a number, behind its room.
    #[must_use]
    pub fn unnumbered(mut self) -> Vec<u8> {
        self.buffer.push(b'}');
        self.buffer
    }
}
