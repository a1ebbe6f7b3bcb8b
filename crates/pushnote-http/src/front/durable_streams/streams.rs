//! All streams of a server: which there are, and what is in them.

use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Body, ChannelName, Position, Subject};
use pushnote_hub::{Content, Dated, Excerpt};

use super::chunk::Chunk;
use super::content_type::{ContentType, Form};
use super::lifetime::Lifetime;
use super::offset::{From, Offset};
use super::registry::{Created, Registry, Slot};
use super::stream::Stream;
use crate::api::keys::CurrentApiKeys;
use crate::context::Context;
use crate::kept::unix_ms;

/// Messages in one piece at most, and about their bytes.
const CHUNK_LEN_MAX: usize = 1000;
const CHUNK_BYTES_MAX: usize = 128 << 10;

/// See the module's documentation.
pub(super) struct Streams {
    pub(super) context: Arc<Context>,
    /// Of those who may write; `None` where nobody may.
    pub(super) keys: Option<Arc<CurrentApiKeys>>,
    pub(super) registry: Registry,
}

/// A stream to read or write: one that was created, or a channel that has messages.
pub(super) struct Found {
    pub(super) channel: ChannelName,
    pub(super) created: Option<Arc<Created>>,
    /// What is known of it at the time.
    pub(super) stream: Stream,
}

impl Found {
    /// Whether it was deleted since it was found.
    pub(super) fn is_deleted(&self) -> bool {
        self.created.as_ref().is_some_and(|created| created.is_deleted())
    }
}

/// The place is not in the log any more, or of no log that is known here.
pub(super) struct Gone;

impl Streams {
    /// Looks for a stream. Nobody has to create one for a channel that has messages: it is a stream of JSON then, and so it
    /// is for who comes back to a place in it.
    pub(super) fn find(&self, channel: &ChannelName, from: Option<From>) -> Option<Found> {
        let hub = &self.context.hub;
        let channel = channel.clone();
        let begins = match self.registry.find(&channel, unix_ms(), hub.end()) {
            Some(Slot::Stream(created)) => {
                let stream = created.stream().clone();
                return Some(Found { channel, created: Some(created), stream });
            }
            Some(Slot::Deleted(end)) => end,
            None => 0,
        };
        let comes_back = begins == 0 && matches!(from, Some(From::At(_)));
        let there = comes_back || self.is_left(&channel, begins, u64::MAX);
        let stream = Stream::new(ContentType::json(), Lifetime::Unlimited, begins);
        there.then_some(Found { channel, created: None, stream })
    }

    /// Whether the log has something of a channel between two places.
    pub(super) fn is_left(&self, channel: &ChannelName, from: u64, to: u64) -> bool {
        let first = self.context.hub.excerpt(&channel.clone().into(), from, 1, 0);
        let is_message = |dated: &Dated| *dated.publication.content() != Content::Gap;
        first.publications.iter().any(|first| is_message(first) && first.offset < to)
    }

    /// The place behind a stream's last message.
    pub(super) fn tail(&self, stream: &Stream) -> u64 {
        stream.closed.as_ref().map_or_else(|| self.context.hub.end(), |closed| closed.at)
    }

    /// A place as clients have it.
    pub(super) fn offset(&self, place: u64) -> Offset {
        Offset { place: Position { epoch: self.context.hub.epoch(), sequence: place }, gap: None }
    }

    /// The place that a reader begins at.
    pub(super) fn place(&self, stream: &Stream, from: From) -> Result<u64, Gone> {
        match from {
            From::Start => Ok(stream.begins),
            From::Now => Ok(self.tail(stream)),
            From::At(Offset { place, .. }) => {
                let place = self.context.hub.place(place).filter(|place| *place >= stream.begins);
                place.ok_or(Gone)
            }
        }
    }

    /// What there is of a stream from a place on; who reads from the start takes what is left.
    pub(super) fn chunk(&self, found: &Found, place: u64, from: From) -> Result<Chunk, Gone> {
        let subject = Subject::from(found.channel.clone());
        let Excerpt { publications, complete, gap, next } =
            self.context.hub.excerpt(&subject, place, CHUNK_LEN_MAX, CHUNK_BYTES_MAX);
        // After the look: a stream that is closed now has nothing behind its end.
        let closed = match &found.created {
            Some(created) => created.stream().closed.as_ref().map(|closed| closed.at),
            None => None,
        };
        if !complete && matches!(from, From::At(_)) && closed.is_none_or(|end| place < end) {
            return Err(Gone);
        }
        let next = closed.map_or(next, |end| next.min(end.max(place)));
        let of_stream = publications.iter().take_while(|dated| dated.offset < next);
        // Who begins at what is left is not told again of what is missing there.
        let known = match from {
            From::At(Offset { gap, .. }) => gap.unwrap_or_default(),
            From::Start | From::Now => gap,
        };
        let is_news = |dated: &Dated| *dated.publication.content() == Content::Gap && dated.offset >= known;
        if of_stream.clone().any(is_news) {
            return Err(Gone);
        }
        let form = found.stream.content_type.form();
        let messages: Vec<Bytes> = of_stream.clone().filter_map(|dated| message(dated, form)).collect();
        let offsets = of_stream.map(|dated| dated.offset);
        let (first, last) = (offsets.clone().next(), offsets.last());
        let up_to_date = next >= closed.unwrap_or_else(|| self.context.hub.end());
        Ok(Chunk {
            messages,
            first: first.unwrap_or(place),
            last: last.map_or(place, |last| last + 1),
            next: Offset { gap: (known > next).then_some(known), ..self.offset(next) },
            up_to_date,
            closed: up_to_date && closed.is_some(),
        })
    }
}

/// A publication as a stream has it.
fn message(dated: &Dated, form: Form) -> Option<Bytes> {
    let Content::Message { data, media_type, .. } = dated.publication.content() else { return None };
    Some(match form {
        Form::Json => data.clone(),
        Form::Text | Form::Bytes => Body::bytes(data, media_type.as_deref()).0,
    })
}
