//! A socket of the `zeromq` crate that does what the lines of standard input say, as `python/peer.py` does with
//! libzmq's. It is a process so that a test can kill it.
//!
//!     zeromq-peer PUB|XPUB|SUB|XSUB bind|connect ENDPOINT [TOPIC...]

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, bail};
use pushnote_tests::{hex, unhex};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use zeromq::{
    PubSocket, Socket, SocketRecv, SocketSend, SubSocket, XPubSocket, XSubSocket, ZmqMessage, ZmqResult,
};

const KNOCK_EVERY: Duration = Duration::from_millis(10);

enum Peer {
    Pub(PubSocket),
    Xpub(XPubSocket),
    Sub(SubSocket),
    Xsub(XSubSocket),
}

impl Peer {
    fn new(kind: &str) -> anyhow::Result<Self> {
        Ok(match kind {
            "PUB" => Peer::Pub(PubSocket::new()),
            "XPUB" => Peer::Xpub(XPubSocket::new()),
            "SUB" => Peer::Sub(SubSocket::new()),
            "XSUB" => Peer::Xsub(XSubSocket::new()),
            _ => bail!("no such socket: {kind}"),
        })
    }

    async fn open(&mut self, way: &str, endpoint: &str) -> ZmqResult<String> {
        match self {
            Peer::Pub(socket) => open(socket, way, endpoint).await,
            Peer::Xpub(socket) => open(socket, way, endpoint).await,
            Peer::Sub(socket) => open(socket, way, endpoint).await,
            Peer::Xsub(socket) => open(socket, way, endpoint).await,
        }
    }

    async fn send(&mut self, parts: &[Vec<u8>]) -> anyhow::Result<()> {
        let (first, more) = parts.split_first().context("a message has parts")?;
        let mut message = ZmqMessage::from(first.clone());
        for part in more {
            message.push_back(part.clone().into());
        }
        match self {
            Peer::Pub(socket) => socket.send(message).await?,
            Peer::Xpub(socket) => socket.send(message).await?,
            Peer::Sub(_) | Peer::Xsub(_) => bail!("a subscriber sends no messages"),
        }
        Ok(())
    }

    async fn subscribe(&mut self, wanted: bool, topic: &[u8]) -> anyhow::Result<()> {
        match self {
            Peer::Sub(socket) if wanted => socket.subscribe(std::str::from_utf8(topic)?).await?,
            Peer::Sub(socket) => socket.unsubscribe(std::str::from_utf8(topic)?).await?,
            Peer::Xsub(socket) => socket.send([&[u8::from(wanted)], topic].concat().into()).await?,
            Peer::Pub(_) | Peer::Xpub(_) => bail!("a publisher does not subscribe"),
        }
        Ok(())
    }

    /// What comes next. An XPUB has to be asked, or it does not notice who subscribes.
    async fn recv(&mut self) -> ZmqResult<ZmqMessage> {
        match self {
            Peer::Pub(_) => std::future::pending().await,
            Peer::Xpub(socket) => socket.recv().await,
            Peer::Sub(socket) => socket.recv().await,
            Peer::Xsub(socket) => socket.recv().await,
        }
    }
}

async fn open(socket: &mut impl Socket, way: &str, endpoint: &str) -> ZmqResult<String> {
    if way == "bind" {
        // Its way to say "any port".
        let endpoint = endpoint.replace(":*", ":0");
        return Ok(socket.bind(&endpoint).await?.to_string());
    }
    socket.connect(endpoint).await?;
    Ok(endpoint.to_owned())
}

/// The lines of standard input.
fn told() -> mpsc::UnboundedReceiver<String> {
    let (line_in, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line_in.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn run(mut peer: Peer) -> anyhow::Result<()> {
    let mut lines = told();
    let mut knock = None;
    let mut knocks = interval(KNOCK_EVERY);
    knocks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                let mut words = line.split(' ');
                let verb = words.next().unwrap_or_default();
                let words: Vec<_> = words.map(unhex).collect();
                match (verb, &words[..]) {
                    ("send", parts) => peer.send(parts).await?,
                    ("knock", _) => knock = Some(words),
                    ("quiet", _) => knock = None,
                    ("subscribe", [topic]) => peer.subscribe(true, topic).await?,
                    ("unsubscribe", [topic]) => peer.subscribe(false, topic).await?,
                    _ => bail!("cannot {line}"),
                }
            }
            received = peer.recv() => {
                // An error is how it says that somebody is gone.
                if let Ok(message) = received {
                    let parts: Vec<_> = message.iter().map(|part| hex(part)).collect();
                    println!("got {}", parts.join(" "));
                }
            }
            _ = knocks.tick(), if knock.is_some() => {
                peer.send(knock.as_deref().unwrap_or_default()).await?;
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context("KIND WAY ENDPOINT [TOPIC...]");
    let (kind, way, endpoint) = (argument()?, argument()?, argument()?);
    let mut peer = Peer::new(&kind)?;
    let endpoint = peer.open(&way, &endpoint).await?;
    for topic in arguments {
        peer.subscribe(true, &unhex(&topic)).await?;
    }
    println!("ready {endpoint}");
    run(peer).await
}
