use std::time::Duration;

use proptest::prelude::*;
use pushnote_hub::Content;
use tokio::time::{sleep, timeout};

use super::*;

fn name(text: &str) -> ChannelName {
    ChannelName::new(text).unwrap()
}

fn user(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

/// A connection enters `news` as these users.
fn enters(presence: &Presence, id: ReceiverId, users: &[&str]) {
    presence.enter(id, &name("news"), users.iter().map(|text| user(text)), None);
}

/// One that hears who comes and goes; it has no user.
fn witness(presence: &Presence) {
    enters(presence, 0, &[]);
    assert!(presence.hears(0, &name("news"), Some(true)));
}

fn who(presence: &Presence) -> (Vec<String>, usize) {
    let Who { count, users, anonymous } = presence.who(&name("news"));
    assert_eq!(count, users.len());
    (users.iter().map(ToString::to_string).collect(), anonymous)
}

/// What is told next, within a time: `+42` for a join, `-42` for a leave.
async fn told_within(presence: &Presence, time: Duration) -> Option<String> {
    let change = timeout(time, presence.next_change()).await.ok()?;
    assert!(change.data().is_none());
    match change.content() {
        Content::Joined(channel, user) if *channel == name("news") => Some(format!("+{user}")),
        Content::Left(channel, user) if *channel == name("news") => Some(format!("-{user}")),
        other => panic!("{other:?}"),
    }
}

async fn told(presence: &Presence) -> Option<String> {
    told_within(presence, Duration::from_secs(60)).await
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_no_leave_and_no_join() {
    let presence = Presence::default();
    witness(&presence);
    enters(&presence, 1, &["42"]);
    assert_eq!(told(&presence).await.unwrap(), "+42");
    for round in 1..5 {
        presence.gone(round);
        sleep(Duration::from_millis(4900)).await;
        assert_eq!(who(&presence), (vec!["42".to_owned()], 1), "it has not left");
        enters(&presence, round + 1, &["42"]);
    }
    assert_eq!(told(&presence).await, None);
    presence.gone(5);
    assert_eq!(told_within(&presence, Duration::from_millis(4990)).await, None);
    assert_eq!(told_within(&presence, Duration::from_millis(20)).await.unwrap(), "-42");
    assert_eq!(who(&presence), (vec![], 1));
    enters(&presence, 6, &["42"]);
    assert_eq!(told(&presence).await.unwrap(), "+42");
}

#[tokio::test(start_paused = true)]
async fn a_user_is_there_with_the_first_connection_and_leaves_with_the_last() {
    let presence = Presence::default();
    witness(&presence);
    for id in 1..4 {
        enters(&presence, id, &["42"]);
        enters(&presence, id, &["42"]);
    }
    assert_eq!(told(&presence).await.unwrap(), "+42");
    presence.gone(1);
    presence.gone(1);
    assert!(!presence.left(2, &name("news")), "it did not hear who comes and goes");
    assert!(!presence.left(2, &name("news")));
    assert_eq!(told(&presence).await, None);
    presence.gone(3);
    assert_eq!(told(&presence).await.unwrap(), "-42");
}

#[tokio::test(start_paused = true)]
async fn who_names_itself_later_was_anonymous() {
    let presence = Presence::default();
    witness(&presence);
    enters(&presence, 1, &[]);
    assert_eq!(who(&presence), (vec![], 2));
    assert_eq!(told(&presence).await, None);
    for id in ["42", "42", "43"] {
        presence.named(1, &user(id));
    }
    presence.named(7, &user("nobody"));
    assert_eq!(who(&presence), (vec!["42".to_owned(), "43".to_owned()], 1));
    assert_eq!(told(&presence).await.unwrap(), "+42");
    assert_eq!(told(&presence).await.unwrap(), "+43");
    presence.gone(1);
    assert_eq!(told(&presence).await.unwrap(), "-42");
    assert_eq!(told(&presence).await.unwrap(), "-43");
    assert_eq!(who(&presence), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_for_the_channel_names_who_has_no_other_name() {
    let presence = Presence::default();
    presence.enter(1, &name("news"), std::iter::empty(), Some(user("42")));
    presence.enter(1, &name("news"), std::iter::empty(), Some(user("43")));
    presence.enter(2, &name("news"), std::iter::once(user("44")), Some(user("45")));
    assert_eq!(who(&presence), (vec!["42".to_owned(), "44".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_name_goes_with_what_it_was_shown_for() {
    let presence = Presence::default();
    witness(&presence);
    // Each token is also for another channel, where the name is the same.
    presence.enter(1, &name("other"), std::iter::empty(), Some(user("42")));
    enters(&presence, 1, &[]);
    enters(&presence, 2, &["43"]);
    assert_eq!(who(&presence), (vec!["42".to_owned(), "43".to_owned()], 1));
    presence.left(1, &name("other"));
    presence.unnamed(2, &user("44"));
    presence.unnamed(2, &user("43"));
    for told_next in ["+42", "+43", "-42", "-43"] {
        assert_eq!(told(&presence).await.unwrap(), told_next);
    }
    assert_eq!(who(&presence), (vec![], 3));

    // Who has subscribed as the user keeps the name, whatever becomes of the channel.
    presence.enter(3, &name("other"), std::iter::empty(), Some(user("45")));
    presence.named(3, &user("45"));
    enters(&presence, 3, &[]);
    presence.left(3, &name("other"));
    assert_eq!(told(&presence).await.unwrap(), "+45");
    assert_eq!(told(&presence).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_who_wants_to_know_costs_a_publication() {
    let presence = Presence::default();
    enters(&presence, 1, &["42"]);
    assert!(!presence.hears(2, &name("news"), Some(true)), "it is not there");
    enters(&presence, 2, &["43"]);
    presence.gone(1);
    assert_eq!(told(&presence).await, None);
    assert_eq!(who(&presence), (vec!["43".to_owned()], 0), "it has left all the same");
    assert!(presence.hears(2, &name("news"), Some(true)));
    assert!(presence.hears(2, &name("news"), Some(true)));
    assert!(presence.hears(2, &name("news"), None));
    enters(&presence, 1, &["42"]);
    assert_eq!(told(&presence).await.unwrap(), "+42");
    assert!(presence.hears(2, &name("news"), Some(false)));
    presence.gone(1);
    assert_eq!(told(&presence).await, None);
    assert!(presence.hears(2, &name("news"), Some(true)));
    assert!(presence.left(2, &name("news")), "it heard who comes and goes");
    enters(&presence, 1, &["42"]);
    assert_eq!(told(&presence).await, None);
}

#[tokio::test(start_paused = true)]
async fn all_who_come_and_go_together_cost_one_join_and_one_leave_in_that_time() {
    let presence = Presence::default();
    let mut told = Vec::new();
    for _ in 0..1000 {
        witness(&presence);
        enters(&presence, 1, &["42"]);
        told.extend(told_within(&presence, Duration::from_millis(9)).await);
        presence.gone(1);
        presence.gone(0);
        told.extend(told_within(&presence, Duration::from_millis(1)).await);
    }
    // Ten seconds have passed.
    assert_eq!(told, ["+42"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(told_within(&presence, Duration::from_secs(1)).await, None, "nobody is there to be told");
    assert!(presence.lock().channels.is_idle());
}

#[tokio::test(start_paused = true)]
async fn names_of_channels_take_no_memory_without_bound() {
    let presence = Presence::default();
    for number in 0..30_000 {
        let channel = name(&number.to_string());
        presence.enter(1, &channel, std::iter::once(user("42")), None);
        presence.left(1, &channel);
    }
    assert_eq!(presence.size(), (10_000, 10_000));
    presence.gone(1);
    assert_eq!(told(&presence).await, None);
    assert!(presence.lock().channels.is_idle());
}

#[tokio::test(start_paused = true)]
async fn of_a_large_channel_some_are_named_and_all_counted() {
    let presence = Presence::default();
    for id in 0..1000 {
        enters(&presence, id, &[&id.to_string()]);
    }
    let Who { count, users, anonymous } = presence.who(&name("news"));
    assert_eq!((count, users.len(), anonymous), (1000, 100, 0));
    assert_eq!(presence.size(), (1, 1000));
    (0..1000).for_each(|id| presence.gone(id));
    assert_eq!(told(&presence).await, None);
    assert_eq!(presence.size(), (0, 0), "where nobody is, nothing is kept");
    let state = presence.lock();
    assert!(state.connections.is_empty() && state.channels.is_idle());
}

#[derive(Debug, Clone)]
enum Act {
    Enter(ReceiverId, u8),
    Name(ReceiverId, u8),
    Unname(ReceiverId, u8),
    Leave(ReceiverId),
    End(ReceiverId),
    Hears(ReceiverId, bool),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let id = || 1..6_u64;
    prop_oneof![
        (id(), 0..4_u8).prop_map(|(id, user)| Act::Enter(id, user)),
        (id(), 1..4_u8).prop_map(|(id, user)| Act::Name(id, user)),
        (id(), 1..4_u8).prop_map(|(id, user)| Act::Unname(id, user)),
        id().prop_map(Act::Leave),
        id().prop_map(Act::End),
        (id(), any::<bool>()).prop_map(|(id, hears)| Act::Hears(id, hears)),
        (0..8_u64).prop_map(Act::Wait),
    ]
}

proptest! {
    /// Who asked at the start and heard all that was told since knows who is there.
    #[test]
    fn what_was_told_adds_up_to_who_is_there(acts in prop::collection::vec(act(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let presence = Presence::default();
            witness(&presence);
            let mut known = std::collections::BTreeSet::new();
            for act in acts {
                match act {
                    Act::Enter(id, 0) => enters(&presence, id, &[]),
                    Act::Enter(id, user) => enters(&presence, id, &[&user.to_string()]),
                    Act::Name(id, name) => presence.named(id, &user(&name.to_string())),
                    Act::Unname(id, name) => presence.unnamed(id, &user(&name.to_string())),
                    Act::Leave(id) => _ = presence.left(id, &name("news")),
                    Act::End(id) => presence.gone(id),
                    Act::Hears(id, hears) => _ = presence.hears(id, &name("news"), Some(hears)),
                    Act::Wait(seconds) => sleep(Duration::from_secs(seconds)).await,
                }
                while let Some(told) = told_within(&presence, Duration::from_nanos(1)).await {
                    let changed = match told.split_at(1) {
                        ("+", user) => known.insert(user.to_owned()),
                        (_, user) => known.remove(user),
                    };
                    assert!(changed, "{told} twice");
                }
                assert_eq!(who(&presence).0, known.iter().cloned().collect::<Vec<_>>());
            }
            (0..6).for_each(|id| presence.gone(id));
            assert_eq!(told(&presence).await, None);
            assert_eq!(presence.size(), (0, 0));
            assert!(presence.lock().channels.is_idle());
        });
    }
}
