//! Clients that ask for each message: what they ask, and what they take along from one answer to the next question.

use httparse::{EMPTY_HEADER, Response};

use crate::http::HEADERS_MAX;
use crate::url::Url;

/// How a poll is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By `If-Modified-Since` and `If-None-Match`.
    Conditional,
    /// By the offset of a Durable Stream.
    Stream,
}

impl Form {
    /// Asks for what follows `place`, or, without one, for what comes from now on.
    pub(crate) fn request(self, url: &Url, place: Option<&str>) -> String {
        let (host, path, authorization) = (&url.host, &url.path, url.authorization());
        let (query, headers) = match self {
            Self::Conditional => (String::new(), place.unwrap_or_default()),
            Self::Stream => (format!("?live=long-poll&{}", place.unwrap_or("offset=now")), ""),
        };
        format!("GET {path}{query} HTTP/1.1\r\nHost: {host}\r\n{authorization}{headers}\r\n")
    }

    /// The place that an answer with this head tells.
    pub(crate) fn place(self, head: &[u8]) -> Option<String> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = Response::new(&mut headers);
        response.parse(head).ok()?;
        let value = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        Some(match self {
            Self::Conditional => {
                let (modified, etag) = (value("last-modified")?, value("etag")?);
                format!("If-Modified-Since: {modified}\r\nIf-None-Match: {etag}\r\n")
            }
            Self::Stream => {
                format!("offset={}&cursor={}", value("stream-next-offset")?, value("stream-cursor")?)
            }
        })
    }
}

/// Whether it is an answer to somebody who goes on asking: a message, or none yet.
pub(crate) fn goes_on(status: u16) -> bool {
    matches!(status, 200 | 204 | 304 | 408)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_tells_is_asked_with() {
        let url = Url::parse("http://127.0.0.1:1/poll", false).unwrap();
        assert_eq!(Form::Conditional.request(&url, None), "GET /poll HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n");
        let head = b"HTTP/1.1 200 OK\r\nLAST-MODIFIED: then\r\netag: 7\r\n\r\n";
        let place = Form::Conditional.place(head);
        assert_eq!(
            Form::Conditional.request(&url, place.as_deref()),
            "GET /poll HTTP/1.1\r\nHost: 127.0.0.1:1\r\nIf-Modified-Since: then\r\nIf-None-Match: 7\r\n\r\n"
        );
    }

    #[test]
    fn a_stream_is_read_on_from_its_offset() {
        let url = Url::parse("http://127.0.0.1:1/streams/a", false).unwrap();
        let asked = Form::Stream.request(&url, None);
        assert!(asked.starts_with("GET /streams/a?live=long-poll&offset=now HTTP/1.1\r\n"), "{asked}");
        let head = b"HTTP/1.1 200 OK\r\nstream-next-offset: 1_2\r\nstream-cursor: 3\r\n\r\n";
        let place = Form::Stream.place(head);
        assert_eq!(place.as_deref(), Some("offset=1_2&cursor=3"));
        let asked = Form::Stream.request(&url, place.as_deref());
        assert!(
            asked.starts_with("GET /streams/a?live=long-poll&offset=1_2&cursor=3 HTTP/1.1\r\n"),
            "{asked}"
        );
    }
}
