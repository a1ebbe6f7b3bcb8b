//! One connection: the handshake, then reading, writing and heartbeats side by side.

use crate::batch::Batch;
use crate::codec::{Decoder, Encoder, codec};
use crate::command::{Command, put_command, put_ping};
use crate::handshake::{Handshake, HandshakeError, Peer, Version};
use crate::heartbeat::{Beat, Heartbeat};
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::scan::{Item, Scanner};
use crate::stats::CloseCause;
use crate::stream::Stream;
use bytes::{Bytes, BytesMut};
use pushnote_net::timeout_awake;
use std::io::{ErrorKind, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Slices given to one `writev`.
const SLICES_MAX: usize = 64;

/// How long a connection that broke in writing is read on, to what the peer had sent before.
const LAST_READ: Duration = Duration::from_secs(1);

/// A connection after its handshake.
pub(crate) struct Link {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    encoder: Encoder,
    decoder: Option<Decoder>,
    /// What came after the handshake.
    input: BytesMut,
}

/// What is done with what a peer sends.
pub(crate) trait Intake {
    /// A run of messages. Nothing more is read before it returns.
    fn batch(&mut self, batch: Batch) -> impl Future<Output = Result<(), CloseCause>> + Send;
    /// A command that is not the connection's own affair.
    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause>;
}

/// Which of the waiting messages go out.
pub(crate) trait Outflow {
    /// Whether any may go now.
    fn is_open(&self) -> bool;
    /// What the peer wants of a run of messages; `None`: all of it.
    fn pick(&self, run: &Bytes) -> Option<Bytes>;
    /// Everything queued is written: queues what the peer has missed. False when there is nothing to catch up on.
    fn catch_up(&self) -> bool {
        false
    }
}

/// An outflow that lets everything through.
pub(crate) struct Everything;

impl Outflow for Everything {
    fn is_open(&self) -> bool {
        true
    }

    fn pick(&self, _: &Bytes) -> Option<Bytes> {
        None
    }
}

impl Link {
    /// Greets the peer.
    pub(crate) async fn establish(
        stream: Stream,
        handshake: Handshake,
        options: &Options,
    ) -> Result<Link, CloseCause> {
        let mut handshake = handshake.with_security(&options.security);
        let greeting = timeout_awake(options.handshake_timeout, greet(&stream, &mut handshake));
        let (peer, input) = greeting.await.map_err(|_| CloseCause::HandshakeTimeout)??;
        let (encoder, decoder) = codec(peer.version, handshake.take_session());
        Ok(Link { stream, peer, encoder, decoder, input })
    }

    /// Carries messages until the connection ends. `unsent` keeps what could not be written.
    pub(crate) async fn run(
        self,
        options: &Options,
        outbox: &Outbox,
        unsent: &mut Unsent,
        outflow: impl Outflow,
        intake: impl Intake,
    ) -> CloseCause {
        let pulse = Pulse::new(options.heartbeat_interval);
        let Link { stream, peer, encoder, decoder, input } = self;
        unsent.begin(encoder);
        let reader = Reader { stream: &stream, outbox, pulse: &pulse, input, chunk: 0, options };
        let reading = reader.run(peer.version, decoder, intake);
        tokio::pin!(reading);
        // What has arrived is read before anything is judged.
        let cause = tokio::select! {
            biased;
            cause = &mut reading => cause,
            cause = pulse.run(peer.version, outbox) => cause,
            // A peer that is gone takes nothing more, but what it had sent before is there to be read.
            cause = write(&stream, outbox, unsent, outflow) => {
                timeout_awake(LAST_READ, reading).await.unwrap_or(cause)
            }
        };
        cause.err().unwrap_or(CloseCause::Peer)
    }
}

async fn greet(stream: &Stream, handshake: &mut Handshake) -> Result<(Peer, BytesMut), CloseCause> {
    let mut input = BytesMut::with_capacity(256);
    loop {
        let peer = handshake.advance(&mut input);
        while !handshake.output().is_empty() {
            match stream.try_write(&[IoSlice::new(handshake.output())]) {
                Ok(written) => drop(handshake.output().split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(peer) = peer? {
            return Ok((peer, input));
        }
        read(stream, &mut input).await?;
    }
}

async fn read(stream: &Stream, input: &mut BytesMut) -> Result<(), CloseCause> {
    loop {
        stream.readable().await?;
        match stream.try_read(input) {
            Ok(0) => return Err(CloseCause::Peer),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

struct Reader<'a> {
    stream: &'a Stream,
    outbox: &'a Outbox,
    pulse: &'a Pulse,
    input: BytesMut,
    /// Bytes of the memory `input` lies in.
    chunk: usize,
    options: &'a Options,
}

impl Reader<'_> {
    async fn run(
        mut self,
        version: Version,
        decoder: Option<Decoder>,
        mut intake: impl Intake,
    ) -> Result<(), CloseCause> {
        let mut scanner = Scanner::new(self.options.limits(version));
        let mut coded = decoder.map(|decoder| (decoder, std::mem::take(&mut self.input)));
        loop {
            if let Some((decoder, raw)) = &mut coded {
                self.decode(decoder, raw)?;
            }
            match scanner.scan(&self.input)? {
                Item::Messages { bytes, messages } => {
                    let batch = self.take(bytes, messages);
                    self.pulse.heartbeat().stop_listening();
                    intake.batch(batch).await?;
                    self.pulse.heartbeat().listen(now());
                }
                Item::Command { bytes, body } => {
                    let frame = self.input.split_to(bytes);
                    self.command(&frame[body], &mut intake)?;
                }
                Item::Incomplete { bytes_wanted } => {
                    match &mut coded {
                        Some((_, raw)) => {
                            if self.input.is_empty() {
                                self.input = BytesMut::new();
                            }
                            self.fill(raw, 0).await?;
                        }
                        None => {
                            let mut input = std::mem::take(&mut self.input);
                            self.fill(&mut input, bytes_wanted).await?;
                            self.input = input;
                        }
                    }
                    tokio::task::consume_budget().await;
                }
            }
        }
    }

    /// Turns what was read into frames. Their memory is another one than that which was read into.
    fn decode(&mut self, decoder: &mut Decoder, raw: &mut BytesMut) -> Result<(), CloseCause> {
        let decoded = decoder.decode(raw, &mut self.input, self.options.frame_bytes_max);
        self.chunk = self.input.capacity();
        Ok(decoded?)
    }

    /// Cuts whole messages off the front. A run that would keep a much larger chunk alive is copied out of it.
    fn take(&mut self, bytes: usize, messages: usize) -> Batch {
        let chunk = self.chunk.max(bytes);
        if bytes * 4 >= chunk {
            return Batch::new(self.input.split_to(bytes).freeze(), messages, chunk);
        }
        let copy = Bytes::copy_from_slice(&self.input[..bytes]);
        bytes::Buf::advance(&mut self.input, bytes);
        Batch::new(copy, messages, bytes)
    }

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
            input.reserve(missing.min(input.len()).max(self.options.read_bytes));
            if input.capacity() != room {
                self.chunk = input.capacity(); // else this is the rest of a chunk, and keeps all of it alive
            }
            match self.stream.try_read(input) {
                Ok(0) => return Err(CloseCause::Peer),
                Ok(_) => {
                    self.pulse.heartbeat().heard(now());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn command(&self, body: &[u8], intake: &mut impl Intake) -> Result<(), CloseCause> {
        match Command::parse(body).map_err(|_| CloseCause::BadCommand)? {
            Command::Ping { context, .. } => {
                self.outbox.push_control(|out| put_command(out, "PONG", context));
                Ok(())
            }
            Command::Error(reason) => Err(HandshakeError::refused(reason).into()),
            Command::Other => Ok(()),
            command => intake.command(command),
        }
    }
}

/// Writes what waits.
async fn write(
    stream: &Stream,
    outbox: &Outbox,
    unsent: &mut Unsent,
    outflow: impl Outflow,
) -> Result<(), CloseCause> {
    loop {
        unsent.refill(outbox, &outflow);
        if unsent.is_empty() {
            if !outflow.catch_up() {
                outbox.work().await;
            }
            continue;
        }
        let result = {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut used = 0;
            for (slot, slice) in slices.iter_mut().zip(unsent.slices()) {
                *slot = IoSlice::new(slice);
                used += 1;
            }
            stream.try_write(&slices[..used])
        };
        match result {
            Ok(bytes) => unsent.advance(bytes, outbox),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
        tokio::task::consume_budget().await;
    }
}

/// The connection's heartbeat, shared by its reader and its timer.
struct Pulse {
    interval: Duration,
    heartbeat: Mutex<Heartbeat>,
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Pulse {
    fn new(interval: Duration) -> Self {
        Pulse { interval, heartbeat: Mutex::new(Heartbeat::new(interval, now())) }
    }

    fn heartbeat(&self) -> MutexGuard<'_, Heartbeat> {
        self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers before ZMTP 3.1 do not know PING; some hang up when they see one.
    async fn run(&self, version: Version, outbox: &Outbox) -> Result<(), CloseCause> {
        if version < Version::V3_1 {
            std::future::pending::<()>().await;
        }
        let ttl_tenths = u16::try_from(self.interval.as_millis() / 50).unwrap_or(u16::MAX);
        loop {
            let beat = self.heartbeat().poll(now());
            match beat {
                Beat::Ping => outbox.push_control(|out| put_ping(out, ttl_tenths, b"")),
                Beat::Dead => return Err(CloseCause::HeartbeatLost),
                Beat::Wait(until) => sleep_until(until.into()).await,
            }
        }
    }
}
