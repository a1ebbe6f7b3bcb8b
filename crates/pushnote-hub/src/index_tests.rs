use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pushnote_core::{ChannelName, UserId};

use super::*;

fn user(name: &str) -> Subject {
    Subject::User(UserId::new(name).unwrap())
}

fn channel(name: &str) -> Subject {
    Subject::Channel(ChannelName::new(name).unwrap())
}

fn of(index: &Index<char>, subject: &Subject) -> Vec<Key> {
    let mut keys: Vec<_> = index.subscribed_to(subject).collect();
    keys.sort();
    keys
}

#[test]
fn finds_connections_by_what_they_have_subscribed_to() {
    let mut index = Index::new();
    let (a, b, c) = (index.insert('a'), index.insert('b'), index.insert('c'));
    assert!(index.subscribe(a, user("1"), 0));
    assert!(index.subscribe(b, user("1"), 0));
    assert!(index.subscribe(b, channel("1"), 0));
    assert!(index.subscribe(c, Subject::Everyone, 0));

    assert_eq!(of(&index, &user("1")), [a, b]);
    assert_eq!(of(&index, &channel("1")), [b]);
    assert_eq!(of(&index, &user("3")), []);
    assert_eq!(index.hearing_everyone().collect::<Vec<_>>(), [(c, &'c')]);
    assert!(index.hears_everyone(c) && !index.hears_everyone(a));
    assert_eq!(index.iter().collect::<Vec<_>>(), [(a, &'a'), (b, &'b'), (c, &'c')]);
}

#[test]
fn doing_it_twice_changes_nothing() {
    let mut index = Index::new();
    let a = index.insert('a');
    for subject in [user("1"), channel("1"), Subject::Everyone] {
        assert!(index.subscribe(a, subject.clone(), 0));
        assert!(!index.subscribe(a, subject.clone(), 0));
        assert!(index.unsubscribe(a, &subject));
        assert!(!index.unsubscribe(a, &subject));
    }
    assert_eq!(of(&index, &user("1")), []);
    assert_eq!(index.hearing_everyone().count(), 0);
}

#[test]
fn a_removed_connection_leaves_nothing_behind() {
    let mut index = Index::new();
    let (a, b) = (index.insert('a'), index.insert('b'));
    index.subscribe(a, user("1"), 0);
    index.subscribe(a, user("2"), 0);
    index.subscribe(b, user("1"), 0);

    assert_eq!(index.remove(a), Some('a'));
    assert_eq!(index.remove(a), None);
    assert_eq!(index.get(a), None);
    assert!(!index.subscribe(a, user("1"), 0) && !index.unsubscribe(a, &user("1")));
    assert_eq!(of(&index, &user("1")), [b]);
    assert_eq!(of(&index, &user("2")), []);
    index.remove(b);
    assert_eq!((index.iter().len(), index.by_subject.len()), (0, 0));
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Entry<()>>() <= 56, "{}", size_of::<Entry<()>>());
}

/// What an index does, said slowly.
#[derive(Default)]
struct Model {
    connections: BTreeMap<Key, (u32, BTreeSet<Subject>)>,
}

impl Model {
    fn subscribed_to(&self, subject: &Subject) -> BTreeSet<Key> {
        self.connections.iter().filter(|(_, (_, all))| all.contains(subject)).map(|(key, _)| *key).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert,
    /// Of the connections there are, the one at this position.
    Remove(prop::sample::Index),
    Subscribe(prop::sample::Index, Subject),
    Unsubscribe(prop::sample::Index, Subject),
}

/// Every subject that occurs.
fn subjects() -> Vec<Subject> {
    let names = ["0", "1", "2"];
    let named = names.into_iter().flat_map(|name| [user(name), channel(name)]);
    named.chain([Subject::Everyone]).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<prop::sample::Index>;
    let subject = || prop::sample::select(subjects());
    prop_oneof![
        2 => Just(Step::Insert),
        1 => at().prop_map(Step::Remove),
        4 => (at(), subject()).prop_map(|(at, subject)| Step::Subscribe(at, subject)),
        2 => (at(), subject()).prop_map(|(at, subject)| Step::Unsubscribe(at, subject)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(steps in prop::collection::vec(step(), 0..200)) {
        let mut index = Index::new();
        let mut model = Model::default();
        for (number, step) in (0..).zip(steps) {
            let keys: Vec<Key> = model.connections.keys().copied().collect();
            match step {
                Step::Insert => {
                    let key = index.insert(number);
                    prop_assert!(model.connections.insert(key, (number, BTreeSet::new())).is_none());
                }
                Step::Remove(at) if !keys.is_empty() => {
                    let key = *at.get(&keys);
                    let (value, _) = model.connections.remove(&key).unwrap();
                    prop_assert_eq!(index.remove(key), Some(value));
                }
                Step::Subscribe(at, subject) if !keys.is_empty() => {
                    let key = *at.get(&keys);
                    let new = model.connections.get_mut(&key).unwrap().1.insert(subject.clone());
                    prop_assert_eq!(index.subscribe(key, subject, 0), new);
                }
                Step::Unsubscribe(at, subject) if !keys.is_empty() => {
                    let key = *at.get(&keys);
                    let had = model.connections.get_mut(&key).unwrap().1.remove(&subject);
                    prop_assert_eq!(index.unsubscribe(key, &subject), had);
                }
                Step::Remove(_) | Step::Subscribe(..) | Step::Unsubscribe(..) => {}
            }
            prop_assert_eq!(index.iter().len(), model.connections.len());
            for (key, (value, all)) in &model.connections {
                prop_assert_eq!(index.get(*key), Some(value));
                prop_assert_eq!(index.hears_everyone(*key), all.contains(&Subject::Everyone));
            }
            let mut with_connections = 0;
            for subject in subjects() {
                let expected = model.subscribed_to(&subject);
                if subject == Subject::Everyone {
                    prop_assert_eq!(index.hearing_everyone().map(|(key, _)| key).collect::<BTreeSet<_>>(), expected);
                    continue;
                }
                with_connections += usize::from(!expected.is_empty());
                let found: Vec<Key> = index.subscribed_to(&subject).collect();
                prop_assert_eq!(found.len(), expected.len());
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
            prop_assert_eq!(index.by_subject.len(), with_connections);
        }
    }
}
