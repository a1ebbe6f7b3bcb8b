use proptest::prelude::*;

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::*;

const PATIENCE: Duration = Duration::from_millis(500);

impl Item for (char, u64) {
    fn bytes_len(&self) -> usize {
        10
    }

    /// Contents are a letter here.
    fn fingerprint(&self) -> u64 {
        self.0.into()
    }

    fn detach(&mut self) {}

    fn take_in(&mut self, duplicate: Self) {
        assert_eq!(*self, duplicate);
    }

    fn follows_missing(&mut self) {}
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
        let limits = SequencerLimits { patience, held_bytes_max, publishers_max, sources: 1 };
        #[expect(clippy::disallowed_methods, reason = "any point in time will do as the start")]
        let now = Instant::now();
        Self { sequencer: Sequencer::new(limits, true), now, out: Vec::new() }
    }

    fn two_roads() -> Self {
        let mut bench = Self::new(PATIENCE, 1000, 100);
        bench.sequencer.set_sources(2);
        bench
    }

    fn accept(&mut self, publisher: char, number: u64) {
        self.accept_named(&publisher.to_string(), publisher, number);
    }

    fn accept_named(&mut self, publisher: &str, contents: char, number: u64) {
        self.accept_over(None, publisher, contents, number);
    }

    fn accept_over(&mut self, source: Option<usize>, publisher: &str, contents: char, number: u64) {
        let id = PublicationId { publisher: publisher.into(), number };
        self.sequencer.accept(&id, source, (contents, number), self.now, &mut self.out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sequencer.handle_timeout(self.now, &mut self.out);
        assert!(self.sequencer.poll_timeout().is_none_or(|next| next > self.now), "a deadline that passed");
    }

    /// What went on since the last call, and how much was counted: duplicates and missed.
    fn came(&mut self) -> (String, [u64; 2]) {
        let text = self.out.drain(..).map(|(publisher, number)| format!("{publisher}{number} ")).collect();
        let SequencerCounts { duplicates, missed, .. } = self.sequencer.counts();
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
    for number in [0, 3, 5, 4] {
        bench.accept('a', number);
    }
    bench.expect("a0 ", [0, 0]);
    bench.pass(PATIENCE / 2);
    bench.accept('a', 2);
    bench.accept('a', 1);
    bench.expect("a1 a2 a3 a4 a5 ", [0, 0]);
    bench.accept('a', 4);
    bench.pass(PATIENCE);
    bench.expect("", [1, 0]);
}

#[test]
fn what_never_comes_is_counted_and_holds_the_rest_no_longer_than_allowed() {
    let mut bench = Bench::two_roads();
    for number in [0, 4, 5, 8] {
        bench.accept('a', number);
    }
    bench.accept('b', 0);
    bench.expect("a0 b0 ", [0, 0]);
    bench.pass(PATIENCE - Duration::from_millis(1));
    bench.expect("", [0, 0]);
    bench.pass(Duration::from_millis(1));
    bench.expect("a4 a5 a8 ", [0, 5]);
    // Late is better than never; and once is enough.
    bench.accept('a', 3);
    bench.accept('a', 3);
    bench.expect("a3 ", [1, 5]);
    assert_eq!(bench.sequencer.poll_timeout(), None);
}

#[test]
fn a_second_gap_waits_no_longer_than_the_first() {
    let mut bench = Bench::two_roads();
    for number in [0, 1, 3, 2] {
        bench.accept('a', number);
    }
    bench.pass(PATIENCE / 4);
    bench.accept('a', 5);
    bench.pass(PATIENCE / 4);
    bench.accept('b', 0);
    bench.accept('b', 2);
    bench.expect("a0 a1 a2 a3 b0 ", [0, 0]);
    bench.pass(PATIENCE / 2);
    bench.pass(PATIENCE / 4);
    bench.expect("a5 ", [0, 1]);
    bench.pass(PATIENCE / 4);
    bench.expect("b2 ", [0, 2]);
}

#[test]
fn no_message_waits_longer_for_many_holes_than_for_one() {
    let mut bench = Bench::two_roads();
    bench.accept('a', 0);
    for hole in 1..=20 {
        bench.accept('a', 10 * hole);
        bench.pass(PATIENCE / 100);
    }
    // Of a message that came later, but is before those that waited long enough.
    bench.accept('a', 5);
    bench.expect("a0 ", [0, 0]);
    bench.pass(PATIENCE * 80 / 100);
    bench.expect("a5 a10 ", [0, 8]);
    bench.pass(PATIENCE * 20 / 100);
    let (text, counts) = bench.came();
    assert_eq!((text.split_whitespace().count(), counts), (19, [0, 8 + 19 * 9]));
    assert_eq!(bench.sequencer.held_bytes, 0);
}

#[test]
fn of_an_unknown_name_the_source_that_has_more_is_waited_for() {
    let mut bench = Bench::two_roads();
    // One begins with 87, the other with 85.
    for number in [87, 85, 86] {
        bench.accept('a', number);
    }
    bench.expect("", [0, 0]);
    bench.accept('a', 87);
    bench.expect("a85 a86 a87 ", [1, 0]);
    for number in [88, 88, 89] {
        bench.accept('a', number);
    }
    bench.expect("a88 a89 ", [2, 0]);
    // The other begins with 0.
    for number in [87, 88, 0] {
        bench.accept('b', number);
    }
    bench.expect("b0 ", [2, 0]);
    for number in 1..=88 {
        bench.accept('b', number);
    }
    let (text, counts) = bench.came();
    assert_eq!((text.split_whitespace().count(), counts), (88, [4, 0]));
    assert_eq!((bench.sequencer.held_bytes, bench.sequencer.poll_timeout()), (0, None));
}

#[test]
fn it_is_not_waited_for_longer_than_allowed_nor_with_more_than_may_be_held() {
    let mut bench = Bench::two_roads();
    bench.accept('a', 87);
    bench.accept('b', 1);
    bench.pass(PATIENCE - Duration::from_millis(1));
    bench.expect("", [0, 0]);
    bench.pass(Duration::from_millis(1));
    bench.expect("a87 b1 ", [0, 0]);
    for number in 101..=201 {
        bench.accept('c', number);
    }
    let (text, counts) = bench.came();
    assert_eq!((text.split_whitespace().count(), counts), (101, [0, 0]));
    assert_eq!((bench.sequencer.held_bytes, bench.sequencer.poll_timeout()), (0, None));
}

#[test]
fn what_is_before_the_first_of_a_new_name_goes_on_once_however_late() {
    let mut bench = Bench::two_roads();
    bench.accept('a', 87);
    bench.pass(PATIENCE);
    for number in [50, 51, 50, 87, 88] {
        bench.accept('a', number);
    }
    bench.expect("a87 a50 a51 a88 ", [2, 0]);
    // An earlier run may have had it.
    bench.sequencer.close();
    bench.accept('a', 52);
    bench.expect("", [3, 0]);
}

#[test]
fn what_is_before_the_first_of_a_name_that_may_have_been_forgotten_does_not() {
    let mut bench = Bench::new(PATIENCE, 1000, 1); // remembers one
    for (publisher, number) in [('a', 7), ('b', 7), ('b', 6), ('a', 9), ('a', 8)] {
        bench.accept(publisher, number);
    }
    bench.expect("a7 b7 a9 ", [2, 0]);
}

#[test]
fn an_invented_number_stops_nobody() {
    let mut bench = Bench::two_roads();
    bench.accept('a', 7);
    for invented in [u64::MAX / 2, u64::MAX / 2 - 1, 1 << 40, (1 << 40) + 1, 60] {
        bench.accept_named("a", 'x', invented);
    }
    bench.pass(PATIENCE);
    bench.came();
    for number in 8..=100 {
        bench.accept('a', number);
        bench.pass(PATIENCE / 100);
    }
    let (text, counts) = bench.came();
    let expected: String = (8..=100).map(|number| format!("a{number} ")).collect();
    assert_eq!(text, expected);
    bench.accept('a', 100);
    bench.expect("", [counts[0] + 1, counts[1]]);
}

#[test]
fn a_name_that_counts_from_the_start_again_is_heard() {
    for start in 0..=1 {
        let mut bench = Bench::two_roads();
        for contents in ['a', 'b'] {
            for number in start..start + 200 {
                // Two connections, one behind the other.
                bench.accept_named("name", contents, number);
                if let Some(behind) = number.checked_sub(start + 10) {
                    bench.accept_named("name", contents, start + behind);
                }
            }
            let (text, counts) = bench.came();
            assert_eq!(text.matches(contents).count(), 200, "{text}");
            assert_eq!(counts[1], 0);
        }
        assert_eq!(bench.sequencer.counts(), SequencerCounts { duplicates: 380, missed: 0, new_runs: 1 });
    }
}

#[test]
fn the_same_messages_once_more_are_a_new_run_only_after_a_silence() {
    let mut bench = Bench::two_roads();
    for number in 1..=3 {
        bench.accept('a', number);
    }
    bench.pass(PATIENCE);
    bench.accept('a', 1);
    bench.expect("a1 a2 a3 ", [1, 0]);
    bench.pass(PATIENCE / 2);
    for number in 1..=3 {
        bench.accept('a', number);
    }
    bench.expect("a1 a2 a3 ", [1, 0]);
    // A connection that stood still brings what the other has brought long ago.
    bench.accept('b', 1);
    for number in 2..=10 {
        bench.accept('b', number);
        bench.pass(PATIENCE);
    }
    bench.accept('b', 11);
    bench.came();
    for number in 1..=11 {
        bench.accept('b', number);
    }
    bench.expect("", [12, 0]);
}

#[test]
fn under_a_name_that_was_drawn_the_same_is_never_new() {
    let mut bench = Bench::new(PATIENCE, 1000, 100);
    let accept = |bench: &mut Bench, contents, numbers: RangeInclusive<u64>| {
        numbers.for_each(|number| bench.accept_over(Some(0), "9f86d081884c7d65-a", contents, number));
        bench.pass(20 * PATIENCE);
        bench.came().0
    };
    assert_eq!(accept(&mut bench, 'a', 0..=1), "a0 a1 ");
    assert_eq!(accept(&mut bench, 'a', 0..=2), "a2 ");
    // Nothing is lost by who has it a second time nevertheless.
    assert_eq!(accept(&mut bench, 'b', 0..=2), "b0 b1 b2 ");
}

#[test]
fn a_source_that_is_far_behind_brings_nothing_new() {
    let mut bench = Bench::two_roads();
    let over = |bench: &mut Bench, source, contents, numbers: RangeInclusive<u64>| {
        numbers.for_each(|number| bench.accept_over(Some(source), "name", contents, number));
        bench.pass(2 * PATIENCE);
        bench.came().0
    };
    // Its application was restarted twice meanwhile, and began with the same once.
    for contents in ['a', 'b', 'b'] {
        let came = over(&mut bench, 0, contents, 0..=2);
        assert_eq!(came, format!("{contents}0 {contents}1 {contents}2 "));
    }
    for contents in ['a', 'b', 'b'] {
        assert_eq!(over(&mut bench, 1, contents, 0..=2), "");
    }
    assert_eq!(bench.sequencer.counts(), SequencerCounts { duplicates: 9, missed: 0, new_runs: 2 });
    // Both are at the same place again.
    assert_eq!(over(&mut bench, 1, 'b', 0..=2), "b0 b1 b2 ");
}

#[test]
fn where_a_name_begins_may_come_over_a_source_that_is_far_behind() {
    for known in [true, false] {
        let mut bench = Bench::two_roads();
        (5..=7).for_each(|number| bench.accept_over(Some(0), "name", 'a', number));
        bench.pass(PATIENCE);
        bench.expect("a5 a6 a7 ", [0, 0]);
        if !known {
            bench.sequencer.close();
        }
        bench.pass(PATIENCE);
        (0..=8).for_each(|number| bench.accept_over(Some(1), "name", 'a', number));
        bench.pass(PATIENCE);
        let came = if known { "a0 a1 a2 a3 a4 a8 " } else { "a8 " };
        assert_eq!(bench.came().0, came);
        assert_eq!(bench.sequencer.counts().new_runs, 0);
        // Who has brought more begins anew.
        bench.accept_over(Some(0), "name", 'b', 0);
        bench.expect("b0 ", [if known { 3 } else { 8 }, 0]);
    }
}

#[test]
fn two_of_one_name_are_both_heard() {
    let mut bench = Bench::two_roads();
    for number in 0..30 {
        bench.accept_named("name", 'a', number);
    }
    for number in 1..=100 {
        bench.accept_named("name", 'b', number);
        bench.accept_named("name", 'a', 29 + number);
        bench.accept_named("name", 'b', number);
    }
    let (text, counts) = bench.came();
    assert_eq!((text.matches('a').count(), text.matches('b').count(), counts), (130, 100, [100, 0]));
}

#[test]
fn no_jump_overflows() {
    let mut bench = Bench::two_roads();
    for publisher in ['a', 'b', 'c'] {
        bench.accept(publisher, 0);
        bench.accept(publisher, u64::MAX / 2);
    }
    bench.pass(PATIENCE);
    assert_eq!((bench.out.len(), bench.sequencer.counts().missed), (6, 0));
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
fn publishers_heard_long_ago_are_forgotten_but_not_what_they_hold() {
    let mut bench = Bench::new(PATIENCE, 1000, 2);
    bench.accept('a', 1);
    bench.accept('a', 3);
    bench.accept('b', 1);
    bench.accept('b', 2);
    bench.accept('c', 1);
    bench.expect("a1 b1 b2 a3 c1 ", [0, 1]);
    assert_eq!((bench.sequencer.held_bytes, bench.sequencer.poll_timeout()), (0, None));
    bench.accept('b', 2);
    bench.expect("", [1, 1]);
    bench.accept('a', 4);
    bench.accept('a', 5);
    bench.expect("a4 a5 ", [1, 1]);
}

#[test]
fn invented_names_do_not_displace_who_is_heard_on() {
    let mut bench = Bench::new(PATIENCE, 1000, 100);
    bench.accept('a', 0);
    for number in 1..=10 {
        bench.accept('a', number);
        for name in 0..99 {
            bench.accept_named(&format!("{number}-{name}"), 'x', 7);
        }
        bench.accept('a', number);
    }
    let (text, counts) = bench.came();
    assert_eq!((text.matches('a').count(), counts), (11, [10, 0]));
}

proptest! {
    /// Two connections, each in order, each with losses, merged in any way: what one of them brings comes once and in order.
    #[test]
    fn nothing_that_one_road_brings_is_lost(
        first in 0_u64..3,
        losses in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..60),
        turns in proptest::collection::vec(any::<bool>(), 0..200),
    ) {
        let mut bench = Bench::two_roads();
        let connection = |lost: &dyn Fn(&(bool, bool)) -> bool| -> VecDeque<u64> {
            (first..).zip(&losses).filter(|(_, loss)| !lost(loss)).map(|(number, _)| number).collect()
        };
        let mut connections = [connection(&|loss| loss.0), connection(&|loss| loss.1)];
        // All of it arrives before anything is given up.
        for turn in turns.into_iter().chain(std::iter::repeat_n(true, 60)).chain(std::iter::repeat_n(false, 60)) {
            if let Some(number) = connections[usize::from(turn)].pop_front() {
                bench.accept('a', number);
            }
        }
        while bench.sequencer.poll_timeout().is_some() {
            bench.pass(PATIENCE);
        }
        let came: Vec<u64> = bench.out.iter().map(|(_, number)| *number).collect();
        let expected: Vec<u64> =
            (first..).zip(&losses).filter(|(_, loss)| !(loss.0 && loss.1)).map(|(number, _)| number).collect();
        prop_assert_eq!(came, expected);
        prop_assert_eq!(bench.sequencer.held_bytes, 0);
    }
}
