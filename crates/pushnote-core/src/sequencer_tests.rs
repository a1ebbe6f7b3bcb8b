use proptest::prelude::*;

use std::collections::VecDeque;

use super::*;

const PATIENCE: Duration = Duration::from_millis(500);

impl Item for (char, u64) {
    fn bytes_len(&self) -> usize {
        10
    }

    fn detach(&mut self) {}
}

/// A sequencer, and a clock that only the test moves.
struct Bench {
    sequencer: Sequencer<(char, u64)>,
    now: Instant,
    out: Vec<(char, u64)>,
}

impl Bench {
    fn new(patience: Duration, held_bytes_max: usize, publishers_max: usize) -> Self {
        let publishers_max = NonZeroUsize::new(publishers_max).unwrap();
        let limits = SequencerLimits { patience, held_bytes_max, publishers_max };
        #[expect(clippy::disallowed_methods, reason = "any point in time will do as the start")]
        let now = Instant::now();
        Self { sequencer: Sequencer::new(limits), now, out: Vec::new() }
    }

    fn two_roads() -> Self {
        Self::new(PATIENCE, 1000, 100)
    }

    fn accept(&mut self, publisher: char, number: u64) {
        let id = PublicationId { publisher: publisher.to_string().into(), number };
        self.sequencer.accept(&id, (publisher, number), self.now, &mut self.out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sequencer.handle_timeout(self.now, &mut self.out);
        assert!(self.sequencer.poll_timeout().is_none_or(|next| next > self.now), "a deadline that passed");
    }

    /// What went on since the last call, and how much was counted: duplicates and missed.
    fn came(&mut self) -> (String, [u64; 2]) {
        let text = self.out.drain(..).map(|(publisher, number)| format!("{publisher}{number} ")).collect();
        let SequencerCounts { duplicates, missed } = self.sequencer.counts();
        (text, [duplicates, missed])
    }

    fn expect(&mut self, text: &str, counts: [u64; 2]) {
        assert_eq!(self.came(), (text.to_owned(), counts));
    }
}

#[test]
fn of_two_roads_each_message_comes_once() {
    let mut bench = Bench::two_roads();
    for number in [1, 2, 1, 3, 2, 3, 4, 4] {
        bench.accept('a', number);
    }
    bench.expect("a1 a2 a3 a4 ", [4, 0]);
    assert_eq!(bench.sequencer.poll_timeout(), None);
}

#[test]
fn what_overtakes_waits_for_what_it_follows() {
    let mut bench = Bench::two_roads();
    for number in [1, 3, 5, 4] {
        bench.accept('a', number);
    }
    bench.expect("a1 ", [0, 0]);
    bench.pass(PATIENCE / 2);
    bench.accept('a', 2);
    bench.expect("a2 a3 a4 a5 ", [0, 0]);
    bench.accept('a', 4);
    bench.pass(PATIENCE);
    bench.expect("", [1, 0]);
}

#[test]
fn what_never_comes_is_counted_and_holds_the_rest_no_longer_than_allowed() {
    let mut bench = Bench::two_roads();
    for number in [1, 4, 5, 8] {
        bench.accept('a', number);
    }
    bench.accept('b', 7);
    bench.expect("a1 b7 ", [0, 0]);
    bench.pass(PATIENCE - Duration::from_millis(1));
    bench.expect("", [0, 0]);
    bench.pass(Duration::from_millis(1));
    bench.expect("a4 a5 ", [0, 2]);
    bench.pass(PATIENCE);
    bench.expect("a8 ", [0, 4]);
    bench.accept('a', 3);
    bench.expect("", [1, 4]);
    assert_eq!(bench.sequencer.poll_timeout(), None);
}

#[test]
fn a_second_gap_waits_no_longer_than_the_first() {
    let mut bench = Bench::two_roads();
    for number in [1, 3, 2] {
        bench.accept('a', number);
    }
    bench.pass(PATIENCE / 4);
    bench.accept('a', 5);
    bench.pass(PATIENCE / 4);
    bench.accept('b', 1);
    bench.accept('b', 3);
    bench.expect("a1 a2 a3 b1 ", [0, 0]);
    bench.pass(PATIENCE / 2);
    bench.pass(PATIENCE / 4);
    bench.expect("a5 ", [0, 1]);
    bench.pass(PATIENCE / 4);
    bench.expect("b3 ", [0, 2]);
}

#[test]
fn no_jump_overflows() {
    let mut bench = Bench::two_roads();
    for publisher in ['a', 'b', 'c'] {
        bench.accept(publisher, 0);
        bench.accept(publisher, u64::MAX / 2);
    }
    bench.pass(PATIENCE);
    assert_eq!(bench.sequencer.counts().missed, u64::MAX);
}

#[test]
fn what_is_held_is_bounded() {
    let mut bench = Bench::new(PATIENCE, 30, 100);
    for number in [1, 3, 4, 5] {
        bench.accept('a', number);
    }
    bench.expect("a1 ", [0, 0]);
    bench.accept('a', 6);
    bench.expect("a3 a4 a5 a6 ", [0, 1]);
    assert_eq!(bench.sequencer.held_bytes, 0);
}

#[test]
fn publishers_heard_long_ago_are_forgotten() {
    let mut bench = Bench::new(PATIENCE, 1000, 2);
    bench.accept('a', 1);
    bench.accept('a', 3);
    bench.accept('b', 1);
    bench.accept('c', 1);
    bench.expect("a1 b1 c1 ", [0, 1]);
    assert_eq!(bench.sequencer.held_bytes, 0);
    bench.pass(PATIENCE);
    bench.accept('b', 1);
    bench.expect("", [1, 1]);
}

proptest! {
    /// Two roads, each in order, each with losses, merged in any way: what one of them brings comes once and in order.
    #[test]
    fn nothing_that_one_road_brings_is_lost(
        losses in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..60),
        turns in proptest::collection::vec(any::<bool>(), 0..200),
    ) {
        let mut bench = Bench::two_roads();
        bench.accept('a', 0);
        let road = |lost: &dyn Fn(&(bool, bool)) -> bool| -> VecDeque<u64> {
            (1..).zip(&losses).filter(|(_, loss)| !lost(loss)).map(|(number, _)| number).collect()
        };
        let mut roads = [road(&|loss| loss.0), road(&|loss| loss.1)];
        // All of it arrives before anything is given up.
        for turn in turns.into_iter().chain(std::iter::repeat_n(true, 60)).chain(std::iter::repeat_n(false, 60)) {
            if let Some(number) = roads[usize::from(turn)].pop_front() {
                bench.accept('a', number);
            }
        }
        while bench.sequencer.poll_timeout().is_some() {
            bench.pass(PATIENCE);
        }
        let expected: Vec<u64> =
            (0..).zip(std::iter::once(&(false, false)).chain(&losses)).filter(|(_, loss)| !(loss.0 && loss.1)).map(|(number, _)| number).collect();
        let came: Vec<u64> = bench.out.iter().map(|(_, number)| *number).collect();
        prop_assert_eq!(came, expected);
        prop_assert_eq!(bench.sequencer.held_bytes, 0);
    }
}
