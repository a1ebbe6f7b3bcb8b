//! What a request for events asks for, and by which right.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use pushnote_core::ChannelName;

use crate::front::bearer;

/// Longest query: a URL that is longer is cut or refused by what it passes, too.
pub(super) const QUERY_BYTES_MAX: usize = 8 * 1024;

/// Most tokens in one request.
pub(super) const TOKENS_MAX: usize = 16;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A request, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) channels: Vec<ChannelName>,
    pub(super) tokens: Vec<String>,
    pub(super) ticket: Option<String>,
    /// Messages are to say what channel they are of.
    pub(super) with_channel: bool,
    /// Where it goes on.
    pub(super) last_event_id: Option<String>,
}

/// Why one is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    TooLong,
    #[error(
        "channel {0:?} is none: a name has 1 to 255 bytes without control characters, and no * at its end"
    )]
    Channel(String),
    #[error("Authorization has no Bearer token; send it as in: Authorization: Bearer TOKEN")]
    NoBearer,
    #[error("there is no parameter {0:?}; there are channel, token, ticket, last_event_id and with=channel")]
    Unknown(String),
    #[error("with={0:?}: give with=channel, for messages that say what channel they are of")]
    With(String),
    #[error("more than {TOKENS_MAX} tokens")]
    TooManyTokens,
}

impl Asked {
    /// By a query, or a form in a body.
    pub(super) fn read(form: &[u8]) -> Result<Self, Fault> {
        let mut asked = Self::default();
        if form.len() > QUERY_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        for (name, value) in form_urlencoded::parse(form) {
            match &*name {
                "channel" => match value.parse() {
                    Ok(channel) if !asked.channels.contains(&channel) => asked.channels.push(channel),
                    Ok(_) => {}
                    Err(_) => return Err(Fault::Channel(value.chars().take(100).collect())),
                },
                "token" => asked.tokens.push(value.into_owned()),
                "ticket" => asked.ticket = Some(value.into_owned()),
                "with" if value == "channel" => asked.with_channel = true,
                "with" => return Err(Fault::With(value.chars().take(100).collect())),
                "last_event_id" => asked.last_event_id = Some(value.into_owned()),
                // Against caches, and what clients for old browsers add.
                "_" | "lastEventId" => {}
                // A misspelt one would be a stream that looks right and brings nothing.
                other => return Err(Fault::Unknown(other.chars().take(100).collect())),
            }
        }
        asked.check()
    }

    /// As flask-sse reads a query: one channel, and `sse` where none is named; here its name has `prefix` before it. Nobody
    /// shows a token.
    pub(super) fn of_flask_sse(query: &[u8], prefix: &str) -> Result<Self, Fault> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let of = |wanted| form_urlencoded::parse(query).find(|(name, _)| name == wanted);
        let channel = of("channel").map(|(_, channel)| channel).filter(|channel| !channel.is_empty());
        let name = format!("{prefix}{}", channel.as_deref().unwrap_or("sse"));
        let channel = name.parse().map_err(|_| Fault::Channel(name.chars().take(100).collect()))?;
        let last_event_id = of("last_event_id").map(|(_, id)| id.into_owned());
        Ok(Self { channels: vec![channel], last_event_id, ..Self::default() })
    }

    /// With what its headers say; `cookie` is the name of the one that holds a token, if that may count.
    pub(super) fn with(mut self, headers: &HeaderMap, cookie: Option<&str>) -> Result<Self, Fault> {
        if let Some(id) = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()) {
            self.last_event_id = Some(id.to_owned());
        }
        self.last_event_id = self.last_event_id.filter(|id| !id.is_empty());
        if let Some(value) = headers.get(AUTHORIZATION) {
            self.tokens.push(bearer(value).ok_or(Fault::NoBearer)?.to_owned());
        }
        // A token that was chosen for this stream is meant, not the one that comes along with everything.
        if self.tokens.is_empty() && self.ticket.is_none() {
            self.tokens.extend(cookie.and_then(|name| cookie_of(headers, name)));
        }
        self.check()
    }

    fn check(self) -> Result<Self, Fault> {
        if self.tokens.len() > TOKENS_MAX { Err(Fault::TooManyTokens) } else { Ok(self) }
    }
}

fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value = lines.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    value.map(|value| value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn parameters_and_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer t2"));
        headers.insert(COOKIE, HeaderValue::from_static("a=b; mine=t3"));
        let asked = Asked::read(b"channel=a&channel=b%20c&channel=a&token=t1&_=y&last_event_id=1").unwrap();
        let asked = asked.with(&headers, Some("mine")).unwrap();
        assert_eq!(asked.channels, ["a".parse().unwrap(), "b c".parse().unwrap()]);
        assert_eq!(asked.tokens, ["t1", "t2"]);
        assert_eq!(asked.last_event_id.as_deref(), Some("1"));
        headers.remove(AUTHORIZATION);
        headers.insert(LAST_EVENT_ID, HeaderValue::from_static("2"));
        let asked = Asked::read(b"last_event_id=1").unwrap().with(&headers, Some("mine")).unwrap();
        assert_eq!((asked.tokens, asked.last_event_id), (vec!["t3".to_owned()], Some("2".to_owned())));
        assert_eq!(Asked::read(b"").unwrap().with(&headers, None).unwrap().tokens.len(), 0);
    }

    #[test]
    fn flask_sse_has_one_channel() {
        for (query, channel) in [
            ("", "redis:sse"),
            ("channel=", "redis:sse"),
            ("channel=a%20b&channel=c", "redis:a b"),
            ("token=a", "redis:sse"),
        ] {
            let asked = Asked::of_flask_sse(query.as_bytes(), "redis:").unwrap();
            assert_eq!((asked.channels, asked.tokens.len()), (vec![channel.parse().unwrap()], 0), "{query}");
        }
        assert!(Asked::of_flask_sse(b"channel=a%0Ab", "redis:").is_err());
    }

    #[test]
    fn what_is_too_much_is_named() {
        assert_eq!(Asked::read(&[b'x'; QUERY_BYTES_MAX + 1]), Err(Fault::TooLong));
        assert_eq!(Asked::read("token=t&".repeat(17).as_bytes()), Err(Fault::TooManyTokens));
        assert_eq!(Asked::read(b"channel=a*"), Err(Fault::Channel("a*".to_owned())));
        assert!(Asked::read(b"with=channel").unwrap().with_channel);
        assert_eq!(Asked::read(b"with=id"), Err(Fault::With("id".to_owned())));
    }
}
