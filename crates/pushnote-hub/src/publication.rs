//! What is fanned out: publications, and the batches that receivers get them in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Audience, Body, ChannelName, Cursor, Position, Push, Subject, UserId};

/// About what a subject takes besides its name.
const SUBJECT_BYTES: usize = 48;

/// One accepted message: parsed once, shared by the log, every shard and every receiver.
#[derive(Debug, Clone)]
pub struct Publication {
    content: Content,
    audience: Audience,
    /// What follows if it is not acknowledged. Shared, for few have it.
    push: Option<Arc<Push>>,
    /// The place behind it; the log's to say.
    pub(crate) cursor: Cursor,
    /// It was published before this server was there: for those who come back, not for those who are here.
    pub(crate) old: bool,
}

/// What a publication tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// What an application has published.
    Message {
        /// The payload: one JSON value as text, without line breaks.
        data: Bytes,
        /// What the application calls it.
        event: Option<Box<str>>,
        /// What the payload, a string, stands for ([`Body`]).
        media_type: Option<Box<str>>,
    },
    /// Here messages are missing.
    Gap,
    /// Somebody has come to a channel.
    Joined(ChannelName, UserId),
    /// Somebody has left one.
    Left(ChannelName, UserId),
}

impl Publication {
    /// A message for `audience`; of bytes, they are one JSON value as text, without line breaks.
    pub fn new(body: impl Into<Body>, event: Option<Box<str>>, audience: Audience) -> Self {
        let Body { data, media_type } = body.into();
        Self::of(Content::Message { data, event, media_type }, audience)
    }

    /// Says to everybody that messages are missing here.
    pub fn gap() -> Self {
        Self::gap_for(Audience::everyone())
    }

    /// Says to these that messages of theirs are missing here.
    pub fn gap_for(audience: Audience) -> Self {
        Self::of(Content::Gap, audience)
    }

    /// Says, to those who want to know, that somebody has come to a channel.
    pub fn joined(channel: ChannelName, user: UserId) -> Self {
        let audience = [Subject::Presence(channel.clone())].into_iter().collect();
        Self::of(Content::Joined(channel, user), audience)
    }

    /// Says, to those who want to know, that somebody has left a channel.
    pub fn left(channel: ChannelName, user: UserId) -> Self {
        let audience = [Subject::Presence(channel.clone())].into_iter().collect();
        Self::of(Content::Left(channel, user), audience)
    }

    fn of(content: Content, audience: Audience) -> Self {
        let nowhere = Position { epoch: 0, sequence: 0 };
        let cursor = Cursor { log: nowhere, sources: Arc::default() };
        Self { content, audience, push: None, cursor, old: false }
    }

    /// The same, with what follows if no page acknowledges it.
    #[must_use]
    pub fn with_push(self, push: Option<impl Into<Arc<Push>>>) -> Self {
        Self { push: push.map(Into::into), ..self }
    }

    /// What follows if no page acknowledges it.
    pub fn push(&self) -> Option<&Push> {
        self.push.as_deref()
    }

    /// By what pages are to acknowledge it, if they are.
    pub fn ack(&self) -> Option<&str> {
        self.push.as_ref().and_then(|push| push.id.as_deref())
    }

    /// What it tells.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The payload, of a message.
    pub fn data(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Message { data, .. } => Some(data),
            Content::Gap | Content::Joined(..) | Content::Left(..) => None,
        }
    }

    /// Who is to get it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The place behind it.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The same, for who has had what is before `had`, too.
    pub(crate) fn and_had(&self, had: &Cursor) -> Self {
        Self { cursor: self.cursor.and(had), ..self.clone() }
    }

    /// Whether there is nobody to get it.
    pub fn is_for_nobody(&self) -> bool {
        self.audience.is_empty()
    }

    pub(crate) fn data_len(&self) -> usize {
        self.data().map_or(0, Bytes::len)
    }

    /// What it takes of memory, in bytes.
    pub fn bytes_len(&self) -> usize {
        let subjects: usize = self.audience.subjects().iter().map(subject_bytes).sum();
        let user = match &self.content {
            Content::Joined(_, user) | Content::Left(_, user) => user.as_str().len(),
            Content::Message { .. } | Content::Gap => 0,
        };
        let push = self.push.as_ref().map_or(0, |push| size_of::<Push>() + push.texts_len());
        size_of::<Self>() + self.data_len() + subjects + user + push
    }

    /// Tells it apart from others with its id.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        self.audience.hash(&mut hasher);
        self.push.hash(&mut hasher);
        hasher.finish()
    }

    /// Lets go of what was received with its payload, of which that is a slice.
    pub fn detach(&mut self) {
        if let Content::Message { data, .. } = &mut self.content {
            *data = Bytes::copy_from_slice(data);
        }
    }
}

/// What naming a subject takes.
pub(crate) fn subject_bytes(subject: &Subject) -> usize {
    SUBJECT_BYTES + subject.name_len()
}

/// A publication while it is delivered. `E` caches its encodings, one per framing that any receiver asks for; the hub never
/// looks inside. They go when all have it: the log keeps what they can be made from.
#[derive(Debug)]
pub struct Encoded<E> {
    publication: Arc<Publication>,
    encodings: E,
}

impl<E: Default> From<Arc<Publication>> for Encoded<E> {
    fn from(publication: Arc<Publication>) -> Self {
        Self { publication, encodings: E::default() }
    }
}

impl<E> Encoded<E> {
    pub(crate) fn publication(&self) -> &Publication {
        &self.publication
    }
}

/// What one receiver gets in one turn: one publication or more, oldest first.
///
/// Receivers that get the same batch share its encodings, so that a burst to 10,000 receivers costs one
/// encoding and, for each of them, one system call.
#[derive(Debug)]
pub struct Batch<E> {
    publications: Vec<Arc<Encoded<E>>>,
    encodings: E,
}

impl<E: Default> Batch<E> {
    /// A batch of `publications`, oldest first.
    pub fn new(publications: Vec<Arc<Encoded<E>>>) -> Self {
        Self { publications, encodings: E::default() }
    }
}

impl<E> Batch<E> {
    /// Where the encodings of exactly this batch are cached.
    ///
    /// For a single publication these are the publication's own, which other shards and other batches share.
    pub fn encodings(&self) -> &E {
        match self.publications.as_slice() {
            [only] => &only.encodings,
            _ => &self.encodings,
        }
    }

    /// The publications, oldest first.
    pub fn publications(&self) -> impl ExactSizeIterator<Item = &Publication> {
        self.publications.iter().map(|encoded| &*encoded.publication)
    }

    /// The payloads of the messages among them, oldest first.
    pub fn payloads(&self) -> impl Iterator<Item = &Bytes> {
        self.publications().filter_map(Publication::data)
    }

    /// The offset of the first.
    pub(crate) fn first(&self) -> Option<u64> {
        self.publications().next().map(|first| first.cursor.log.sequence - 1)
    }

    /// How many publications it holds.
    pub fn len(&self) -> usize {
        self.publications.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.publications.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_it_is_for_counts_too() {
        let users = (0..1000).map(|user| user.to_string().parse().expect("a user"));
        let publication = Publication::new(Bytes::from_static(b"1"), None, Audience::users(users));
        assert!(publication.bytes_len() > 1000 * SUBJECT_BYTES);
    }
}
