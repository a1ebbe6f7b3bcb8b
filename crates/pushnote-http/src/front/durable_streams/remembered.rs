//! What is remembered of a stream from one run of the server to the next.

use std::time::Duration;

use bytes::Bytes;
use pushnote_core::ChannelName;
use serde::{Deserialize, Serialize};

use super::content_type::ContentType;
use super::lifetime::Lifetime;
use super::producers::{Producers, Step};
use super::stream::{Closed, Stream};

/// What the names begin with that streams have in the store; the channel's follows.
const PREFIX: &str = "stream/";

/// What is remembered of a channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Remembered {
    Stream(Stream),
    /// The place in the log before which nothing is a stream's any more.
    Deleted(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Stream {
        content_type: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl_s: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Box<str>>,
        begins: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        closed: Option<(u64, Option<Step>)>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<Box<str>>,
        #[serde(default)]
        producers: Producers,
    },
    Deleted(u64),
}

/// The name in the store.
pub(super) fn name(channel: &ChannelName) -> String {
    format!("{PREFIX}{channel}")
}

/// The channel of a name in the store, if it is a stream's.
pub(super) fn channel(name: &str) -> Option<ChannelName> {
    ChannelName::new(name.strip_prefix(PREFIX)?).ok()
}

impl Remembered {
    /// As it is stored.
    pub(super) fn write(&self) -> Bytes {
        let form = match self {
            Self::Deleted(end) => Form::Deleted(*end),
            Self::Stream(stream) => {
                let (ttl_s, expires_at) = match &stream.lifetime {
                    Lifetime::Unlimited => (None, None),
                    Lifetime::Idle(ttl) => (Some(ttl.as_secs()), None),
                    Lifetime::Until { text, .. } => (None, Some(text.clone())),
                };
                Form::Stream {
                    content_type: stream.content_type.as_str().to_owned(),
                    ttl_s,
                    expires_at,
                    begins: stream.begins,
                    closed: stream.closed.clone().map(|Closed { at, by }| (at, by)),
                    seq: stream.seq.clone(),
                    producers: stream.producers.clone(),
                }
            }
        };
        // Texts and numbers have a form in JSON.
        serde_json::to_vec(&form).unwrap_or_default().into()
    }

    /// As it was stored; `None` of what only a later version knows. Places beyond `end`, which no message has reached that is
    /// left, are that.
    pub(super) fn read(value: &[u8], end: u64) -> Option<Self> {
        match serde_json::from_slice(value).ok()? {
            Form::Deleted(place) => Some(Self::Deleted(place.min(end))),
            Form::Stream { content_type, ttl_s, expires_at, begins, closed, seq, producers } => {
                let lifetime = match (ttl_s, expires_at) {
                    (Some(ttl_s), _) => Lifetime::Idle(Duration::from_secs(ttl_s)),
                    (None, Some(text)) => Lifetime::until(&text)?,
                    (None, None) => Lifetime::Unlimited,
                };
                let closed = closed.map(|(at, by)| Closed { at: at.min(end), by });
                let content_type = ContentType::new(&content_type).ok()?;
                let begins = begins.min(end);
                Some(Self::Stream(Stream { content_type, lifetime, begins, closed, seq, producers }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Stream::new(ContentType::new("text/plain; a=b").unwrap(), Lifetime::Unlimited, 7);
        let step = Step { id: "a".into(), epoch: 1, seq: 2 };
        for lifetime in [
            Lifetime::Unlimited,
            Lifetime::Idle(Duration::from_secs(60)),
            Lifetime::until("2030-01-01T00:00:00+01:00").unwrap(),
        ] {
            stream.lifetime = lifetime;
            let remembered = Remembered::Stream(stream.clone());
            assert_eq!(Remembered::read(&remembered.write(), 100), Some(remembered));
            stream.producers.took(&step);
            stream.seq = Some("x".into());
            stream.closed = Some(Closed { at: 9, by: Some(step.clone()) });
        }
        let deleted = Remembered::Deleted(5);
        assert_eq!(Remembered::read(&deleted.write(), 100), Some(deleted));
    }

    #[test]
    fn no_place_lies_beyond_the_log() {
        let mut stream = Stream::new(ContentType::json(), Lifetime::Unlimited, 7);
        stream.closed = Some(Closed { at: 9, by: None });
        let Some(Remembered::Stream(read)) = Remembered::read(&Remembered::Stream(stream).write(), 5) else {
            panic!("no stream")
        };
        assert_eq!((read.begins, read.closed), (5, Some(Closed { at: 5, by: None })));
        assert_eq!(Remembered::read(&Remembered::Deleted(9).write(), 5), Some(Remembered::Deleted(5)));
    }

    #[test]
    fn names_have_a_prefix() {
        let news = ChannelName::new("news/a").unwrap();
        assert_eq!(channel(&name(&news)), Some(news));
        assert_eq!(channel("other/news"), None);
        assert_eq!(Remembered::read(b"{\"later\":1}", 5), None);
    }
}
