//! Faults as they fall: forwarders and servers are killed and stand still, pages are cut off and go to the other server, and
//! applications come that publish a few messages, some of them to one forwarder alone. Which, and when, a seed says: `SEED=7` in the
//! environment is another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Forwarder, Metrics, Page, Proxy, Server, Told, Transport};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::{interval, sleep};

use crate::way::Way;

const STEPS: usize = 10;
/// Publishers that are there all the time, and send 100 messages in a second each.
const LONG: u64 = 2;
const TICK: Duration = Duration::from_millis(10);
/// The number of a publisher's first message: the others follow.
const OF_PUBLISHER: u64 = 1 << 32;
/// Of what a page had last, so much tells whether it has come to the end.
const LAST: usize = 1000;
/// Longer than a server that starts waits for a forwarder that says nothing.
const GIVEN_UP: Duration = Duration::from_secs(7);
/// Longer than it takes until all that are there again know it of each other, and have brought what they had.
const SETTLED: Duration = Duration::from_secs(3);

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of_two(&mut self) -> usize {
        usize::from(self.below(2) == 1)
    }
}

/// What is wrong with what one page was told.
#[derive(Debug, Default)]
struct Faults {
    doubled: Vec<u64>,
    /// It came behind what follows it, and no gap before.
    out_of_order: Vec<u64>,
    /// It did not come, and no gap behind what is before it.
    lost: Vec<u64>,
}

impl Faults {
    /// `published`: how many each publisher has.
    fn of(page: &Page, published: &BTreeMap<u64, u64>) -> Self {
        let mut faults = Self::default();
        for (publisher, count) in published {
            let numbers = publisher * OF_PUBLISHER..publisher * OF_PUBLISHER + count;
            let (mut next, mut is_told, mut had, mut untold) =
                (numbers.start, false, BTreeSet::new(), BTreeSet::new());
            for told in &page.told {
                match *told {
                    Told::Gap => {
                        is_told = true;
                        untold.clear();
                    }
                    Told::Number(number) if !numbers.contains(&number) => {}
                    Told::Number(number) if !had.insert(number) => faults.doubled.push(number),
                    Told::Number(number) if number < next => {
                        faults.out_of_order.extend(untold.take(&number));
                    }
                    Told::Number(number) => {
                        untold.extend((next..number).filter(|_| !is_told));
                        (next, is_told) = (number + 1, false);
                    }
                }
            }
            untold.extend((next..numbers.end).filter(|_| !is_told));
            faults.lost.extend(untold);
        }
        faults
    }
}

struct World {
    chance: Chance,
    forwarders: [Forwarder; 2],
    ways: [Way; 2],
    /// Has something that the other one has not: it is not killed.
    is_needed: [bool; 2],
    servers: [Server; 2],
    links: [Proxy; 2],
    published: BTreeMap<u64, u64>,
    /// Those that were cut off from one forwarder.
    cut_off: BTreeSet<u64>,
    began: Instant,
    trace: String,
}

impl World {
    async fn start(seed: u64) -> Self {
        let forwarders = [(); 2].map(|()| Forwarder::with(&["--metrics=127.0.0.1:0"]));
        let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
        let servers = [(); 2].map(|()| Server::start(&mq_socket).subscribed());
        let ways = [Way::to(&forwarders[0]).await, Way::to(&forwarders[1]).await];
        let links = [
            Proxy::to(&format!("tcp://{}", servers[0].address)).await,
            Proxy::to(&format!("tcp://{}", servers[1].address)).await,
        ];
        let (is_needed, published, cut_off) = ([false; 2], BTreeMap::new(), BTreeSet::new());
        let (began, trace) = (Instant::now(), String::new());
        Self {
            chance: Chance(seed),
            forwarders,
            ways,
            is_needed,
            servers,
            links,
            published,
            cut_off,
            began,
            trace,
        }
    }

    fn notes(&mut self, what: &str) {
        let _ = writeln!(self.trace, "{:6.2} s: {what}", self.began.elapsed().as_secs_f64());
    }

    async fn passes(&mut self, most: Duration) {
        sleep(most * self.chance.below(100) as u32 / 100).await;
    }

    /// An application publishes a few messages, by one forwarder alone if it is cut off from the other one.
    async fn application(&mut self) {
        let publisher = LONG + self.published.len() as u64;
        let (count, cut_off) = (1 + self.chance.below(4), self.chance.below(4) as usize);
        self.notes(&format!("{count} messages of {publisher}, cut off from {cut_off}"));
        for number in 0..count {
            for at in [0, 1].into_iter().filter(|at| *at != cut_off) {
                let data = publisher * OF_PUBLISHER + number;
                self.ways[at].brings(&format!("application{publisher}"), number, data).await;
            }
        }
        if cut_off < 2 {
            self.is_needed[1 - cut_off] = true;
            self.cut_off.insert(publisher);
        }
        self.published.insert(publisher, count);
    }

    async fn step(&mut self, kills: bool) {
        let at = self.chance.one_of_two();
        match self.chance.below(if kills { 7 } else { 6 }) {
            0 | 1 => {
                self.notes(&format!("pages leave server {at}"));
                self.links[at].cut();
            }
            2 => {
                self.notes(&format!("server {at} is killed"));
                block_in_place(|| self.servers[at].crash_and_restart());
            }
            3 => {
                self.notes(&format!("server {at} stands still"));
                block_in_place(|| self.servers[at].process.signal("-STOP"));
                self.application().await;
                self.passes(Duration::from_millis(1500)).await;
                self.servers[at].process.signal("-CONT");
            }
            4 => self.forwarder_stands_still(at).await,
            5 => self.application().await,
            _ if self.is_needed[at] => self.notes(&format!("forwarder {at} is needed")),
            _ => {
                self.notes(&format!("forwarder {at} is killed"));
                block_in_place(|| {
                    self.forwarders[at].crash_and_restart();
                    let peers = (LONG + 1 + 2) as f64;
                    Metrics::of(&self.forwarders[at].process).until("pushnote_mq_peers", |now| now == peers);
                });
                sleep(SETTLED).await;
            }
        }
        self.passes(Duration::from_millis(600)).await;
    }

    async fn forwarder_stands_still(&mut self, at: usize) {
        self.notes(&format!("forwarder {at} stands still"));
        block_in_place(|| self.forwarders[at].process.signal("-STOP"));
        for _ in 0..self.chance.below(3) {
            self.application().await;
            self.passes(Duration::from_millis(1000)).await;
        }
        self.forwarders[at].process.signal("-CONT");
        self.notes("it goes on");
    }

    /// A server starts meanwhile, and pages come there.
    async fn server_starts_without_a_forwarder(&mut self) {
        let (at, server) = (self.chance.one_of_two(), self.chance.one_of_two());
        self.application().await;
        self.passes(Duration::from_millis(300)).await;
        self.notes(&format!("forwarder {at} stands still, server {server} is killed"));
        block_in_place(|| {
            self.forwarders[at].process.signal("-STOP");
            self.servers[server].crash_and_restart();
        });
        self.application().await;
        match self.chance.below(3) {
            0 => self.passes(GIVEN_UP).await,
            _ => sleep(GIVEN_UP).await,
        }
        self.links[1 - server].cut();
        self.notes("pages go there");
        self.passes(GIVEN_UP / 2).await;
        self.application().await;
        self.forwarders[at].process.signal("-CONT");
        self.notes("it goes on");
    }
}

/// Publishes until it is aborted. `published`: how many messages each publisher has sent.
fn publishing(forwarders: &[Forwarder; 2], published: Arc<AtomicU64>) -> JoinHandle<()> {
    let publisher = || {
        let builder = Publisher::builder().endpoint(&forwarders[0].sub).unwrap();
        builder.endpoint(&forwarders[1].sub).unwrap().build().unwrap()
    };
    let publishers: Vec<_> = (0..LONG).map(|_| publisher()).collect();
    tokio::spawn(async move {
        let mut tick = interval(TICK);
        loop {
            tick.tick().await;
            let count = published.load(Relaxed);
            for (at, publisher) in (0..).zip(&publishers) {
                while publisher.notify_all(json!(at * OF_PUBLISHER + count)).is_err() {
                    sleep(TICK).await;
                }
            }
            published.store(count + 1, Relaxed);
        }
    })
}

/// What each page has had that it should not have, or not had without a word.
async fn run(seed: u64, kills: bool) -> (Vec<Faults>, String) {
    let mut world = World::start(seed).await;
    let addresses = [0, 1].map(|at| world.links[at].address().to_owned());
    let (end, mut pages) = (watch::channel(None).0, JoinSet::new());
    for (at, transport) in
        [Transport::WebSocket, Transport::WebSocket, Transport::XhrPolling].into_iter().enumerate()
    {
        let mut page = Page::open_over(transport, &addresses[at % 2]).await;
        let (ends, mut addresses) = (end.subscribe(), addresses.to_vec());
        addresses.rotate_left((at + 1) % 2);
        pages.spawn(async move {
            page.follow(&addresses, |page| ends.borrow().is_some_and(|end| is_at(page, end))).await;
            page
        });
    }
    let published = Arc::new(AtomicU64::new(0));
    let publishing = publishing(&world.forwarders, Arc::clone(&published));
    let special = world.chance.below(STEPS as u64) as usize;
    for step in 0..STEPS {
        if step == special {
            world.server_starts_without_a_forwarder().await;
        } else {
            world.step(kills).await;
        }
    }
    sleep(SETTLED).await;
    let count = published.load(Relaxed);
    end.send_replace(Some(count));
    world.published.extend((0..LONG).map(|publisher| (publisher, count)));
    let mut faults = Vec::new();
    while let Some(page) = pages.join_next().await {
        let page = page.expect("a page that follows to the end");
        let _ = writeln!(
            world.trace,
            "{} connections, {} gaps, {} had",
            page.connections,
            page.gaps(),
            page.had().count()
        );
        let mut of_page = Faults::of(&page, &world.published);
        // A page that has gone by way of a server that does not hear the forwarder which has them, may have them twice.
        of_page.doubled.retain(|number| !world.cut_off.contains(&(number / OF_PUBLISHER)));
        faults.push(of_page);
    }
    publishing.abort();
    (faults, world.trace)
}

/// Whether it has had so many of each publisher that is there all the time, or what follows them.
fn is_at(page: &Page, count: u64) -> bool {
    let last = |publisher| {
        move |number: u64| number / OF_PUBLISHER == publisher && number % OF_PUBLISHER + 1 >= count
    };
    (0..LONG).all(|publisher| page.had().rev().take(LAST).any(last(publisher)))
}

/// What a forwarder has passed on to one server alone when it was killed or stood still, may come twice to who goes to the other
/// one then: a few ticks' messages.
const TWICE_MAX: usize = 5 * LONG as usize;

async fn nothing_is_wrong(seed: u64, kills: bool) {
    let seed = std::env::var("SEED").map_or(seed, |seed| seed.parse().expect("a number"));
    let (faults, trace) = run(seed, kills).await;
    eprintln!("seed {seed}\n{trace}");
    let is_right = |Faults { doubled, out_of_order, lost }: &Faults| {
        let are_few = doubled.len() <= TWICE_MAX
            && (kills || doubled.iter().all(|number| *number < LONG * OF_PUBLISHER));
        lost.is_empty() && out_of_order.is_empty() && are_few
    };
    assert!(faults.iter().all(is_right), "seed {seed}: {faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_still_nothing_is_lost_without_a_word() {
    nothing_is_wrong(16, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_if_forwarders_are_killed() {
    nothing_is_wrong(17, true).await;
}
