//! What an endpoint says of itself to somebody who comes to look: for tools that examine a set-up.
//!
//! ```
//! use pushnote_zmtp::handshake::SocketType;
//! use pushnote_zmtp::probe::Ungreeted;
//! use pushnote_zmtp::{Options, Publisher};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = Publisher::bind(&"tcp://127.0.0.1:*".parse()?, Options::default()).await?;
//! let connection = Ungreeted::open(&publisher.local_endpoints()[0]).await?;
//! let mut probe = connection.greet(SocketType::Sub, Options::default()).await?;
//! assert_eq!(probe.peer().kind, SocketType::Pub);
//! assert!(probe.ping().await?.is_some(), "it speaks ZMTP 3.1");
//! assert!(probe.position().await?.is_none(), "it keeps no history");
//! # Ok(())
//! # }
//! ```

use crate::batch::Batch;
use crate::inbound::Inbound;
use crate::link::Link;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::send_filter::Everything;
use crate::stats::CloseCause;
use crate::transport;
use pushnote_net::Stream;
use pushnote_zmtp_proto::command::{Command, put_ping, put_subscribe};
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::handshake::{Handshake, Peer, SocketType, Version};
use pushnote_zmtp_proto::position::{self, Position};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A connection before the greeting.
pub struct Ungreeted(Stream);

impl Ungreeted {
    /// Connects, once.
    ///
    /// # Errors
    /// What the system says: refused, no route, no such name. There is no timeout but the system's.
    pub async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        transport::connect(endpoint).await.map(Ungreeted)
    }

    /// Greets as a socket of type `local`. Of `options`, those of the handshake, of security and the limits count.
    ///
    /// # Errors
    /// [`CloseCause`]: no handshake within [`Options::handshake_timeout`], or one that did not go well.
    pub async fn greet(self, local: SocketType, options: Options) -> Result<Probe, CloseCause> {
        let handshake = Handshake::new(local).with_property(position::PROPERTY, b"");
        let link = Link::establish(self.0, handshake, &options).await?;
        let peer = link.peer.clone();
        let outbox = Arc::new(Outbox::new(options.queue_bytes_max));
        let (heard, hears) = watch::channel(Heard::default());
        let mut run = JoinSet::new();
        let queue = Arc::clone(&outbox);
        run.spawn(async move { link.run(&options, &queue, &mut Unsent::default(), Everything, heard).await });
        Ok(Probe { peer, outbox, heard: hears, pings: 0, run })
    }
}

/// A connection that can be asked. Messages that come on it are thrown away; dropping it closes it.
#[derive(Debug)]
pub struct Probe {
    peer: Peer,
    outbox: Arc<Outbox>,
    heard: watch::Receiver<Heard>,
    pings: u64,
    run: JoinSet<CloseCause>,
}

#[derive(Debug, Default)]
struct Heard {
    /// The last PING that was answered, from 1 on.
    pong: u64,
    position: Option<Position>,
}

impl Probe {
    /// What the peer said of itself.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Asks for a sign of life and gives the time until it came; `None` when the peer's ZMTP has no PING. Give it a
    /// timeout.
    ///
    /// # Errors
    /// Why the connection ended instead.
    pub async fn ping(&mut self) -> Result<Option<Duration>, CloseCause> {
        if self.peer.version < Version::V3_1 {
            return Ok(None);
        }
        self.pings += 1;
        let (ping, asked) = (self.pings, Instant::now());
        self.outbox.push_mark(|out| put_ping(out, 0, &ping.to_be_bytes()));
        match self.heard.wait_for(|heard| heard.pong >= ping).await {
            Ok(_) => return Ok(Some(asked.elapsed())),
            Err(_closed) => {}
        }
        match self.run.join_next().await {
            Some(Ok(cause)) => Err(cause),
            _ => Err(CloseCause::Local),
        }
    }

    /// Subscribes to everything, and gives where the stream of a publisher that keeps a history begins; `None` when
    /// the peer keeps none, or knows nothing of it. Give it a timeout.
    ///
    /// # Errors
    /// As [`Probe::ping`].
    pub async fn position(&mut self) -> Result<Option<Position>, CloseCause> {
        if self.peer.version < Version::V3_1 {
            return Ok(None);
        }
        self.outbox.push_mark(|out| put_subscribe(out, b"", true));
        // A PONG may overtake the position. The second is an answer to what is sent after the first has come.
        self.ping().await?;
        self.ping().await?;
        Ok(self.heard.borrow().position)
    }
}

impl Inbound for watch::Sender<Heard> {
    async fn batch(&mut self, _: Batch) -> Result<(), CloseCause> {
        Ok(())
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause> {
        match command {
            Command::Position(position) => self.send_modify(|heard| heard.position = Some(position)),
            Command::Pong { context } => {
                // Those of the heartbeat carry nothing.
                if let Ok(pong) = context.try_into().map(u64::from_be_bytes) {
                    self.send_modify(|heard| heard.pong = pong);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
