//! Our sockets and the others' as one, so that a test reads the same whoever is on which side.

use std::sync::Arc;
use std::time::Duration;

use pushnote_tests::{PATIENCE, free_endpoint};
use pushnote_zmtp::{Endpoint, Options, Publisher, Subscriber};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::peer::{ANY_PORT, Kind, Library, Peer, Way};

/// Types of libzmq's sockets that publish.
pub(crate) const PUBLISHERS: [&str; 2] = ["PUB", "XPUB"];
/// Types of libzmq's sockets that subscribe.
pub(crate) const SUBSCRIBERS: [&str; 2] = ["SUB", "XSUB"];
const fn zeromq(socket: &'static str) -> Kind {
    Kind { library: Library::Zeromq, socket }
}
/// The zeromq crate's sockets that publish.
pub(crate) const CRATE_PUBLISHERS: [Kind; 2] = [zeromq("PUB"), zeromq("XPUB")];
/// The zeromq crate's sockets that subscribe.
pub(crate) const CRATE_SUBSCRIBERS: [Kind; 2] = [zeromq("SUB"), zeromq("XSUB")];
/// Whoever listens.
pub(crate) const WAYS: [Way; 2] = [Way::Bind, Way::Connect];

const KNOCK_EVERY: Duration = Duration::from_millis(10);

/// A message of one part.
pub(crate) fn text(text: impl Into<Vec<u8>>) -> Vec<Vec<u8>> {
    vec![text.into()]
}

/// A socket that publishes.
pub(crate) enum Publishing {
    Ours(Arc<Publisher>, Option<JoinHandle<()>>),
    Theirs(Peer),
}

/// A socket that subscribes.
pub(crate) enum Subscribing {
    Ours(Subscriber),
    Theirs(Peer),
}

impl From<Publisher> for Publishing {
    fn from(publisher: Publisher) -> Self {
        Publishing::Ours(Arc::new(publisher), None)
    }
}

/// A publisher of another implementation and a subscriber of ours; one listens, the other connects.
pub(crate) async fn theirs_to_ours(
    kind: impl Into<Kind>,
    theirs: Way,
    options: Options,
    further: &[String],
) -> (Publishing, Subscribing) {
    let (peer, ours) = match theirs {
        Way::Bind => {
            let peer = Peer::with(kind, theirs, &free_endpoint(), further);
            let ours = Subscriber::connect(peer.endpoint.parse().unwrap(), options);
            (peer, ours)
        }
        Way::Connect => {
            let ours = Subscriber::bind(&ANY_PORT.parse().unwrap(), options).await.unwrap();
            let endpoint = ours.local_endpoint().unwrap().to_string();
            (Peer::with(kind, theirs, &endpoint, further), ours)
        }
    };
    (Publishing::Theirs(peer), Subscribing::Ours(ours))
}

/// A publisher of ours and a subscriber of another implementation, who wants everything; one listens, the other
/// connects.
pub(crate) async fn ours_to_theirs(
    kind: impl Into<Kind>,
    theirs: Way,
    options: Options,
    further: &[String],
) -> (Publishing, Subscribing) {
    let further = [further, &["-".to_owned()]].concat();
    let (ours, peer) = match theirs {
        Way::Bind => {
            let peer = Peer::with(kind, theirs, &free_endpoint(), &further);
            let endpoint: Endpoint = peer.endpoint.parse().unwrap();
            (Publisher::connect(endpoint, options), peer)
        }
        Way::Connect => {
            let ours = Publisher::bind(&ANY_PORT.parse().unwrap(), options).await.unwrap();
            let endpoint = ours.local_endpoint().unwrap().to_string();
            (ours, Peer::with(kind, theirs, &endpoint, &further))
        }
    };
    (ours.into(), Subscribing::Theirs(peer))
}

impl Publishing {
    /// Sends one message; ours has one part.
    pub(crate) async fn send(&mut self, parts: &[Vec<u8>]) {
        match self {
            Publishing::Ours(publisher, _) => {
                let [part] = parts else { panic!("our publisher sends messages of one part") };
                publisher.send(part).await.unwrap();
            }
            Publishing::Theirs(peer) => peer.send(parts),
        }
    }

    /// Sends a message again and again, until [`Publishing::quiet`].
    pub(crate) fn knock(&mut self, message: &str) {
        match self {
            Publishing::Ours(publisher, knocking) => {
                let (publisher, message) = (Arc::clone(publisher), message.to_owned());
                let task = tokio::spawn(async move {
                    let mut knocks = interval(KNOCK_EVERY);
                    loop {
                        knocks.tick().await;
                        // A full queue is a fair answer while nobody takes anything.
                        let _ = publisher.try_send(&message);
                    }
                });
                *knocking = Some(task);
            }
            Publishing::Theirs(peer) => peer.knock(&text(message)),
        }
    }

    /// Ends the knocking: what is sent from now on comes after all knocks.
    pub(crate) async fn quiet(&mut self) {
        match self {
            Publishing::Ours(_, knocking) => {
                if let Some(task) = knocking.take() {
                    task.abort();
                    let _ = task.await;
                }
            }
            Publishing::Theirs(peer) => peer.quiet(),
        }
    }

    /// Waits until what it sends on `topic` reaches each of these, and nothing of that is left on its way.
    pub(crate) async fn reach(&mut self, topic: &str, subscribers: &mut [&mut Subscribing]) {
        let (knock, settled) = (format!("{topic} knock"), format!("{topic} settled"));
        self.knock(&knock);
        for subscriber in subscribers.iter_mut() {
            subscriber.skip_to(&knock).await;
        }
        self.quiet().await;
        self.send(&text(settled.clone())).await;
        for subscriber in subscribers {
            subscriber.skip_to(&settled).await;
        }
    }
}

impl Subscribing {
    /// The next message.
    pub(crate) async fn next(&mut self) -> Vec<Vec<u8>> {
        match self {
            Subscribing::Ours(subscriber) => {
                let message = timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap();
                message.parts().map(|part| part.to_vec()).collect()
            }
            Subscribing::Theirs(peer) => peer.next(),
        }
    }

    /// Reads up to this message of one part.
    pub(crate) async fn skip_to(&mut self, message: &str) {
        while self.next().await != text(message) {}
    }
}
