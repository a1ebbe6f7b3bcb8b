//! The reading side of a connection.

use super::pulse::{Pulse, now};
use crate::batch::Batch;
use crate::inbound::Inbound;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::stats::CloseCause;
use crate::transport::peer_name;
use bytes::{Bytes, BytesMut};
use pushnote_net::Stream;
use pushnote_zmtp_proto::codec::Decoder;
use pushnote_zmtp_proto::command::{Command, put_command};
use pushnote_zmtp_proto::handshake::{HandshakeError, Version};
use pushnote_zmtp_proto::scan::{Item, Scanner};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Reads until the connection ends. Dropped before, it tells its inbound side how much was there yet.
pub(super) struct Reader<'a, I: Inbound> {
    source: Source<'a>,
    outbox: &'a Outbox,
    options: &'a Options,
    version: Version,
    inbound: I,
    /// Frames.
    input: BytesMut,
    /// What is read before it is decoded, where it is.
    raw: BytesMut,
    /// Bytes of messages that were taken out and are not yet handed on.
    in_hand: usize,
    /// Set once the peer has said something for its inbound side.
    spoken: &'a AtomicBool,
}

/// Where bytes come from.
struct Source<'a> {
    stream: &'a Stream,
    pulse: &'a Pulse,
    read_bytes: usize,
    /// Bytes of the memory that the frames lie in.
    chunk: usize,
    /// The peer has ended the connection: nothing more is there.
    over: bool,
}

/// What a reader shares with the other sides of its connection.
pub(super) struct Shared<'a> {
    pub(super) stream: &'a Stream,
    pub(super) outbox: &'a Outbox,
    pub(super) pulse: &'a Pulse,
    pub(super) options: &'a Options,
    pub(super) spoken: &'a AtomicBool,
}

impl<'a, I: Inbound> Reader<'a, I> {
    /// Begins with `input`, which came after the handshake.
    pub(super) fn new(shared: &Shared<'a>, version: Version, input: BytesMut, inbound: I) -> Self {
        let &Shared { stream, outbox, pulse, options, spoken } = shared;
        let source = Source { stream, pulse, read_bytes: options.read_bytes, chunk: 0, over: false };
        let raw = BytesMut::new();
        Reader { source, outbox, options, version, inbound, input, raw, in_hand: 0, spoken }
    }

    pub(super) async fn run(mut self, mut decoder: Option<Decoder>) -> Result<(), CloseCause> {
        let mut scanner = Scanner::new(self.options.limits(self.version));
        if decoder.is_some() {
            self.raw = std::mem::take(&mut self.input);
        }
        loop {
            if let Some(decoder) = &mut decoder {
                self.decode(decoder)?;
            }
            match scanner.scan(&self.input)? {
                Item::Messages { bytes, messages } => {
                    let batch = self.take(bytes, messages);
                    self.in_hand = bytes;
                    self.spoken.store(true, Relaxed);
                    self.source.pulse.heartbeat().stop_listening();
                    self.inbound.batch(batch).await?;
                    self.source.pulse.heartbeat().listen(now());
                    self.in_hand = 0;
                }
                Item::Command { bytes, body } => {
                    let frame = self.input.split_to(bytes);
                    self.command(&frame[body])?;
                }
                Item::Incomplete { bytes_wanted } => {
                    if decoder.is_none() {
                        self.source.fill(&mut self.input, bytes_wanted).await?;
                    } else {
                        if self.input.is_empty() {
                            self.input = BytesMut::new();
                        }
                        self.source.fill(&mut self.raw, 0).await?;
                    }
                    tokio::task::consume_budget().await;
                }
            }
        }
    }

    /// Turns what was read into frames. Their memory is another one than that which was read into.
    fn decode(&mut self, decoder: &mut Decoder) -> Result<(), CloseCause> {
        let decoded = decoder.decode(&mut self.raw, &mut self.input, self.options.frame_bytes_max);
        self.source.chunk = self.input.capacity();
        Ok(decoded?)
    }

    /// Cuts whole messages off the front. A run that would keep a much larger chunk alive is copied out of it.
    fn take(&mut self, bytes: usize, messages: usize) -> Batch {
        let chunk = self.source.chunk.max(bytes);
        if bytes * 4 >= chunk {
            return Batch::new(self.input.split_to(bytes).freeze(), messages, chunk);
        }
        let copy = Bytes::copy_from_slice(&self.input[..bytes]);
        bytes::Buf::advance(&mut self.input, bytes);
        Batch::new(copy, messages, bytes)
    }

    fn command(&mut self, body: &[u8]) -> Result<(), CloseCause> {
        match Command::parse(body).map_err(|_| CloseCause::BadCommand)? {
            Command::Ping { context, .. } => {
                self.outbox.push_control(|out| put_command(out, "PONG", context));
                Ok(())
            }
            Command::Error(reason) => Err(HandshakeError::refused(reason).into()),
            Command::Other => Ok(()),
            command => {
                if let Command::Subscribe(_) = command {
                    self.spoken.store(true, Relaxed);
                }
                self.inbound.command(command)
            }
        }
    }
}

impl<I: Inbound> Drop for Reader<'_, I> {
    fn drop(&mut self) {
        if self.source.over {
            return;
        }
        let unread = self.in_hand + self.input.len() + self.raw.len() + self.source.stream.unread_bytes();
        if unread > 0 {
            self.inbound.unread(unread, &peer_name(self.source.stream));
        }
    }
}

impl Source<'_> {
    /// Reads at least a byte. Room grows with what came, not with what a header announces; an idle connection
    /// keeps no buffer.
    async fn fill(&mut self, input: &mut BytesMut, bytes_wanted: usize) -> Result<(), CloseCause> {
        loop {
            if input.is_empty() {
                *input = BytesMut::new();
            }
            self.stream.readable().await?;
            let missing = bytes_wanted.saturating_sub(input.len());
            let room = input.capacity();
            input.reserve(missing.min(input.len()).max(self.read_bytes));
            if input.capacity() != room {
                self.chunk = input.capacity(); // else this is the rest of a chunk, and keeps all of it alive
            }
            match self.stream.try_read_buf(input) {
                Ok(0) => {
                    self.over = true;
                    return Err(CloseCause::Peer);
                }
                Ok(_) => {
                    self.pulse.heartbeat().heard(now());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.over = true;
                    return Err(error.into());
                }
            }
        }
    }
}
