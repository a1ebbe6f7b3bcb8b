//! What the kernel refused, in order, until it takes it.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use crate::stream::Stream;

/// Buffers in one vectored write; what is beyond waits for the next. Linux takes 1024, our stack takes less.
const SLICES_MAX: usize = 64;

/// Shares of what is sent. Takes no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Bytes>,
    bytes: usize,
    /// Part of the first buffer is on the wire, so the rest must follow.
    front_started: bool,
    /// Something was refused for what waits: the driver tells when nothing does any more.
    pub(super) refused: bool,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the outbox would hold in memory with these: bytes and entries, since a peer can be sent many tiny frames.
    pub(super) fn cost_with<B: Borrow<Bytes>>(&self, all: &[B]) -> usize {
        let entries = self.queue.len() + all.len();
        self.bytes + all.iter().map(|one| one.borrow().len()).sum::<usize>() + entries * size_of::<Bytes>()
    }

    pub(super) fn push(&mut self, one: &Bytes) {
        self.push_rest(one, 0);
    }

    fn push_rest(&mut self, one: &Bytes, written: usize) {
        if one.len() > written {
            self.bytes += one.len() - written;
            self.queue.push_back(one.slice(written..));
        }
    }

    /// Keeps what is left of `all` after its first `written` bytes. `false`: nothing is.
    pub(super) fn push_all<B: Borrow<Bytes>>(&mut self, all: &[B], mut written: usize) -> bool {
        for one in all.iter().map(Borrow::borrow) {
            if written >= one.len() {
                written -= one.len();
                continue;
            }
            self.front_started |= written > 0;
            self.push_rest(one, written);
            written = 0;
        }
        !self.is_empty()
    }

    /// Drops all but the rest of a buffer that is partly on the wire, which would cut it in two.
    pub(super) fn drop_unstarted(&mut self) {
        self.queue.truncate(usize::from(self.front_started));
        self.queue.shrink_to_fit();
        self.bytes = self.queue.iter().map(Bytes::len).sum();
    }

    /// Writes as much as the kernel takes in one call, and returns how much that was.
    pub(super) fn write_to(&mut self, stream: &Stream) -> io::Result<usize> {
        let written = write_slices(stream, self.queue.iter())?;
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.queue.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.front_started |= written > 0;
                return;
            }
            written -= front.len();
            self.front_started = false;
            self.queue.pop_front();
        }
        self.queue = VecDeque::new();
    }
}

/// Writes as much of `all` as the kernel takes without blocking: 0 when it takes nothing now.
pub(super) fn write<B: Borrow<Bytes>>(stream: &Stream, all: &[B]) -> io::Result<usize> {
    let written = match all {
        [one] => stream.try_write(one.borrow()),
        _ => write_slices(stream, all.iter().map(Borrow::borrow)),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

fn write_slices<'a>(stream: &Stream, all: impl Iterator<Item = &'a Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, bytes) in slices.iter_mut().zip(all) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    stream.try_write_vectored(&slices[..count])
}
