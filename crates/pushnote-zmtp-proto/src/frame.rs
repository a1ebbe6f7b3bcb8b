//! Frames as ZMTP 2.0 and 3.x have them: a flags byte, a length of one or eight bytes, a body (RFC 23 §2.2).

use bytes::{BufMut, Bytes};

/// Another frame of the same message follows.
pub const MORE: u8 = 1;
/// The length has eight bytes instead of one.
pub const LONG: u8 = 2;
/// The frame is a command, not a part of a message.
pub const COMMAND: u8 = 4;
/// Bits no peer may set.
pub const RESERVED: u8 = !(MORE | LONG | COMMAND);

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The flags byte as it was read.
    pub flags: u8,
    /// Bytes before the body: 2 or 9.
    pub head_bytes: usize,
    /// Bytes of the body, as announced by the peer: not yet held against any limit.
    pub body_bytes: u64,
}

impl Header {
    /// Reads the head of a frame; `None` while bytes are missing.
    #[inline]
    pub fn parse(input: &[u8]) -> Option<Header> {
        let flags = *input.first()?;
        if flags & LONG == 0 {
            let body_bytes = u64::from(*input.get(1)?);
            return Some(Header { flags, head_bytes: 2, body_bytes });
        }
        let body_bytes = u64::from_be_bytes(*input.get(1..)?.first_chunk()?);
        Some(Header { flags, head_bytes: 9, body_bytes })
    }

    /// Whether another frame of the message follows.
    #[inline]
    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// Whether the frame is a command.
    #[inline]
    pub fn command(&self) -> bool {
        self.flags & COMMAND != 0
    }
}

/// Bytes the head of a frame takes whose body has `body_bytes`.
pub fn head_bytes(body_bytes: usize) -> usize {
    if body_bytes > 255 { 9 } else { 2 }
}

/// Appends a frame.
pub fn put_frame(out: &mut impl BufMut, flags: u8, body: &[u8]) {
    put_head(out, flags, body.len());
    out.put_slice(body);
}

/// Appends the head of a frame whose body has `body_bytes`.
pub fn put_head(out: &mut impl BufMut, flags: u8, body_bytes: usize) {
    if body_bytes > 255 {
        out.put_u8(flags | LONG);
        out.put_u64(body_bytes as u64);
    } else {
        out.put_u8(flags);
        out.put_u8(body_bytes as u8);
    }
}

/// The flags and the bodies of a run of whole frames.
pub(crate) fn frames(run: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let flags = run.get(at)?;
        let (start, end, _) = bounds(run, at)?;
        at = end;
        Some((*flags, &run[start..end]))
    })
}

/// Where a message lies in a run of whole messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte of the first frame's head.
    pub start: usize,
    /// First byte of the first frame's body: what topics are compared with.
    pub topic_start: usize,
    /// One past the first frame's body.
    pub topic_end: usize,
    /// One past the last frame.
    pub end: usize,
}

/// Walks the messages of a run which [`Scanner`](crate::scan::Scanner) has found sound.
///
/// Ends early, and never panics, on bytes which it has not.
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    run: &'a [u8],
    at: usize,
}

impl<'a> Spans<'a> {
    /// Starts at the run's first message.
    pub fn new(run: &'a [u8]) -> Self {
        Spans { run, at: 0 }
    }

    /// Starts at the message whose first byte is at `at`.
    pub fn starting_at(run: &'a [u8], at: usize) -> Self {
        Spans { run, at }
    }
}

impl Iterator for Spans<'_> {
    type Item = Span;

    #[inline]
    fn next(&mut self) -> Option<Span> {
        let start = self.at;
        let (topic_start, topic_end, mut more) = bounds(self.run, start)?;
        let mut end = topic_end;
        while more {
            (_, end, more) = bounds(self.run, end)?;
        }
        self.at = end;
        Some(Span { start, topic_start, topic_end, end })
    }
}

#[inline]
fn bounds(run: &[u8], at: usize) -> Option<(usize, usize, bool)> {
    let header = Header::parse(run.get(at..)?)?;
    let start = at + header.head_bytes;
    let end = start.checked_add(usize::try_from(header.body_bytes).ok()?)?;
    (end <= run.len()).then_some((start, end, header.more()))
}

/// The bodies of a message's frames, as slices of it.
#[derive(Clone, Debug)]
pub struct Parts {
    message: Bytes,
    at: usize,
}

impl Parts {
    /// The frames of one whole message.
    pub fn new(message: Bytes) -> Self {
        Parts { message, at: 0 }
    }
}

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (start, end, _) = bounds(&self.message, self.at)?;
        self.at = end;
        Some(self.message.slice(start..end))
    }
}
