//! A place in a log, as a client keeps it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes that a cursor's text may have.
pub const CURSOR_BYTES_MAX: usize = 200;

/// What the text begins with. A later format has another, and an older server takes it for unknown: a gap.
const FORMAT: &str = "1";

/// Sources that a cursor's text names at most, so that it keeps within [`CURSOR_BYTES_MAX`].
const SOURCES_MAX: usize = 4;

/// A place in a stream: in a log's, or in that of a source that numbers what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Tells runs of the numbering apart.
    pub epoch: u64,
    /// The number of the next one: everything before it is behind this place.
    pub sequence: u64,
}

/// A place in the log of a server: what is before it was had. Where that log is unknown, the places in the streams that
/// filled it, as the forwarders' histories, tell as much.
///
/// As text, `1~epoch.offset~epoch.sequence~…` in hexadecimal digits: at most [`CURSOR_BYTES_MAX`] bytes of ASCII. To clients
/// it is opaque. What comes back from them proves nothing: it says where to read on, never what may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The place in the log.
    pub log: Position,
    /// The places in the streams of its sources.
    pub sources: Arc<[Position]>,
}

impl Cursor {
    /// What a client gives back. What cannot be read is a place in no log: a gap, and no fault of the client's.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let unknown = Self { log: Position { epoch: 0, sequence: 0 }, sources: Arc::default() };
        text.parse().unwrap_or(unknown)
    }

    /// The place of who is at this one, and has had what is before `had`, too. It is one in the streams of the sources
    /// alone: no log has it.
    #[must_use]
    pub fn and(&self, had: &Self) -> Self {
        let further = |place: &Position| {
            let also = had.sources.iter().find(|other| other.epoch == place.epoch);
            Position {
                sequence: also.map_or(place.sequence, |also| also.sequence.max(place.sequence)),
                ..*place
            }
        };
        let unknown = |other: &&Position| self.sources.iter().all(|place| place.epoch != other.epoch);
        let sources = self.sources.iter().map(further).chain(had.sources.iter().filter(unknown).copied());
        Self { log: Position { epoch: 0, sequence: 0 }, sources: sources.collect() }
    }
}

/// Text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server's kind")]
pub struct CursorError;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.epoch, self.sequence)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT}~{}", self.log)?;
        self.sources.iter().take(SOURCES_MAX).try_for_each(|source| write!(f, "~{source}"))
    }
}

impl FromStr for Position {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (epoch, sequence) = text.split_once('.').ok_or(CursorError)?;
        Ok(Self { epoch: hexadecimal(epoch)?, sequence: hexadecimal(sequence)? })
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > CURSOR_BYTES_MAX {
            return Err(CursorError);
        }
        let mut parts = text.split('~');
        if parts.next() != Some(FORMAT) {
            return Err(CursorError);
        }
        let log = parts.next().ok_or(CursorError)?.parse()?;
        let sources: Arc<[Position]> = parts.map(str::parse).collect::<Result<_, _>>()?;
        if sources.len() > SOURCES_MAX { Err(CursorError) } else { Ok(Self { log, sources }) }
    }
}

/// Up to 64 bits, without the sign that the standard library would take.
fn hexadecimal(text: &str) -> Result<u64, CursorError> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(CursorError);
    }
    u64::from_str_radix(text, 16).map_err(|_| CursorError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        (any::<u64>(), any::<u64>()).prop_map(|(epoch, sequence)| Position { epoch, sequence })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_short(log in position(), sources in prop::collection::vec(position(), 0..6)) {
            let text = Cursor { log, sources: sources.clone().into() }.to_string();
            prop_assert!(text.len() <= CURSOR_BYTES_MAX, "{text}");
            let read: Cursor = text.parse().unwrap();
            prop_assert_eq!(read.log, log);
            prop_assert_eq!(&read.sources[..], &sources[..sources.len().min(SOURCES_MAX)]);
        }

        #[test]
        fn nothing_that_comes_back_makes_it_panic(text in "[1~.0-9a-f+ ]{0,220}") {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("1~1.2{}", "~1.2".repeat(5));
        for text in [
            "",
            "1",
            "1~",
            "1~1",
            "1~1.",
            "1~.1",
            "2~1.2",
            "1~+1.2",
            "1~1.2~",
            "1~10000000000000000.0",
            &long,
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
