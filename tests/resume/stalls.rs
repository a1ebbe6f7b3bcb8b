//! A forwarder stands still, and has what nobody else has; or brings, when it goes on, what the other one has brought long ago.

use std::time::Duration;

use pushnote_tests::{Forwarder, PATIENCE, Page, Proxy, Server, Told};
use tokio::time::{sleep, timeout};

use crate::way::Way;

/// Longer than a server waits for what overtook something.
const LATE: Duration = Duration::from_secs(1);

/// They are the numbers of an application's messages, and their data.
async fn brings(way: &Way, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        way.brings("app", number, number).await;
    }
}

/// Comes back there as soon as nothing is missing there, as far as the server knows: it waits for no forwarder any more.
async fn comes_back_when_let_in(page: &mut Page, server: &Server) {
    let let_in = async { while !page.comes_back(&server.address).await {} };
    timeout(2 * PATIENCE, let_in).await.expect("nobody is let in");
}

async fn is_told_of_a_gap(page: &mut Page) {
    while page.gaps() == 0 {
        page.next().await;
    }
}

/// The server starts without it, and pages are let in. What it has then comes too late for them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_forwarder_alone_has_that_stood_still_is_told_once() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let first = Server::start(&mq_socket).subscribed();
    let mut pages = [(); 3].map(|()| None);
    for page in &mut pages {
        *page = Some(Page::open(&first.address).await);
    }
    let [mut page, mut scout, mut witness] = pages.map(Option::unwrap);
    // Their cursors are behind it by this one, which the next server hears.
    brings(&ways[0], [0]).await;
    for page in [&mut page, &mut scout, &mut witness] {
        page.until(0).await;
    }
    brings(&ways[1], 0..=3).await;
    witness.until(3).await;
    forwarders[1].process.signal("-STOP");
    let server = Server::start(&mq_socket);
    comes_back_when_let_in(&mut scout, &server).await;
    assert!(page.comes_back(&server.address).await, "as far as the server knows");
    forwarders[1].process.signal("-CONT");
    is_told_of_a_gap(&mut page).await;
    for way in &ways {
        brings(way, [4]).await;
    }
    page.until(4).await;
    assert_eq!(page.told, [Told::Number(0), Told::Gap, Told::Number(4)]);
}

/// The same, of a publisher that the server has not heard before: in the middle of its count, by the other forwarder.
#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_first_messages_that_come_late_are_told_and_none_comes_twice() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let first = Server::start(&mq_socket).subscribed();
    let mut scout = Page::open(&first.address).await;
    brings(&ways[1], 0..=3).await;
    scout.until(3).await;
    forwarders[1].process.signal("-STOP");
    let server = Server::start(&mq_socket);
    comes_back_when_let_in(&mut scout, &server).await;
    let mut page = Page::open(&server.address).await;
    for way in &ways {
        brings(way, 4..=5).await;
    }
    page.until(5).await;
    forwarders[1].process.signal("-CONT");
    is_told_of_a_gap(&mut page).await;
    for way in &ways {
        brings(way, [6]).await;
    }
    page.until(6).await;
    let [four, five, six] = [4, 5, 6].map(Told::Number);
    assert_eq!(page.told, [four, five, Told::Gap, six]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_first_messages_that_come_again_are_no_new_ones() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let server = Server::start(&mq_socket).subscribed();
    let mut page = Page::open(&server.address).await;
    forwarders[1].process.signal("-STOP");
    for way in &ways {
        brings(way, 0..=1).await;
    }
    page.until(1).await;
    sleep(LATE).await;
    forwarders[1].process.signal("-CONT");
    // Behind them.
    brings(&ways[1], [2]).await;
    page.until(2).await;
    assert_eq!(page.told, [0, 1, 2].map(Told::Number));
}

/// What was published while it was away waits for it at the publisher, and is no news to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_for_a_forwarder_that_is_back_comes_once() {
    let mut forwarders = [Forwarder::start(), Forwarder::start()];
    let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let server = Server::start(&mq_socket).subscribed();
    let mut page = Page::open(&server.address).await;
    forwarders[1].process.kill();
    brings(&ways[0], 0..=1).await;
    page.until(1).await;
    sleep(LATE).await;
    forwarders[1].crash_and_restart();
    brings(&ways[1], 0..=2).await;
    page.until(2).await;
    assert_eq!(page.told, [0, 1, 2].map(Told::Number));
}

/// A server that is cut off from the forwarder can say nothing of what a page had by it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_forwarder_alone_has_does_not_come_again_to_who_was_where_it_is_not_heard() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let first = Server::start(&mq_socket).subscribed();
    let (mut page, mut scout) = (Page::open(&first.address).await, Page::open(&first.address).await);
    let mut witness = Page::open(&first.address).await;
    brings(&ways[1], 0..=3).await;
    witness.until(3).await;
    brings(&ways[0], [4]).await;
    for page in [&mut page, &mut scout] {
        page.until(4).await;
    }
    let cut_off = Proxy::to(&forwarders[1].publ).await;
    cut_off.swallow();
    let server = Server::start(&format!("{},{}", forwarders[0].publ, cut_off.endpoint));
    comes_back_when_let_in(&mut scout, &server).await;
    assert!(page.comes_back(&server.address).await, "as far as the server knows");
    brings(&ways[0], [5]).await;
    page.until(5).await;
    brings(&ways[1], 4..=6).await;
    witness.until(6).await;
    assert!(!page.comes_back(&first.address).await, "more may have come there alone");
    page.until(6).await;
    let told: Vec<_> = (0..=5).map(Told::Number).chain([Told::Gap, Told::Number(6)]).collect();
    assert_eq!(page.told, told);
}
