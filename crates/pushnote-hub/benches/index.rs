//! The index of subscriptions with 100,000 connections in it: a regression net. Its users are visited in an order
//! that caches cannot foresee, and none of these may cost more for all the others being there.

use std::cell::RefCell;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use pushnote_core::{Subject, UserId};
use pushnote_hub::index::{Index, Key};

const CONNECTIONS: usize = 100_000;

/// From one visited place to the next; prime, so that every place has its turn.
const STRIDE: usize = 48_271;

/// Prepared, then measured at a stretch: enough to make the clock's cost vanish, few beside [`CONNECTIONS`].
const BATCH: BatchSize = BatchSize::NumIterations(1_000);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("index of 100,000");
    group.throughput(Throughput::Elements(1));
    // A population of its own for each: what one leaves behind must not change what the next measures.
    insert(&mut group, &RefCell::new(Population::new()));
    subscribe(&mut group, &RefCell::new(Population::new()));
    remove(&mut group, &RefCell::new(Population::new()));
    subscribed_to(&mut group, &mut Population::new());
    group.finish();
    criterion.final_summary();
}

/// Connections of one user each. Every bench leaves as many as it found.
struct Population {
    /// The value stands for a receiver: two pointers.
    index: Index<[usize; 2]>,
    /// The connections, and the user of each.
    places: Vec<(Key, Subject)>,
    at: usize,
    users_made: usize,
}

impl Population {
    fn new() -> Self {
        let mut population = Self { index: Index::new(), places: Vec::new(), at: 0, users_made: 0 };
        for _ in 0..CONNECTIONS {
            let newcomer = population.newcomer();
            population.places.push(newcomer);
        }
        population
    }

    /// A connection with a user who had none.
    fn newcomer(&mut self) -> (Key, Subject) {
        self.users_made += 1;
        let user = Subject::User(UserId::new(&self.users_made.to_string()).expect("an id"));
        let key = self.index.insert([0; 2]);
        assert!(self.index.subscribe(key, user.clone(), 0));
        (key, user)
    }

    fn next_place(&mut self) -> usize {
        self.at = (self.at + STRIDE) % CONNECTIONS;
        self.at
    }

    /// Removes the connection of some place.
    fn vacate(&mut self) -> usize {
        let place = self.next_place();
        self.index.remove(self.places[place].0).expect("a connection in each place");
        place
    }
}

/// A connection comes, without a user.
fn insert(group: &mut BenchmarkGroup<'_, WallTime>, population: &RefCell<Population>) {
    group.bench_function("insert", |bencher| {
        bencher.iter_batched(
            || population.borrow_mut().vacate(),
            |place| {
                let population = &mut *population.borrow_mut();
                population.places[place].0 = population.index.insert(black_box([0; 2]));
            },
            BATCH,
        );
    });
}

/// It says whose it is; the user has no other.
fn subscribe(group: &mut BenchmarkGroup<'_, WallTime>, population: &RefCell<Population>) {
    group.bench_function("subscribe", |bencher| {
        bencher.iter_batched(
            || {
                let population = &mut *population.borrow_mut();
                let place = population.vacate();
                let (key, user) = &mut population.places[place];
                *key = population.index.insert([0; 2]);
                (*key, user.clone())
            },
            |(key, user)| assert!(population.borrow_mut().index.subscribe(key, user, 0)),
            BATCH,
        );
    });
}

/// It goes, and its user with it.
fn remove(group: &mut BenchmarkGroup<'_, WallTime>, population: &RefCell<Population>) {
    group.bench_function("remove", |bencher| {
        bencher.iter_batched(
            || {
                let population = &mut *population.borrow_mut();
                let newcomer = population.newcomer();
                let place = population.next_place();
                std::mem::replace(&mut population.places[place], newcomer).0
            },
            |key| assert!(population.borrow_mut().index.remove(key).is_some()),
            BATCH,
        );
    });
}

/// The connections of one user are looked up.
fn subscribed_to(group: &mut BenchmarkGroup<'_, WallTime>, population: &mut Population) {
    // Inserts and removals above left some without a user.
    *population = Population::new();
    group.bench_function("subscribed_to", |bencher| {
        bencher.iter(|| {
            let place = population.next_place();
            let mut connections = population.index.subscribed_to(&population.places[place].1);
            assert!(connections.next().is_some());
        });
    });
}
