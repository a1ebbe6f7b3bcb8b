use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn of(index: &Index<char>, name: &str) -> Vec<Key> {
    let mut keys: Vec<_> = index.of_user(&user(name)).collect();
    keys.sort();
    keys
}

#[test]
fn finds_connections_by_user_and_users_by_connection() {
    let mut index = Index::new();
    let (a, b, c) = (index.insert('a'), index.insert('b'), index.insert('c'));
    assert!(index.subscribe(a, user("1")));
    assert!(index.subscribe(b, user("1")));
    assert!(index.subscribe(b, user("2")));

    assert_eq!(of(&index, "1"), [a, b]);
    assert_eq!(of(&index, "2"), [b]);
    assert_eq!(of(&index, "3"), []);
    assert_eq!(index.users_of(b).collect::<Vec<_>>(), [&user("1"), &user("2")]);
    assert_eq!(index.users_of(c).len(), 0);
    assert_eq!(index.iter().collect::<Vec<_>>(), [(a, &'a'), (b, &'b'), (c, &'c')]);
    assert_eq!((index.len(), index.users()), (3, 2));
}

#[test]
fn subscribing_twice_changes_nothing() {
    let mut index = Index::new();
    let a = index.insert('a');
    assert!(index.subscribe(a, user("1")));
    assert!(!index.subscribe(a, user("1")));
    assert_eq!(of(&index, "1"), [a]);
}

#[test]
fn a_removed_connection_leaves_nothing_behind() {
    let mut index = Index::new();
    let (a, b) = (index.insert('a'), index.insert('b'));
    index.subscribe(a, user("1"));
    index.subscribe(a, user("2"));
    index.subscribe(b, user("1"));

    assert_eq!(index.remove(a), Some('a'));
    assert_eq!(index.remove(a), None);
    assert_eq!(index.get(a), None);
    assert!(!index.subscribe(a, user("1")));
    assert_eq!(of(&index, "1"), [b]);
    assert_eq!(of(&index, "2"), []);
    assert_eq!((index.len(), index.users()), (1, 1));
    index.remove(b);
    assert!(index.is_empty());
    assert_eq!(index.users(), 0);
}

#[test]
fn values_can_be_changed() {
    let mut index = Index::default();
    let a = index.insert('a');
    *index.get_mut(a).unwrap() = 'b';
    assert_eq!(index.get(a), Some(&'b'));
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection<()>>() <= 32, "{}", size_of::<Connection<()>>());
}

/// What an index does, said slowly.
#[derive(Default)]
struct Model {
    connections: BTreeMap<Key, (u32, Vec<UserId>)>,
}

impl Model {
    fn of_user(&self, user: &UserId) -> BTreeSet<Key> {
        self.connections.iter().filter(|(_, (_, users))| users.contains(user)).map(|(key, _)| *key).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert,
    /// Of the connections there are, the one at this position.
    Remove(prop::sample::Index),
    Subscribe(prop::sample::Index, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Insert),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => (any::<prop::sample::Index>(), 0..6u8).prop_map(|(at, user)| Step::Subscribe(at, user)),
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
                    prop_assert!(model.connections.insert(key, (number, Vec::new())).is_none());
                }
                Step::Remove(at) if !keys.is_empty() => {
                    let key = *at.get(&keys);
                    let (value, _) = model.connections.remove(&key).unwrap();
                    prop_assert_eq!(index.remove(key), Some(value));
                }
                Step::Subscribe(at, name) if !keys.is_empty() => {
                    let key = *at.get(&keys);
                    let user = user(&name.to_string());
                    let users = &mut model.connections.get_mut(&key).unwrap().1;
                    let new = !users.contains(&user);
                    if new {
                        users.push(user.clone());
                    }
                    prop_assert_eq!(index.subscribe(key, user), new);
                }
                Step::Remove(_) | Step::Subscribe(..) => {}
            }
            prop_assert_eq!(index.len(), model.connections.len());
            for (key, (value, users)) in &model.connections {
                prop_assert_eq!(index.get(*key), Some(value));
                prop_assert!(index.users_of(*key).eq(users));
            }
            let mut users = 0;
            for name in 0..6u8 {
                let user = user(&name.to_string());
                let found: Vec<Key> = index.of_user(&user).collect();
                let expected = model.of_user(&user);
                users += usize::from(!expected.is_empty());
                prop_assert_eq!(found.len(), expected.len());
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
            prop_assert_eq!(index.users(), users);
        }
    }
}
