//! A process that runs out of open files: those who are connected notice nothing, it does not burn the processor, and
//! it comes back when there are some again.

use std::time::Duration;

use pushnote_tests::{Browser, Launch, Server, Single};
use tokio::net::TcpStream;

use crate::gauge::{Gauge, MIB, files, processor_time};
use crate::raw::{Door, Raw, frame, ready};
use crate::target::Relay;
use crate::witness::{AT_ONCE, Ear, Witness, newcomers_meet};

const FILES: u32 = 64;
/// What a debug build takes for the witness's 500 messages a second is about a tenth of this.
const BUSY_MAX: Duration = Duration::from_millis(500);

/// Opens connections and greets on each, until the process has no file left; more wait in the kernel's queue.
async fn exhaust(door: &Door, process: u32, files_max: u32) -> Vec<Raw> {
    let mut peers = Vec::new();
    while files(process) < files_max as usize {
        assert!(peers.len() <= files_max as usize, "never used up");
        let mut raw = door.open().await;
        // The last of them are not accepted, and so not answered.
        let _ = tokio::time::timeout(Duration::from_secs(1), raw.greet(&ready(door.kind, &[]), 0)).await;
        peers.push(raw);
    }
    for _ in 0..50 {
        peers.push(door.open().await);
    }
    assert!(files(process) >= files_max as usize, "still {} files open", files(process));
    peers
}

/// The processor time `process` uses in a second.
async fn busy(process: u32) -> Duration {
    let before = processor_time(process);
    tokio::time::sleep(Duration::from_secs(1)).await;
    processor_time(process) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_without_open_files_goes_on_and_comes_back() {
    for end in ["sub", "pub"] {
        let relay = Relay::start_with_files(FILES);
        let witness = relay.witness().await;
        let process = relay.process.id();
        let gauge = Gauge::of(process);
        let door = if end == "sub" { relay.sub_door() } else { relay.pub_door() };
        let peers = exhaust(&door, process, FILES).await;
        let busy = busy(process).await;
        assert!(busy < BUSY_MAX, "{end}: {busy:?} of a second");

        drop(peers);
        let took = newcomers_meet(&relay.sub[0], Ear::subscriber(&relay.publ[0])).await;
        assert!(took < AT_ONCE, "{end}: newcomers met only after {took:?}");
        witness.noticed_nothing().await;
        gauge.files_are_back().await;
        gauge.grew_less_than(16 * MIB);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_open_files_goes_on_and_comes_back() {
    let files_max = 120;
    let Single { server, endpoint, .. } = Single::of(Launch::server().open_files_max(files_max));
    let (address, url, server) = (server.address.clone(), server.websocket_url(), &server.process);
    let (address, endpoint) = (address.as_str(), endpoint.as_str());
    let witness = Witness::start(endpoint, Ear::browser(&url).await).await;
    let gauge = Gauge::of(server.id());

    let peers = exhaust(&Door::new(endpoint, "PUB"), server.id(), files_max).await;
    // A browser waits in the queue of the other listener: that one must not spin either.
    let waiting = TcpStream::connect(address).await.unwrap();
    let busy = busy(server.id()).await;
    assert!(busy < BUSY_MAX, "{busy:?} of a second");

    drop((peers, waiting));
    let took = newcomers_meet(endpoint, Ear::browser(&url).await).await;
    assert!(took < AT_ONCE, "newcomers met only after {took:?}");
    witness.noticed_nothing().await;
    gauge.files_are_back().await;
    gauge.grew_less_than(16 * MIB);
}

/// Browsers have a limit of their own below that of open files: they cannot cut the server off from ZeroMQ.
#[tokio::test(flavor = "multi_thread")]
async fn browsers_alone_cannot_use_up_the_open_files_of_a_server() {
    let files_max = 120;
    let relay = Relay::start(&[]);
    let mq_socket = format!("--mq_socket={}", relay.publ[0]);
    let server = Server::of(Launch::server().open_files_max(files_max).arguments([mq_socket]));
    let (address, url, server) = (server.address.as_str(), server.websocket_url(), &server.process);
    let witness = Witness::start(&relay.sub[0], Ear::browser(&url).await).await;
    let mut connections = Vec::new();
    for _ in 0..files_max {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    // A new application still reaches those who are there.
    let mut application = relay.sub_door().enter().await;
    application.say(&frame(0, b"no envelope")).await;
    application.is_served("an application").await;
    assert!(files(server.id()) < files_max as usize);
    drop(connections);
    witness.noticed_nothing().await;
    // Those places are free again.
    while Browser::try_open(&url).await.is_err() {}
}

/// As many browsers as may be, and there are places for publishers all the same; when those end, too, the log says so.
#[tokio::test(flavor = "multi_thread")]
async fn publishers_have_places_of_their_own() {
    let files_max = 256;
    let single = Single::of(Launch::server().open_files_max(files_max));
    let (address, endpoint) = (single.server.address.as_str(), single.endpoint.as_str());
    let server = &single.server.process;
    let mut browsers = Vec::new();
    for _ in 0..files_max {
        browsers.push(TcpStream::connect(address).await.unwrap());
    }
    let door = Door::new(endpoint, "PUB");
    let mut publishers = Vec::new();
    for number in 0..90 {
        // Before the silent browsers are sent away.
        let entered = tokio::time::timeout(AT_ONCE, door.enter()).await;
        publishers.push(entered.unwrap_or_else(|_| panic!("publisher {number} is not admitted")));
    }
    publishers.extend(exhaust(&door, server.id(), files_max).await);
    tokio::task::block_in_place(|| server.logged("raise the limit of open files: "));
}
