//! Answers of HTTP/1.1 servers: the head, and the body piece by piece.

use memchr::memmem;
use thiserror::Error;

const HEAD_BYTES_MAX: usize = 16 * 1024;
const SIZE_LINE_BYTES_MAX: usize = 1024;

/// An answer that cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HttpError {
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    #[error("the answer's head is over 16 KiB")]
    HeadTooLong,
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
        let Some(end) = memmem::find(input, b"\r\n\r\n") else {
            let sound = input.len() <= HEAD_BYTES_MAX;
            return if sound { Ok(None) } else { Err(HttpError::HeadTooLong) };
        };
        let text = std::str::from_utf8(&input[..end]).map_err(|_| HttpError::NotHttp)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(status).ok_or(HttpError::NotHttp)?;
        let mut head = Self { status, body: Body(State::UntilClose), last: false, websocket_accept: None };
        if matches!(status, 101 | 204 | 304) {
            head.body = Body(State::Length(0));
        }
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.body = Body(State::Length(value.parse().map_err(|_| HttpError::NotHttp)?));
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => head.body = Body(State::Size),
                "connection" => head.last = value.eq_ignore_ascii_case("close"),
                "sec-websocket-accept" => head.websocket_accept = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(Some((head, end + 4)))
    }
}

fn status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
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
                State::Size | State::ChunkEnd | State::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        let sound = rest.len() <= SIZE_LINE_BYTES_MAX;
                        return if sound { Ok((at, &[])) } else { Err(HttpError::Chunk) };
                    };
                    self.0 = self.after_line(rest[..end].trim_ascii())?;
                    at += end + 1;
                }
            }
        }
    }

    fn after_line(&self, line: &[u8]) -> Result<State, HttpError> {
        match self.0 {
            State::Size => match chunk_size(line).ok_or(HttpError::Chunk)? {
                0 => Ok(State::Trailer),
                size => Ok(State::Chunk(size)),
            },
            State::ChunkEnd if line.is_empty() => Ok(State::Size),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => Ok(State::Trailer),
            _ => Err(HttpError::Chunk),
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
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
        assert_eq!(Head::first(&[b'x'; HEAD_BYTES_MAX + 1]).unwrap_err(), HttpError::HeadTooLong);
        let mut body = Body(State::Size);
        assert_eq!(body.take(b"zz\r\n").unwrap_err(), HttpError::Chunk);
    }
}
