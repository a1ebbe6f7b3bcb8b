//! Answers of HTTP/1.1 servers: the head, and the body piece by piece.

use httparse::{EMPTY_HEADER, Response, Status, parse_chunk_size};
use thiserror::Error;

const HEAD_BYTES_MAX: usize = 16 * 1024;
pub(crate) const HEADERS_MAX: usize = 100;
const LINE_BYTES_MAX: usize = 1024;

/// An answer that cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// Something else, or HTTP of another version.
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    /// No end of the head in 16 KiB.
    #[error("the answer's head is over 16 KiB")]
    HeadTooLong,
    /// A chunk of the body has no size, or is longer than it.
    #[error("malformed chunk")]
    Chunk,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// The server takes no other request on this connection.
    pub(crate) last: bool,
    pub(crate) websocket_accept: Option<String>,
}

impl Head {
    /// The head at the front of `input` and the bytes it takes; `None` while bytes are missing.
    pub(crate) fn first(input: &[u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = Response::new(&mut headers);
        let Status::Complete(bytes) = response.parse(input).map_err(|_| HttpError::NotHttp)? else {
            let sound = input.len() <= HEAD_BYTES_MAX;
            return if sound { Ok(None) } else { Err(HttpError::HeadTooLong) };
        };
        let (Some(1), Some(status)) = (response.version, response.code) else {
            return Err(HttpError::NotHttp);
        };
        let mut head = Self { status, body: Body(State::UntilClose), last: false, websocket_accept: None };
        if matches!(status, 101 | 204 | 304) {
            head.body = Body(State::Length(0));
        }
        for header in response.headers {
            let Ok(value) = std::str::from_utf8(header.value) else { continue };
            match header.name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.body = Body(State::Length(value.parse().map_err(|_| HttpError::NotHttp)?));
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => head.body = Body(State::Size),
                "connection" => head.last = value.eq_ignore_ascii_case("close"),
                "sec-websocket-accept" => head.websocket_accept = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(Some((head, bytes)))
    }
}

/// What is still to come of a body.
#[derive(Debug)]
pub(crate) struct Body(State);

#[derive(Debug)]
enum State {
    Length(u64),
    UntilClose,
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    Done,
}

impl Body {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.0, State::Length(0) | State::Done)
    }

    /// Takes bytes from the front of `input`: how many, and the piece of the body among them. Call again with the
    /// rest until nothing is taken.
    pub(crate) fn take<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), HttpError> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match &mut self.0 {
                State::UntilClose => return Ok((input.len(), rest)),
                State::Length(left) | State::Chunk(left) if *left > 0 => {
                    let piece = rest.len().min((*left).try_into().unwrap_or(usize::MAX));
                    *left -= piece as u64;
                    return Ok((at + piece, &rest[..piece]));
                }
                State::Length(_) | State::Done => return Ok((at, &[])),
                State::Chunk(_) => self.0 = State::ChunkEnd,
                State::Size => {
                    let Status::Complete((bytes, size)) =
                        parse_chunk_size(rest).map_err(|_| HttpError::Chunk)?
                    else {
                        return line_to_come(rest).map(|()| (at, &[][..]));
                    };
                    self.0 = if size == 0 { State::Trailer } else { State::Chunk(size) };
                    at += bytes;
                }
                State::ChunkEnd | State::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        return line_to_come(rest).map(|()| (at, &[][..]));
                    };
                    let empty = rest[..end].trim_ascii().is_empty();
                    self.0 = match self.0 {
                        State::ChunkEnd if empty => State::Size,
                        State::ChunkEnd => return Err(HttpError::Chunk),
                        _ if empty => State::Done,
                        _ => State::Trailer,
                    };
                    at += end + 1;
                }
            }
        }
    }
}

/// Whether the line that `rest` begins may still end.
fn line_to_come(rest: &[u8]) -> Result<(), HttpError> {
    if rest.len() <= LINE_BYTES_MAX { Ok(()) } else { Err(HttpError::Chunk) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds an answer in pieces of `step` bytes, keeping what is not taken as a reader does.
    fn read(answer: &[u8], step: usize) -> (u16, Vec<u8>, bool) {
        let (mut kept, mut head, mut text) = (Vec::new(), None::<Head>, Vec::new());
        for piece in answer.chunks(step) {
            kept.extend_from_slice(piece);
            if head.is_none()
                && let Some((parsed, taken)) = Head::first(&kept).unwrap()
            {
                kept.drain(..taken);
                head = Some(parsed);
            }
            while let Some(head) = &mut head {
                let (taken, data) = head.body.take(&kept).unwrap();
                text.extend_from_slice(data);
                kept.drain(..taken);
                if taken == 0 {
                    break;
                }
            }
        }
        let head = head.unwrap();
        (head.status, text, head.body.is_done() && kept.is_empty())
    }

    #[test]
    fn bodies_are_the_same_however_they_are_cut() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
        let counted = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello";
        for step in 1..chunked.len() {
            assert_eq!(read(chunked, step), (200, b"abc0123456789".to_vec(), true), "{step}");
            assert_eq!(read(counted, step), (201, b"hello".to_vec(), true), "{step}");
        }
    }

    #[test]
    fn heads_say_what_a_client_needs() {
        let text = b"HTTP/1.1 101 Switching Protocols\r\nSEC-WebSocket-Accept: abc=\r\nConnection: close\r\n\r\nrest";
        let (head, taken) = Head::first(text).unwrap().unwrap();
        assert_eq!((head.status, taken, head.last), (101, text.len() - 4, true));
        assert_eq!(head.websocket_accept.as_deref(), Some("abc="));
        assert!(head.body.is_done());
    }

    #[test]
    fn other_answers_are_refused() {
        assert_eq!(Head::first(b"SSH-2.0\r\n\r\n").unwrap_err(), HttpError::NotHttp);
        let long = [b"HTTP/1.1 200 OK\r\nA: ", &[b'x'; HEAD_BYTES_MAX][..]].concat();
        assert_eq!(Head::first(&long).unwrap_err(), HttpError::HeadTooLong);
        let mut body = Body(State::Size);
        assert_eq!(body.take(b"zz\r\n").unwrap_err(), HttpError::Chunk);
    }
}
