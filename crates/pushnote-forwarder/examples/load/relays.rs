//! Relays to be measured: the forwarder, and one that knows no protocol.

use bytes::{Buf, Bytes, BytesMut};
use pushnote_forwarder::{Forwarder, Settings, Way};
use pushnote_zmtp::{Options, SlowSubscriber};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{LocalSet, spawn_local};

/// As the forwarder reads.
const READ_BYTES: usize = 64 << 10;
const CHUNKS_MAX: usize = 128;
const SLICES_MAX: usize = 64;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn forwarder(sub: &str, r#pub: &str) {
    let listen = |endpoint: &str| vec![Way::Listen(endpoint.parse().unwrap())];
    let options = Options { slow_subscriber: SlowSubscriber::Wait, ..Options::default() };
    let settings = Settings { sub: listen(sub), r#pub: listen(r#pub), options, ..Settings::default() };
    Forwarder::bind(settings).await.unwrap().run(std::future::pending()).await;
}

type Outlets = Rc<RefCell<Vec<Sender<Bytes>>>>;

/// Large reads, shared chunks, vectored writes, backpressure: no frames, no limits.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn tcp(sub: &str, r#pub: &str) {
    let (sub, r#pub) = (TcpListener::bind(sub).await.unwrap(), TcpListener::bind(r#pub).await.unwrap());
    let outlets = Outlets::default();
    let publishers = async {
        loop {
            let (publisher, _) = sub.accept().await.unwrap();
            spawn_local(copy(publisher, Rc::clone(&outlets)));
        }
    };
    let subscribers = async {
        loop {
            let (subscriber, _) = r#pub.accept().await.unwrap();
            subscriber.set_nodelay(true).unwrap();
            let (sender, chunks) = channel(CHUNKS_MAX);
            outlets.borrow_mut().push(sender);
            spawn_local(write(subscriber, chunks));
        }
    };
    LocalSet::new().run_until(async { tokio::join!(publishers, subscribers) }).await;
}

async fn copy(mut publisher: TcpStream, outlets: Outlets) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        if publisher.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        let chunk = buffer.split().freeze();
        let senders = outlets.borrow().clone();
        for sender in senders {
            let _ = sender.send(chunk.clone()).await; // fails when the subscriber is gone
        }
    }
}

async fn write(stream: TcpStream, mut chunks: Receiver<Bytes>) {
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(chunk) = chunks.recv().await else { return };
            waiting.push_back(chunk);
        }
        while let Ok(chunk) = chunks.try_recv() {
            waiting.push_back(chunk);
        }
        let slices: Vec<_> = waiting.iter().take(SLICES_MAX).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = match stream.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = stream.writable().await;
                continue;
            }
            Err(_) => return,
        };
        while let Some(first) = waiting.front_mut().filter(|_| written > 0) {
            let step = first.len().min(written);
            first.advance(step);
            written -= step;
            if first.is_empty() {
                waiting.pop_front();
            }
        }
    }
}
