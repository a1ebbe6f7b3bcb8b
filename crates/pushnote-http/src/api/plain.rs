//! Requests that publish, and are as plain as can be: on the API's own listener they are read and answered here, because reading
//! a request by all of HTTP's rules costs more than publishing what it says. The first that is anything else, or has anything
//! wrong with its head, goes to hyper, and so does its connection.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, HOST, HeaderName, HeaderValue};
use http::{Response, Version};
use http_body_util::BodyExt;
use httparse::{EMPTY_HEADER, Status};
use pushnote_net::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::keys::Right;
use super::{Api, publish_now};
use crate::front::Body;
use crate::problem::Problem;
use crate::request_check;

/// Bytes of such a request at most, its head among them.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Headers of one at most.
const HEADERS_MAX: usize = 32;

/// What is made room for before something is read.
const READ_BYTES: usize = 4096;

/// How each of them begins.
const BEGINNING: &[u8] = b"POST /v1/publish HTTP/1.1\r\n";

/// Headers that change what a request is, or how it is to be answered.
const MEANINGFUL: [&str; 6] = ["connection", "expect", "te", "trailer", "transfer-encoding", "upgrade"];

/// What a client may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of a head at most.
    pub(crate) head_bytes: usize,
    /// How long it may take to begin its first request, and each to come whole.
    pub(crate) request: Duration,
    /// How long it may take between two requests.
    pub(crate) idle: Duration,
}

/// What the bytes at the front are.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// A plain request, so long, with what it shows.
    Plain { head_bytes: usize, body_bytes: usize, shown: Option<HeaderValue> },
    /// The beginning of what may be one.
    Incomplete,
    /// Something else.
    Other,
}

/// Answers plain requests until another comes: gives what was read of that. `None`: there will be none, because the client is
/// gone, asked for nothing within its time, or the server ends.
///
/// A request that has come whole is served to its end, whatever becomes of its client.
pub(crate) async fn serve(
    api: &Api,
    stream: &mut Stream,
    bounds: Bounds,
    draining: &mut watch::Receiver<()>,
) -> Option<Bytes> {
    let mut read = BytesMut::new();
    let mut until = Instant::now() + bounds.request;
    loop {
        let (head_bytes, body_bytes, shown) = match look(&read, bounds.head_bytes) {
            Looked::Other => return Some(read.freeze()),
            Looked::Plain { head_bytes, body_bytes, shown } if head_bytes + body_bytes <= read.len() => {
                (head_bytes, body_bytes, shown)
            }
            Looked::Plain { .. } | Looked::Incomplete => {
                let begins = read.is_empty();
                read.reserve(READ_BYTES);
                let more = tokio::select! {
                    biased;
                    more = stream.read_buf(&mut read) => more.is_ok_and(|more| more > 0),
                    _ = draining.changed() => false,
                    () = sleep_until(until) => false,
                };
                match (more, begins) {
                    (true, true) => until = Instant::now() + bounds.request,
                    (true, false) => {}
                    (false, true) => return None,
                    // What to say to half a request hyper knows.
                    (false, false) => return Some(read.freeze()),
                }
                continue;
            }
        };
        let mut request = read.split_to(head_bytes + body_bytes).freeze();
        let response = answer(api, shown.as_ref(), request.split_off(head_bytes)).await;
        stream.write_all(&encode(response).await).await.ok()?;
        until = Instant::now() + bounds.idle;
    }
}

async fn answer(api: &Api, shown: Option<&HeaderValue>, body: Bytes) -> Response<Body> {
    let published = match api.keys.check_value(shown, Right::Publish) {
        Ok(key) => publish_now(api, &key, &body).await,
        Err(denied) => Err(denied.into()),
    };
    published.unwrap_or_else(Problem::into_response)
}

/// Looks whether a plain request begins here.
fn look(read: &[u8], head_bytes_max: usize) -> Looked {
    let known = read.len().min(BEGINNING.len());
    if read[..known] != BEGINNING[..known] {
        return Looked::Other;
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head_bytes = match request.parse(read) {
        Ok(Status::Complete(head_bytes)) if head_bytes <= head_bytes_max => head_bytes,
        Ok(Status::Partial) if read.len() < head_bytes_max => return Looked::Incomplete,
        _ => return Looked::Other,
    };
    let Some((body_bytes, shown)) = described(request.headers) else { return Looked::Other };
    let is_short = head_bytes.saturating_add(body_bytes) <= REQUEST_BYTES_MAX;
    // Not every server on a request's way sees the end of a line in LF alone.
    let mut ends = read[..head_bytes].windows(2).filter(|two| two[1] == b'\n');
    if is_short && ends.all(|two| two[0] == b'\r') {
        Looked::Plain { head_bytes, body_bytes, shown }
    } else {
        Looked::Other
    }
}

/// The length of the body, and what the request shows; `None` if it is not plain.
fn described(headers: &[httparse::Header<'_>]) -> Option<(usize, Option<HeaderValue>)> {
    let mut hosts = http::HeaderMap::new();
    let (mut length, mut shown) = (None, None);
    for httparse::Header { name, value } in headers {
        let is = |other: &HeaderName| name.eq_ignore_ascii_case(other.as_str());
        if MEANINGFUL.iter().any(|meaningful| name.eq_ignore_ascii_case(meaningful)) {
            let keeps = name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case(b"keep-alive");
            if !keeps {
                return None;
            }
        } else if is(&CONTENT_LENGTH) {
            let digits = std::str::from_utf8(value).ok()?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            if length.replace(digits.parse().ok().filter(|_| is_number)?).is_some() {
                return None;
            }
        } else if is(&AUTHORIZATION) {
            if shown.replace(HeaderValue::from_bytes(value).ok()?).is_some() {
                return None;
            }
        } else if is(&HOST) {
            hosts.append(HOST, HeaderValue::from_bytes(value).ok()?);
        }
    }
    let is_sound = request_check::host_fault(&hosts, Version::HTTP_11).is_none();
    Some((length.filter(|_| is_sound)?, shown))
}

/// An answer as HTTP/1.1 has it.
async fn encode(response: Response<Body>) -> Vec<u8> {
    /// Room for the head.
    const HEAD_BYTES: usize = 256;
    let (head, body) = response.into_parts();
    // It is there already, and whole.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
    let mut line = |parts: [&[u8]; 4]| parts.iter().for_each(|part| out.extend_from_slice(part));
    let reason = head.status.canonical_reason().unwrap_or_default();
    line([b"HTTP/1.1 ", head.status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    for (name, value) in &head.headers {
        line([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    let (length, date) = (body.len().to_string(), httpdate::fmt_http_date(std::time::SystemTime::now()));
    line([b"\r\n", CONTENT_LENGTH.as_str().as_bytes(), b": ", length.as_bytes()]);
    line([b"\r\n", DATE.as_str().as_bytes(), b": ", date.as_bytes()]);
    line([b"\r\n\r\n", &body, b"", b""]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(read: &[u8]) -> Looked {
        super::look(read, 8 << 10)
    }

    fn request(headers: &str, body: &str) -> String {
        format!("POST /v1/publish HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
    }

    #[test]
    fn a_plain_request_is_known_when_its_head_is_there() {
        let text = request("Authorization: Bearer k\r\ncontent-length: 2\r\nX-Other: 1\r\n", "{}");
        let head_bytes = text.len() - 2;
        for end in 0..head_bytes {
            assert_eq!(look(&text.as_bytes()[..end]), Looked::Incomplete, "{end}");
        }
        let shown = Some(HeaderValue::from_static("Bearer k"));
        let plain = Looked::Plain { head_bytes, body_bytes: 2, shown };
        assert_eq!(look(&text.as_bytes()[..head_bytes]), plain);
        assert_eq!(look(format!("{text}POST").as_bytes()), plain);
        let kept = request("Connection: Keep-Alive\r\nContent-Length: 0\r\n", "");
        assert!(matches!(look(kept.as_bytes()), Looked::Plain { body_bytes: 0, shown: None, .. }));
    }

    #[test]
    fn all_else_is_hypers() {
        for headers in [
            "",
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: +2\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 70000\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 2\r\nExpect: 100-continue\r\n",
            "Content-Length: 2\r\nConnection: close\r\n",
            "Content-Length: 2\r\nUpgrade: h2c\r\n",
            "Content-Length: 2\r\nHost: b\r\n",
            "Content-Length: 2\r\nAuthorization: a\r\nAuthorization: b\r\n",
            "Content-Length: 2\nX: 1\r\n",
            "Content-Length : 2\r\n",
        ] {
            assert_eq!(look(request(headers, "{}").as_bytes()), Looked::Other, "{headers:?}");
        }
        for text in [
            "GET /v1/publish HTTP/1.1\r\n",
            "POST /v1/publish HTTP/1.0\r\n",
            "POST /v1/publish?a HTTP/1.1\r\n",
            "POST /v1/publish HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            "POST /v1/publish HTTP/1.1\r\nHost: a b\r\nContent-Length: 2\r\n\r\n{}",
            "PRI * HTTP/2.0\r\n",
        ] {
            assert_eq!(look(text.as_bytes()), Looked::Other, "{text:?}");
        }
        let endless = request(&format!("X: {}", "x".repeat(8 << 10)), "");
        assert_eq!(look(endless.as_bytes()), Looked::Other);
    }
}
