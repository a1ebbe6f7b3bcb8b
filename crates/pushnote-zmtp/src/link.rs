//! One connection: the handshake, then reading, writing and heartbeats side by side.

mod reader;

use crate::batch::Batch;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::stats::CloseCause;
use bytes::{Bytes, BytesMut};
use pushnote_net::{Stream, timeout_awake};
use pushnote_zmtp_proto::codec::{Decoder, Encoder, codec};
use pushnote_zmtp_proto::command::{Command, put_ping};
use pushnote_zmtp_proto::handshake::{Handshake, Peer, Version};
use pushnote_zmtp_proto::heartbeat::{Beat, Heartbeat};
use reader::{Reader, Shared};
use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Set once the peer has sent a message, or subscribed to something.
    pub(crate) spoken: Arc<AtomicBool>,
}

/// What is done with what a peer sends.
pub(crate) trait Intake {
    /// A run of messages. Nothing more is read before it returns.
    fn batch(&mut self, batch: Batch) -> impl Future<Output = Result<(), CloseCause>> + Send;
    /// A command that is not the connection's own affair.
    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause>;
    /// The connection is closed by this side, and so many bytes of the peer were not read.
    fn unread(&self, _bytes: usize, _peer: &str) {}
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
        Ok(Link { stream, peer, encoder, decoder, input, spoken: Arc::default() })
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
        let Link { stream, peer, encoder, decoder, input, spoken } = self;
        unsent.begin(encoder);
        let shared = Shared { stream: &stream, outbox, pulse: &pulse, options, spoken: &spoken };
        let reading = Reader::new(&shared, peer.version, input, intake).run(decoder);
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
            match stream.try_write(handshake.output()) {
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
        match stream.try_read_buf(input) {
            Ok(0) => return Err(CloseCause::Peer),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
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
            stream.try_write_vectored(&slices[..used])
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
