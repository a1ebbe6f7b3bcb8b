//! Links to clients are cut, and clients stand still.

use std::time::Duration;

use pushnote_tests::{Forwarder, Page, Proxy, Server, Single, Transport};
use tokio::time::sleep;

use crate::load::{Load, nothing_is_missing, nothing_is_missing_silently};

const CUTS: u32 = 20;

/// Bytes added to messages, so that no buffer of the kernel holds what passes.
const FILL: usize = 1000;

/// A narrow client, after which the kernel holds no more than 4 MiB.
const MORE_THAN_BUFFERS: u64 = 6000;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_twenty_times_costs_nothing() {
    let single = Single::start();
    let link = Proxy::to(&format!("tcp://{}", single.server.address)).await;
    let mut pages = Vec::new();
    for transport in [Transport::WebSocket, Transport::XhrStreaming, Transport::XhrPolling] {
        pages.push(Page::open_over(transport, link.address()).await);
    }
    let mut load = Load::start(&[&single.endpoint], 2, 0);
    pages.into_iter().for_each(|page| load.is_followed_by(page, &[link.address()]));
    for _ in 0..CUTS {
        load.publishes(300).await;
        link.cut();
    }
    load.publishes(300).await;
    nothing_is_missing(&load.ends().await);
}

/// With two forwarders and two servers, which hear the same in another order.
#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_when_each_cut_leads_to_another_server() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let servers = [Server::start(&mq_socket).subscribed(), Server::start(&mq_socket).subscribed()];
    let links = [
        Proxy::to(&format!("tcp://{}", servers[0].address)).await,
        Proxy::to(&format!("tcp://{}", servers[1].address)).await,
    ];
    let page = Page::open(links[0].address()).await;
    let mut load = Load::start(&[&forwarders[0].sub, &forwarders[1].sub], 2, 0);
    load.is_followed_by(page, &[links[1].address(), links[0].address()]);
    for _ in 0..CUTS {
        load.publishes(300).await;
        links.iter().for_each(Proxy::cut);
    }
    load.publishes(300).await;
    nothing_is_missing(&load.ends().await);
}

/// The server gives up such a connection after half of that time; the page comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stands_still_for_a_minute_misses_nothing() {
    let single = Single::with(&["--log-bytes-max=200000000"]);
    let page = Page::open_over(Transport::NarrowWebSocket, &single.server.address).await;
    let mut load = Load::start(&[&single.endpoint], 2, FILL);
    sleep(Duration::from_secs(60)).await;
    load.is_followed_by(page, &[&single.server.address]);
    nothing_is_missing(&load.ends().await);
}

/// The same connection goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stands_still_for_longer_than_the_log_is_told() {
    let single = Single::with(&["--log-bytes-max=300000"]);
    let page = Page::open_over(Transport::NarrowWebSocket, &single.server.address).await;
    let mut load = Load::start(&[&single.endpoint], 2, FILL);
    load.publishes(MORE_THAN_BUFFERS).await;
    load.is_followed_by(page, &[&single.server.address]);
    let accounts = load.ends().await;
    nothing_is_missing_silently(&accounts);
    assert!(accounts[0].missed > 0, "{accounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_when_the_log_is_past_that_is_told() {
    let single = Single::with(&["--log-messages-max=500"]);
    let link = Proxy::to(&format!("tcp://{}", single.server.address)).await;
    let mut page = Page::open(link.address()).await;
    let mut load = Load::start(&[&single.endpoint], 2, 0);
    page.until(100).await;
    link.cut();
    load.publishes(1500).await;
    load.is_followed_by(page, &[link.address()]);
    load.publishes(500).await;
    let accounts = load.ends().await;
    nothing_is_missing_silently(&accounts);
    assert!(accounts[0].missed > 0, "{accounts:?}");
}
