use pushnote_core::Audience;
use pushnote_store::rusqlite::Connection;

use super::*;

const BOUNDS: Bounds = Bounds { age_max_ms: 1000, users_max: 100 };

/// What was sent at this time to these users, to be pushed after a second.
fn sent(id: &str, at_ms: u64, users: &[&str]) -> Sent {
    let push = Push { id: Some(id.into()), after_s: 1, ..Push::new("Hi") };
    let audience = Audience::users(users.iter().map(|user| user.parse().unwrap()));
    let publication = Publication::new(bytes::Bytes::from_static(b"1"), None, audience).with_push(Some(push));
    Sent::of(&publication, at_ms).unwrap()
}

fn names(users: &[&str]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}

/// Works in a transaction of a database of its own.
fn with(work: impl FnOnce(&Transaction<'_>) -> Result<()>) {
    let mut connection = Connection::open_in_memory().unwrap();
    let tx = connection.transaction().unwrap();
    assert_eq!(open(&tx).unwrap(), 0);
    work(&tx).unwrap();
}

#[test]
fn a_message_is_added_once_and_its_pushes_are_queued_once() {
    with(|tx| {
        let added = add(tx, &[sent("a", 5, &["1", "2"]), sent("b", 6, &["1"])])?;
        assert_eq!(added, Added { users: 3, known: 0 });
        assert_eq!(add(tx, &[sent("a", 7, &["3"])])?, Added { users: 0, known: 1 });
        assert_eq!(open(tx)?, 3, "the tables are there");
        advance(tx, "a", &names(&["2"]), State::Acknowledged, 6)?;
        let queue = to_queue(tx)?;
        let seen: Vec<_> = queue.iter().map(|one| (&*one.id, one.due_ms, one.users.len())).collect();
        assert_eq!(seen, [("a", 1005, 1), ("b", 1006, 1)]);
        assert_eq!((queue[0].push.title.as_ref(), &queue[0].users), ("Hi", &names(&["1"])));
        queued(tx, "a", &[])?;
        assert_eq!(to_queue(tx)?.len(), 1);
        Ok(())
    });
}

#[test]
fn a_state_only_goes_on() {
    with(|tx| {
        add(tx, &[sent("a", 5, &["1"])])?;
        let one = names(&["1", "other"]);
        let advanced = |state, now| advance(tx, "a", &one, state, now);
        let from = |before| vec![Advanced { user: "1".to_owned(), before }];
        assert_eq!(advanced(State::Failed, 6)?, from(State::Accepted));
        assert_eq!(advanced(State::Pushed, 7)?, from(State::Failed), "another device");
        assert_eq!(advanced(State::Failed, 8)?, []);
        assert_eq!(advanced(State::Shown, 9)?, from(State::Pushed));
        assert_eq!(acknowledged(tx, "a", &one)?, names(&[]));
        assert_eq!(advanced(State::Acknowledged, 10)?, from(State::Shown));
        assert_eq!(advanced(State::Acknowledged, 11)?, []);
        assert_eq!(acknowledged(tx, "a", &one)?, names(&["1"]));
        assert_eq!(advance(tx, "unknown", &one, State::Pushed, 12)?, []);
        let users = vec![("1".to_owned(), State::Acknowledged, 10)];
        assert_eq!(standing(tx, "a")?, Some(Standing { at_ms: 5, users }));
        assert_eq!(standing(tx, "b")?, None);
        assert_eq!(push_of(tx, "a")?.unwrap().title.as_ref(), "Hi");
        Ok(())
    });
}

#[test]
fn who_has_no_device_fails_when_the_time_has_come() {
    with(|tx| {
        add(tx, &[sent("a", 0, &["1", "2", "3", "4"])])?;
        advance(tx, "a", &names(&["4"]), State::Delivered, 1)?;
        assert_eq!(fail_without_device(tx, 2000)?, None, "it is not queued yet");
        queued(tx, "a", &names(&["1", "2", "4"]))?;
        advance(tx, "a", &names(&["2"]), State::Acknowledged, 500)?;
        assert_eq!(fail_without_device(tx, 999)?, None);
        let failed = vec![Advanced { user: "1".to_owned(), before: State::Accepted }];
        assert_eq!(fail_without_device(tx, 1000)?, Some(("a".to_owned(), failed)), "a page has got 4's");
        assert_eq!(fail_without_device(tx, 2000)?, None);
        Ok(())
    });
}

#[test]
fn what_is_too_old_or_too_much_is_forgotten() {
    with(|tx| {
        add(tx, &[sent("a", 0, &["1", "2"]), sent("b", 500, &["1"])])?;
        assert_eq!(forget(tx, 3, BOUNDS, 999)?, None);
        assert_eq!(forget(tx, 3, BOUNDS, 1000)?, Some(2));
        assert_eq!((standing(tx, "a")?, forget(tx, 1, BOUNDS, 1000)?), (None, None));
        assert_eq!(forget(tx, 1, Bounds { users_max: 0, ..BOUNDS }, 1000)?, Some(1));
        assert_eq!(forget(tx, 0, BOUNDS, 5000)?, None, "nothing is left");
        Ok(())
    });
}

#[test]
fn what_is_awaited_is_known_in_the_next_run() {
    with(|tx| {
        add(tx, &[sent("a", 0, &["1", "2"]), sent("b", 1, &["1"]), sent("c", 2, &["1", "2"])])?;
        advance(tx, "a", &names(&["1"]), State::Acknowledged, 3)?;
        advance(tx, "b", &names(&["1"]), State::Pushed, 3)?;
        let seen = |max| -> Result<Vec<(String, usize)>> {
            Ok(awaited(tx, max)?.into_iter().map(|(id, users)| (id, users.len())).collect())
        };
        let all = [("a", 1), ("b", 1), ("c", 2)].map(|(id, users)| (id.to_owned(), users));
        assert_eq!(seen(10)?, all);
        assert_eq!(seen(3)?, all[1..], "the newest");
        Ok(())
    });
}
