//! What a reader asks for.

use super::offset::{From, NotAnOffset};

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is there.
    CatchUp,
    /// What is there, or the next that comes.
    LongPoll,
    /// What is there, and all that comes.
    Events,
}

/// A reader's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) mode: Mode,
    pub(super) from: From,
    /// What the last live answer told.
    pub(super) cursor: Option<String>,
    /// What allows it to read; better sent as a header.
    pub(super) token: Option<String>,
}

/// A question that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    /// No place.
    #[error(transparent)]
    Offset(#[from] NotAnOffset),
    /// Two places.
    #[error("offset comes twice")]
    Offsets,
    /// Live, but from where?
    #[error("with live, offset must be given: -1, now, or what Stream-Next-Offset said")]
    OffsetMissing,
    /// Live, but how?
    #[error("live must be long-poll or sse")]
    Live,
}

impl Query {
    /// Reads the part of a URL behind the `?`. What it does not know it leaves alone.
    pub(super) fn read(text: &str) -> Result<Self, QueryError> {
        let (mut mode, mut from, mut cursor, mut token) = (Mode::CatchUp, None, None, None);
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match (&*name, &*value) {
                ("offset", _) if from.is_some() => return Err(QueryError::Offsets),
                ("offset", place) => from = Some(place.parse()?),
                ("live", "long-poll") => mode = Mode::LongPoll,
                ("live", "sse") => mode = Mode::Events,
                ("live", "false" | "") => {}
                ("live", _) => return Err(QueryError::Live),
                ("cursor", _) => cursor = Some(value.into_owned()),
                ("token", _) => token = Some(value.into_owned()),
                _ => {}
            }
        }
        if mode != Mode::CatchUp && from.is_none() {
            return Err(QueryError::OffsetMissing);
        }
        Ok(Self { mode, from: from.unwrap_or(From::Start), cursor, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_says_from_where_and_how() {
        let query = Query::read("offset=now&live=long-poll&cursor=7&token=a%20b&more=1").unwrap();
        let token = Some("a b".to_owned());
        assert_eq!(
            query,
            Query { mode: Mode::LongPoll, from: From::Now, cursor: Some("7".to_owned()), token }
        );
        assert_eq!(Query::read("offset=-1&live=sse").map(|query| query.mode), Ok(Mode::Events));
        let all = Query { mode: Mode::CatchUp, from: From::Start, cursor: None, token: None };
        assert_eq!(Query::read(""), Ok(all.clone()));
        assert_eq!(Query::read("offset=-1"), Ok(all));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in ["offset=", "offset=0,1", "offset=0%201", "offset=..%2F", "offset=now%00"] {
            assert_eq!(Query::read(text), Err(QueryError::Offset(NotAnOffset)), "{text}");
        }
        assert_eq!(Query::read("offset=-1&offset=-1"), Err(QueryError::Offsets));
        assert_eq!(Query::read("live=sse"), Err(QueryError::OffsetMissing));
        assert_eq!(Query::read("offset=-1&live=maybe"), Err(QueryError::Live));
    }
}
