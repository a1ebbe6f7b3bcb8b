//! A log that outlives its process: what keeps it, and a publication as it is kept.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Audience, Body, ChannelName, Position, PublicationId, Push, Subject, UserId};

use crate::log::Origin;
use crate::publication::{Content, Publication};

/// What the first byte of a record is. A later format has another.
const VERSION: u8 = 1;

const GAP: u8 = 1;
const EVENT: u8 = 1 << 1;
const POSITION: u8 = 1 << 2;
const OLD: u8 = 1 << 3;
const ID: u8 = 1 << 4;
const SENDER: u8 = 1 << 5;
const MEDIA_TYPE: u8 = 1 << 6;
const PUSH: u8 = 1 << 7;

/// Something to wait for.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps what a log is given, where the end of the process does not matter.
pub trait Keep: fmt::Debug + Send + Sync {
    /// Takes the next record, without waiting; `false` if there is no room for it at the moment. While it cannot keep
    /// anything, it takes what comes and lets it go.
    fn keep(&self, offset: u64, body: &Bytes) -> bool;

    /// Waits until there may be room.
    fn room(&self) -> Waiting<'_, ()>;

    /// Waits until everything before this place is kept.
    ///
    /// # Errors
    ///
    /// Why it is not.
    fn kept(&self, place: u64) -> Waiting<'_, Result<(), String>>;

    /// Whether who was at this place in an earlier run has had what the log has before it, and nothing else.
    fn holds(&self, epoch: u64, place: u64) -> bool;
}

/// A log that goes on.
#[derive(Debug)]
pub struct KeptLog {
    /// What keeps it.
    pub keep: Arc<dyn Keep>,
    /// The offset of the next publication.
    pub next_offset: u64,
    /// What is there, up to that offset and without holes.
    pub recovered: Vec<Recovered>,
}

/// A publication of an earlier run.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// It.
    pub publication: Publication,
    /// Where it came from.
    pub origin: Origin,
    /// How long ago it was published.
    pub age: Duration,
}

/// Bytes that are no record of this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Of a version that is to come.
    #[error("a record has format {0}, and this version of pushnote knows {VERSION} at most")]
    Version(u8),
    /// Cut or damaged.
    #[error("a record is damaged")]
    Malformed,
}

impl Recovered {
    /// Reads what a log has given to [`Keep::keep`].
    ///
    /// # Errors
    ///
    /// [`RecordError`]: it is of a version that is to come, or was never a record.
    pub fn read(body: &Bytes, age: Duration) -> Result<Self, RecordError> {
        match body.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(RecordError::Version(version)),
            None => return Err(RecordError::Malformed),
        }
        let (publication, origin) =
            Reader { rest: body.slice(1..) }.record().ok_or(RecordError::Malformed)?;
        Ok(Self { publication, origin, age })
    }
}

/// A publication as it is kept: version, flags, what these say, the audience, and the data to the end. Numbers are
/// little-endian, and a text has its length before it, in four bytes.
pub(crate) fn record(publication: &Publication, origin: &Origin) -> Bytes {
    let Origin { position, marks, old, id, sender } = origin;
    let (data, event, media_type) = match publication.content() {
        Content::Message { data, event, media_type } => (&data[..], event.as_deref(), media_type.as_deref()),
        Content::Gap | Content::Joined(..) | Content::Left(..) => (&[][..], None, None),
    };
    let flags = [
        (GAP, *publication.content() == Content::Gap),
        (EVENT, event.is_some()),
        (POSITION, position.is_some()),
        (OLD, *old),
        (ID, id.is_some()),
        (SENDER, sender.is_some()),
        (MEDIA_TYPE, media_type.is_some()),
        (PUSH, publication.push().is_some()),
    ];
    let mut out = Vec::with_capacity(128 + data.len());
    out.push(VERSION);
    out.push(flags.iter().filter(|(_, set)| *set).fold(0, |all, (flag, _)| all | flag));
    position.iter().for_each(|position| put_position(&mut out, *position));
    put_len(&mut out, marks.len());
    marks.iter().for_each(|mark| put_position(&mut out, *mark));
    if let Some(PublicationId { publisher, number }) = id {
        put_text(&mut out, publisher);
        out.extend(number.to_le_bytes());
    }
    sender.iter().for_each(|sender| out.extend(sender));
    let subjects = publication.audience().subjects().iter().filter_map(|subject| match subject {
        Subject::Everyone => Some((0, "")),
        Subject::User(user) => Some((1, user.as_str())),
        Subject::Channel(channel) => Some((2, channel.as_str())),
        // Who came and went before a restart is no news: it is kept as something for nobody, in its place.
        Subject::Presence(_) => None,
    });
    put_len(&mut out, subjects.clone().count());
    for (kind, name) in subjects {
        out.push(kind);
        put_text(&mut out, name);
    }
    event.iter().chain(media_type.iter()).for_each(|text| put_text(&mut out, text));
    publication.push().iter().for_each(|push| put_text(&mut out, &push.to_json()));
    out.extend(data);
    out.into()
}

fn put_position(out: &mut Vec<u8>, Position { epoch, sequence }: Position) {
    out.extend(epoch.to_le_bytes());
    out.extend(sequence.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend(text.as_bytes());
}

/// No message has so much of anything that four bytes do not do.
fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend((len as u32).to_le_bytes());
}

struct Reader {
    rest: Bytes,
}

impl Reader {
    fn record(mut self) -> Option<(Publication, Origin)> {
        let [flags] = self.array()?;
        let has = |flag| flags & flag != 0;
        let position = if has(POSITION) { Some(self.position()?) } else { None };
        let marks = (0..self.len()?).map(|_| self.position()).collect::<Option<_>>()?;
        let id = if has(ID) { Some(self.id()?) } else { None };
        let sender = if has(SENDER) { Some(self.array()?) } else { None };
        let audience = (0..self.len()?).map(|_| self.subject()).collect::<Option<Audience>>()?;
        let event = if has(EVENT) { Some(self.text()?.as_str().into()) } else { None };
        let media_type = if has(MEDIA_TYPE) { Some(self.text()?.as_str().into()) } else { None };
        let push = if has(PUSH) { Some(Push::parse(self.text()?.as_bytes()).ok()?) } else { None };
        let publication = if has(GAP) {
            Publication::gap_for(audience)
        } else {
            Publication::new(Body { data: self.rest, media_type }, event, audience).with_push(push)
        };
        Some((publication, Origin { position, marks, old: has(OLD), id, sender }))
    }

    fn bytes(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.rest.len()).then(|| self.rest.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?[..].try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let len = self.len()?;
        String::from_utf8(self.bytes(len)?.into()).ok()
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { epoch: self.number()?, sequence: self.number()? })
    }

    fn id(&mut self) -> Option<PublicationId> {
        Some(PublicationId { publisher: self.text()?.into(), number: self.number()? })
    }

    fn subject(&mut self) -> Option<Subject> {
        let ([kind], name) = (self.array()?, self.text()?);
        match kind {
            0 => Some(Subject::Everyone),
            1 => UserId::new(&name).ok().map(Subject::User),
            2 => ChannelName::new(&name).ok().map(Subject::Channel),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn publication() -> Publication {
        let audience = [
            Subject::Everyone,
            Subject::User(UserId::new("42").unwrap()),
            Subject::Channel(ChannelName::new("news").unwrap()),
        ];
        let data = Bytes::from_static(br#"{"a":[1,2]}"#);
        Publication::new(data, Some("edit".into()), audience.into_iter().collect())
    }

    fn push() -> Push {
        Push { id: Some("web/42".into()), title: "Hi".into(), url: Some("/a".into()), ..Push::default() }
    }

    fn origin() -> Origin {
        Origin {
            position: Some(Position { epoch: 7, sequence: 8 }),
            marks: [Position { epoch: 7, sequence: 9 }, Position { epoch: u64::MAX, sequence: 0 }].into(),
            old: true,
            id: Some("web/42".parse().unwrap()),
            sender: Some([9; 32]),
        }
    }

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let cases = [
            (publication(), origin()),
            (Publication::gap(), Origin::default()),
            (Publication::gap_for(publication().audience().clone()), Origin::default()),
            (
                Publication::new(
                    Body::of("text/plain", &Bytes::from_static(b"x")),
                    None,
                    Audience::everyone(),
                ),
                Origin::default(),
            ),
            (Publication::new(Bytes::from_static(b"1"), None, Audience::default()), Origin::default()),
            (publication().with_push(Some(push())), origin()),
        ];
        for (publication, origin) in cases {
            let read = Recovered::read(&record(&publication, &origin), Duration::ZERO).unwrap();
            assert_eq!(read.publication.content(), publication.content());
            assert_eq!(read.publication.audience(), publication.audience());
            assert_eq!(read.publication.push(), publication.push());
            assert_eq!(format!("{:?}", read.origin), format!("{origin:?}"));
        }
    }

    #[test]
    fn who_came_and_went_is_kept_as_something_for_nobody() {
        let (channel, user) = (ChannelName::new("news").unwrap(), UserId::new("42").unwrap());
        for publication in
            [Publication::joined(channel.clone(), user.clone()), Publication::left(channel, user)]
        {
            let body = record(&publication, &Origin::default());
            let read = Recovered::read(&body, Duration::ZERO).unwrap();
            assert!(read.publication.is_for_nobody());
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut body = record(&publication(), &origin()).to_vec();
        body[0] = 2;
        let read = |body: &[u8]| Recovered::read(&Bytes::copy_from_slice(body), Duration::ZERO);
        assert_eq!(read(&body).unwrap_err(), RecordError::Version(2));
        body[0] = VERSION;
        for len in [0, 1, 10, 60] {
            assert_eq!(read(&body[..len]).unwrap_err(), RecordError::Malformed, "{len}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut body in prop::collection::vec(any::<u8>(), 1..200)) {
            body[0] = VERSION;
            let _ = Recovered::read(&body.into(), Duration::ZERO);
        }
    }
}
