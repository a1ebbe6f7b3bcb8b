//! A link that can fail as cables do: nothing arrives any more, and nobody is told.

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::PATIENCE;

/// A TCP proxy that can become a black hole.
pub struct Proxy {
    /// Where to connect to.
    pub endpoint: String,
    is_hole: watch::Sender<bool>,
    cut: watch::Sender<()>,
    given_up: watch::Receiver<GivenUp>,
    accepting: JoinHandle<()>,
}

/// Connections that were closed into the hole.
#[derive(Clone, Copy, Debug, Default)]
struct GivenUp {
    by_clients: u32,
    by_server: u32,
}

impl Proxy {
    /// A proxy in front of `endpoint`.
    ///
    /// # Panics
    ///
    /// If it is not TCP, or this machine has no free port.
    pub async fn to(endpoint: &str) -> Self {
        let address = endpoint.strip_prefix("tcp://").expect("a TCP endpoint").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("its address"));
        let (is_hole, hole) = watch::channel(false);
        let (give_up, given_up) = watch::channel(GivenUp::default());
        let (cut, cutting) = watch::channel(());
        let accepting = tokio::spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else { continue };
                let mut is_cut = cutting.clone();
                is_cut.mark_unchanged();
                let carried = carry(near, address.clone(), hole.clone(), give_up.clone());
                links.spawn(async move {
                    tokio::select! {
                        () = carried => {}
                        _ = is_cut.changed() => {}
                    }
                });
            }
        });
        Self { endpoint, is_hole, cut, given_up, accepting }
    }

    /// `IP:PORT` of its endpoint.
    pub fn address(&self) -> &str {
        self.endpoint.trim_start_matches("tcp://")
    }

    /// Ends all connections at once, with whatever was on its way. New ones pass.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }

    /// From now on nothing passes, and everything stays open.
    pub fn swallow(&self) {
        self.is_hole.send_replace(true);
    }

    /// New connections pass again; the old ones stay dead.
    pub fn heal(&self) {
        self.is_hole.send_replace(false);
    }

    /// Waits until both sides have closed a connection into the hole.
    ///
    /// # Panics
    ///
    /// If they do not in time.
    pub async fn is_given_up_by_both(&mut self) {
        let both = self.given_up.wait_for(|given_up| given_up.by_clients > 0 && given_up.by_server > 0);
        let given_up = timeout(PATIENCE, both).await.map(|_| ());
        assert!(given_up.is_ok(), "still believed in: {:?}", *self.given_up.borrow());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut near: TcpStream,
    address: String,
    mut hole: watch::Receiver<bool>,
    give_up: watch::Sender<GivenUp>,
) {
    if *hole.borrow() {
        until_closed(&mut near).await;
        return;
    }
    let Ok(mut far) = TcpStream::connect(address).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        _ = hole.wait_for(|hole| *hole) => {}
    }
    let client = async {
        until_closed(&mut near).await;
        give_up.send_modify(|given_up| given_up.by_clients += 1);
    };
    let server = async {
        until_closed(&mut far).await;
        give_up.send_modify(|given_up| given_up.by_server += 1);
    };
    tokio::join!(client, server);
}

/// Throws away what comes.
async fn until_closed(stream: &mut TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
}
