use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PLENTY: usize = 1 << 30;

fn topics() -> Topics {
    Topics::new(PLENTY, PLENTY)
}

fn matching(topics: &mut Topics, topic: &[u8]) -> Vec<PeerId> {
    let mut found = Vec::new();
    topics.matching(topic, |peer| found.push(peer));
    found.sort_unstable();
    found
}

/// Nodes that `act` visits and bytes that it copies.
fn work(topics: &mut Topics, act: impl FnOnce(&mut Topics)) -> usize {
    topics.trie.work.set(0);
    act(topics);
    topics.trie.work.get()
}

#[test]
fn each_peer_has_a_set_of_prefixes() {
    let mut topics = topics();
    topics.subscribe(1, b"a").unwrap();
    topics.subscribe(2, b"a").unwrap();
    topics.subscribe(2, b"a").unwrap();
    assert_eq!(matching(&mut topics, b"abc"), [1, 2]);
    topics.cancel(2, b"a");
    assert_eq!(matching(&mut topics, b"abc"), [1]);
    topics.cancel(2, b"a");
    topics.cancel(7, b"never");
    assert_eq!(matching(&mut topics, b"abc"), [1]);
    assert!(matching(&mut topics, b"").is_empty());
}

#[test]
fn the_empty_prefix_wants_all() {
    let mut topics = topics();
    topics.subscribe(1, b"").unwrap();
    topics.subscribe(2, b"x").unwrap();
    assert_eq!(topics.all(), [1]);
    assert!(topics.any_prefix() && topics.wants_all(1) && !topics.wants_all(2));
    assert!(topics.wants(1, b"") && topics.wants(2, b"xy") && !topics.wants(2, b"yx"));
    topics.remove(2);
    assert!(!topics.any_prefix());
    topics.remove(1);
    assert!(topics.all().is_empty() && topics.peers() == 0 && topics.holders.is_empty());
}

#[test]
fn a_peers_share_is_bounded_and_given_back() {
    let max = 2 * (SUBSCRIPTION_BYTES + 1);
    let mut topics = Topics::new(max, PLENTY);
    topics.subscribe(1, b"a").unwrap();
    topics.subscribe(1, b"b").unwrap();
    assert_eq!(topics.subscribe(1, b"c"), Err(TooMany::OfPeer(max)));
    topics.subscribe(1, b"").unwrap();
    topics.subscribe(2, b"c").unwrap();
    topics.cancel(1, b"a");
    topics.subscribe(1, b"c").unwrap();
}

#[test]
fn what_all_take_is_bounded_and_given_back() {
    let max = 1 << 20;
    let mut topics = Topics::new(PLENTY, max);
    // The same prefixes of many, and prefixes of their own: neither gets further than the bound.
    for own in [false, true] {
        let mut taken = 0_u64;
        let refused = (0_u32..).find_map(|number| {
            let (peer, prefix) = if own { (0, number) } else { (u64::from(number / 100), number % 100) };
            taken += 1;
            topics.subscribe(peer, &prefix.to_be_bytes()).err()
        });
        assert_eq!(refused, Some(TooMany::OfAll(max)));
        assert!(topics.bytes() <= max && taken > 3000, "{taken} make {}", topics.bytes());
        // Whoever wants everything is still served.
        topics.subscribe(u64::MAX, b"").unwrap();
        (0..=taken / 100).for_each(|peer| topics.remove(peer));
        assert!(!topics.any_prefix() && topics.held == 0);
    }
}

#[test]
fn a_message_costs_its_way_however_many_prefixes_there_are() {
    let mut topics = topics();
    for length in 1..1384 {
        topics.subscribe(1, &vec![b'x'; length]).unwrap();
    }
    for number in 0..10_000_u32 {
        topics.subscribe(2, format!("other {number}").as_bytes()).unwrap();
    }
    let long = vec![b'y'; 10_000];
    assert!(work(&mut topics, |topics| assert!(matching(topics, &long).is_empty())) <= 1);
    let way = work(&mut topics, |topics| assert_eq!(matching(topics, b"other 1234"), [2]));
    assert!(way <= 12, "{way}");
    let way = work(&mut topics, |topics| assert_eq!(matching(topics, b"xxxx"), [1]));
    assert!(way <= 5, "{way}");
}

#[test]
fn leaving_costs_what_leaves_however_many_stay() {
    let left = |peers: u64| {
        let mut topics = topics();
        for peer in 0..peers {
            (0..100_u32).for_each(|prefix| topics.subscribe(peer, &prefix.to_be_bytes()).unwrap());
        }
        let one = work(&mut topics, |topics| topics.remove(0));
        let all = work(&mut topics, |topics| (0..peers).for_each(|peer| topics.remove(peer)));
        assert!(topics.trie.is_empty());
        (one, all)
    };
    let ((few_one, few_all), (many_one, many_all)) = (left(10), left(300));
    assert_eq!(few_one, many_one);
    // Nodes go once, with the last that held them.
    assert_eq!(few_all, many_all);
}

#[test]
fn a_long_prefix_of_another_makes_nobodys_work_long() {
    let mut topics = topics();
    let long = vec![b'x'; 1 << 20];
    topics.subscribe(1, &long).unwrap();
    let nodes = topics.trie.nodes();
    for length in [1, 2, 63, 64, 65, 100] {
        let work = work(&mut topics, |topics| {
            topics.subscribe(2, &long[..length]).unwrap();
            topics.cancel(2, &long[..length]);
        });
        assert!(work < 600, "{length} bytes: {work}");
    }
    assert!(topics.trie.nodes() <= nodes + 2);
    topics.cancel(1, &long);
    assert!(topics.trie.is_empty());
}

/// The same by a list.
#[derive(Default)]
struct Model(BTreeMap<PeerId, BTreeSet<Vec<u8>>>);

impl Model {
    fn wants(&self, peer: PeerId, topic: &[u8]) -> bool {
        self.0.get(&peer).is_some_and(|own| own.iter().any(|prefix| topic.starts_with(prefix)))
    }

    fn matching(&self, topic: &[u8]) -> Vec<PeerId> {
        let matches = |prefix: &Vec<u8>| !prefix.is_empty() && topic.starts_with(prefix);
        self.0.iter().filter(|(_, own)| own.iter().any(matches)).map(|(peer, _)| *peer).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(PeerId, Vec<u8>),
    Cancel(PeerId, Vec<u8>),
    Remove(PeerId),
}

/// Few letters, so that prefixes meet; runs of them longer than an edge.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let run = (prop_oneof![Just(b'a'), Just(b'b')], prop_oneof![1..3_usize, 60..70_usize]);
    let runs = proptest::collection::vec(run, 0..4);
    runs.prop_map(|runs| runs.into_iter().flat_map(|(letter, times)| vec![letter; times]).collect())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u64, text()).prop_map(|(peer, prefix)| Step::Subscribe(peer, prefix)),
        5 => (0..4_u64, text()).prop_map(|(peer, prefix)| Step::Cancel(peer, prefix)),
        1 => (0..4_u64).prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn it_is_what_a_list_would_be(
        steps in proptest::collection::vec(step(), 1..200),
        asked in proptest::collection::vec(text(), 1..20),
    ) {
        let (mut topics, mut model) = (topics(), Model::default());
        for step in steps {
            match &step {
                Step::Subscribe(peer, prefix) => {
                    topics.subscribe(*peer, prefix).unwrap();
                    model.0.entry(*peer).or_default().insert(prefix.clone());
                }
                Step::Cancel(peer, prefix) => {
                    topics.cancel(*peer, prefix);
                    model.0.entry(*peer).or_default().remove(prefix);
                }
                Step::Remove(peer) => {
                    topics.remove(*peer);
                    model.0.remove(peer);
                }
            }
            model.0.retain(|_, own| !own.is_empty());
            prop_assert_eq!(topics.peers(), model.0.len());
            let prefixes: BTreeSet<_> = model.0.values().flatten().filter(|prefix| !prefix.is_empty()).collect();
            // An end and a fork for each prefix, and what long edges need.
            let bytes: usize = prefixes.iter().map(|prefix| prefix.len()).sum();
            prop_assert!(topics.trie.nodes() <= 1 + 2 * prefixes.len() + bytes / 32);
            prop_assert_eq!(topics.any_prefix(), !prefixes.is_empty());
        }
        for topic in asked {
            prop_assert_eq!(matching(&mut topics, &topic), model.matching(&topic));
            for peer in 0..4 {
                prop_assert_eq!(topics.wants(peer, &topic), model.wants(peer, &topic));
            }
        }
        (0..4).for_each(|peer| topics.remove(peer));
        prop_assert!(topics.trie.is_empty() && topics.holders.is_empty() && topics.held == 0);
    }
}
