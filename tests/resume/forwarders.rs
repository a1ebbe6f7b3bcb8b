//! Forwarders are killed.

use pushnote_tests::{Forwarder, Metrics, Page, Proxy, Server};

use crate::load::{
    Load, nothing_is_missing, nothing_is_missing_and_few_came_twice, nothing_is_missing_silently,
};

const PUBLISHERS: usize = 2;

fn start() -> Forwarder {
    Forwarder::with(&["--metrics=127.0.0.1:0"])
}

/// Kills it; returns when it is back, and has all its publishers and servers again.
fn is_killed(forwarder: &mut Forwarder, servers: usize) {
    tokio::task::block_in_place(|| {
        forwarder.crash_and_restart();
        let peers = (PUBLISHERS + servers) as f64;
        Metrics::of(&forwarder.process).until("pushnote_mq_peers", |now| now == peers);
    });
}

/// What it had taken and not passed on is gone with it: pages are told so. Everything else comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_with_the_only_forwarder_is_told() {
    let mut forwarder = start();
    let server = Server::start(&forwarder.publ).subscribed();
    let page = Page::open(&server.address).await;
    let mut load = Load::start(&[&forwarder.sub], PUBLISHERS as u64, 0);
    load.is_followed_by(page, &[&server.address]);
    for _ in 0..4 {
        load.publishes(1000).await;
        is_killed(&mut forwarder, 1);
    }
    load.publishes(2000).await;
    nothing_is_missing_silently(&load.ends().await);
}

/// Also for a page that is on its way from one server to the other all the time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_one_of_two_forwarders() {
    let mut forwarders = [start(), start()];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let servers = [Server::start(&mq_socket).subscribed(), Server::start(&mq_socket).subscribed()];
    let links = [
        Proxy::to(&format!("tcp://{}", servers[0].address)).await,
        Proxy::to(&format!("tcp://{}", servers[1].address)).await,
    ];
    let (stays, goes) = (Page::open(&servers[0].address).await, Page::open(links[0].address()).await);
    let mut load = Load::start(&[&forwarders[0].sub, &forwarders[1].sub], PUBLISHERS as u64, 0);
    load.is_followed_by(stays, &[&servers[0].address]);
    load.is_followed_by(goes, &[links[1].address(), links[0].address()]);
    for round in 0..6 {
        load.publishes(500).await;
        is_killed(&mut forwarders[round % 2], servers.len());
        links.iter().for_each(Proxy::cut);
        load.publishes(300).await;
        links.iter().for_each(Proxy::cut);
    }
    load.publishes(1000).await;
    nothing_is_missing_and_few_came_twice(&load.ends().await);
}

/// One of two has been there all the time, the other one is back and has only what came since. Whichever a server that starts
/// hears first, pages go on there where they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_has_what_either_of_two_forwarders_has() {
    let mut forwarders = [start(), start()];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let first = Server::start(&mq_socket).subscribed();
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.push(Page::open(&first.address).await);
    }
    let mut load = Load::start(&[&forwarders[0].sub, &forwarders[1].sub], PUBLISHERS as u64, 0);
    load.publishes(300).await;
    forwarders[1].process.kill();
    for page in &mut pages {
        page.until(600).await;
    }
    is_killed(&mut forwarders[1], 1);
    load.publishes(500).await;
    // Of several, some hear the one first.
    let others = [(); 4].map(|()| Server::start(&mq_socket));
    for (mut page, server) in pages.into_iter().zip(&others) {
        assert!(page.comes_back(&server.address).await, "nothing is missing");
        load.is_followed_by(page, &[&server.address]);
    }
    load.publishes(500).await;
    nothing_is_missing(&load.ends().await);
}
