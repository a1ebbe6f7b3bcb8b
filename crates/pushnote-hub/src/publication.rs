//! What is fanned out: publications, and the batches a shard delivers them in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::Audience;
use pushnote_core::sequencer::Item;
use tokio::sync::OwnedSemaphorePermit;

/// About what a subject takes besides its name.
const SUBJECT_BYTES: usize = 48;

/// One accepted message: parsed once, shared by every shard and every receiver.
///
/// `E` caches its encodings, one per framing that any receiver asks for; the hub never looks inside.
#[derive(Debug)]
pub struct Publication<E> {
    data: Bytes,
    audience: Audience,
    encodings: E,
    /// Its place among what waits for the shards; given back when the last of them is done with it.
    room: Option<OwnedSemaphorePermit>,
}

impl<E: Default> Publication<E> {
    /// A message for `audience`; `data` is one JSON value as text, without line breaks.
    pub fn new(data: Bytes, audience: Audience) -> Self {
        Self { data, audience, encodings: E::default(), room: None }
    }
}

impl<E> Publication<E> {
    /// The payload: one JSON value as text.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Who is to get it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// It waits for the shards now, and has room for it.
    pub(crate) fn take_room(&mut self, room: OwnedSemaphorePermit) {
        self.room = Some(room);
    }

    /// Whether there is nobody to get it.
    pub fn is_for_nobody(&self) -> bool {
        self.audience.is_empty()
    }
}

impl<E> Item for Publication<E> {
    fn bytes_len(&self) -> usize {
        let subjects = self.audience.subjects().iter();
        let subjects: usize = subjects.map(|subject| SUBJECT_BYTES + subject.name_len()).sum();
        size_of::<Self>() + self.data.len() + subjects
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.data.hash(&mut hasher);
        self.audience.hash(&mut hasher);
        hasher.finish()
    }

    /// The payload is a slice of what was received with it.
    fn detach(&mut self) {
        self.data = Bytes::copy_from_slice(&self.data);
    }
}

/// What one receiver gets in one turn: one publication or more, oldest first.
///
/// Receivers that get the same batch share its encodings, so that a burst to 10,000 receivers costs one
/// encoding and, for each of them, one system call.
#[derive(Debug)]
pub struct Batch<E> {
    publications: Vec<Arc<Publication<E>>>,
    encodings: E,
}

impl<E: Default> Batch<E> {
    /// A batch of `publications`, oldest first.
    pub fn new(publications: Vec<Arc<Publication<E>>>) -> Self {
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

    /// The payloads, oldest first.
    pub fn payloads(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.publications.iter().map(|publication| publication.data())
    }

    /// How many messages it holds.
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
        let publication = Publication::<()>::new(Bytes::from_static(b"1"), Audience::users(users));
        assert!(publication.bytes_len() > 1000 * SUBJECT_BYTES);
    }
}
