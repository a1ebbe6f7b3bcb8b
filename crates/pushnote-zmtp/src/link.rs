//! One connection: the handshake, then reading, writing and heartbeats side by side.

mod pulse;
mod reader;

use crate::inbound::Inbound;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::send_filter::SendFilter;
use crate::stats::CloseCause;
use bytes::BytesMut;
use pulse::Pulse;
use pushnote_net::{Stream, timeout_awake};
use pushnote_zmtp_proto::codec::{Decoder, Encoder, codec};
use pushnote_zmtp_proto::handshake::{Handshake, Peer};
use reader::{Reader, Shared};
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
        filter: impl SendFilter,
        inbound: impl Inbound,
    ) -> CloseCause {
        let pulse = Pulse::new(options.heartbeat_interval);
        let Link { stream, peer, encoder, decoder, input, spoken } = self;
        unsent.begin(encoder);
        let shared = Shared { stream: &stream, outbox, pulse: &pulse, options, spoken: &spoken };
        let reading = Reader::new(&shared, peer.version, input, inbound).run(decoder);
        tokio::pin!(reading);
        // What has arrived is read before anything is judged.
        let cause = tokio::select! {
            biased;
            cause = &mut reading => cause,
            cause = pulse.run(peer.version, outbox) => cause,
            // A peer that is gone takes nothing more, but what it had sent before is there to be read.
            cause = write(&stream, outbox, unsent, filter) => {
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
    filter: impl SendFilter,
) -> Result<(), CloseCause> {
    loop {
        unsent.refill(outbox, &filter);
        if unsent.is_empty() {
            if !filter.catch_up() {
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
