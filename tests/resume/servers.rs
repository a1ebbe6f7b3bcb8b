//! Servers are killed; pages go on at another one, or at the same one when it is back.

use pushnote_tests::{Forwarder, Page, Server, Transport};

use crate::load::{Load, nothing_is_missing, nothing_is_missing_and_few_came_twice};

const TRANSPORTS: [Transport; 3] = [Transport::WebSocket, Transport::XhrStreaming, Transport::XhrPolling];

/// Kills the servers by turns; each is back before the next one goes.
async fn servers_are_killed(forwarders: &[Forwarder], servers: usize, kills: usize) {
    let mq_socket: Vec<_> = forwarders.iter().map(|forwarder| forwarder.publ.as_str()).collect();
    let sub: Vec<_> = forwarders.iter().map(|forwarder| forwarder.sub.as_str()).collect();
    let mut servers: Vec<_> =
        (0..servers).map(|_| Server::start(&mq_socket.join(",")).subscribed()).collect();
    let addresses: Vec<_> = servers.iter().map(|server| server.address.clone()).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let mut pages = Vec::new();
    for transport in TRANSPORTS {
        pages.push(Page::open_over(transport, addresses[0]).await);
    }
    let mut load = Load::start(&sub, 2, 0);
    pages.into_iter().for_each(|page| load.is_followed_by(page, &addresses));
    for kill in 0..kills {
        load.publishes(1000).await;
        let at = kill % servers.len();
        servers[at].crash_and_restart();
    }
    load.publishes(1000).await;
    nothing_is_missing(&load.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_killed_server_go_on_at_another_one() {
    servers_are_killed(&[Forwarder::start()], 2, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_killed_server_go_on_there_when_it_is_back() {
    servers_are_killed(&[Forwarder::start()], 1, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_forwarders_they_do_as_well() {
    servers_are_killed(&[Forwarder::start(), Forwarder::start()], 2, 6).await;
}

/// A machine with a server and a forwarder dies, and what the one had from the other is nowhere else yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_forwarder_may_be_killed_together() {
    let mut dies = Forwarder::start();
    let stays = Forwarder::start();
    let mq_socket = format!("{},{}", dies.publ, stays.publ);
    let mut server = Server::start(&mq_socket).subscribed();
    let other = Server::start(&mq_socket).subscribed();
    let mut pages = Vec::new();
    for transport in TRANSPORTS {
        pages.push(Page::open_over(transport, &server.address).await);
    }
    let mut load = Load::start(&[&dies.sub, &stays.sub], 2, 0);
    pages.into_iter().for_each(|page| load.is_followed_by(page, &[&other.address]));
    load.publishes(1000).await;
    dies.process.kill();
    server.process.kill();
    load.publishes(2000).await;
    nothing_is_missing_and_few_came_twice(&load.ends().await);
}
