use std::time::Duration;

use super::*;
use crate::testing::job_for;

const FCM: &str = "https://fcm.googleapis.com";

/// Jobs of one message for so many subscriptions of a service.
fn jobs(origin: &str, count: usize) -> Vec<Job> {
    (0..count).map(|number| job_for(1, &format!("{origin}/{number}"), i64::MAX)).collect()
}

/// Of services that work.
fn queues(in_flight_max: usize, origins: &[(&str, usize)], now: Instant) -> Queues {
    let mut queues = Queues::new(in_flight_max);
    for &(origin, count) in origins {
        queues.discovered(origin.into(), now);
        queues.loaded(origin, jobs(origin, count), false);
        queues.works(origin, now);
    }
    queues
}

#[test]
fn each_service_has_so_many_at_once_and_one_to_each_subscription() {
    let now = Instant::now();
    let mut queues = queues(8, &[(FCM, 20), ("https://a.example", 3)], now);
    let started = queues.start(now);
    assert_eq!(started.iter().filter(|job| *job.origin == *FCM).count(), 8);
    assert_eq!((started.len(), queues.in_flight()), (11, 11));
    assert!(queues.start(now).is_empty());
    queues.settled(&started[0]);
    queues.settled(&started[0]);
    assert_eq!(queues.start(now).len(), usize::from(*started[0].origin == *FCM));
    // A second message for a subscription that has one under way.
    let mut queues = self::queues(8, &[("https://a.example", 1)], now);
    queues.loaded("https://a.example", vec![job_for(2, "https://a.example/0", i64::MAX)], false);
    let first = queues.start(now);
    assert_eq!(first.len(), 1);
    queues.settled(&first[0]);
    assert_eq!(queues.start(now)[0].key.message, 2);
}

#[test]
fn who_has_not_answered_yet_is_asked_one_by_one() {
    let now = Instant::now();
    let mut queues = Queues::new(8);
    queues.discovered(FCM.into(), now);
    queues.loaded(FCM, jobs(FCM, 20), false);
    let first = queues.start(now);
    assert_eq!((first.len(), queues.start(now).len()), (1, 0));
    queues.fails(FCM, now, 1.0);
    queues.settled(&first[0]);
    let second = queues.start(now);
    assert_eq!(second.len(), 1);
    queues.works(FCM, now);
    queues.settled(&second[0]);
    assert_eq!(queues.start(now).len(), 8);
}

#[test]
fn strangers_do_not_hold_up_the_great_ones() {
    let now = Instant::now();
    let names: Vec<_> = (0..20).map(|number| format!("https://{number}.example")).collect();
    let mut origins: Vec<_> = names.iter().map(|name| (name.as_str(), 32)).collect();
    origins.push((FCM, 32));
    let mut queues = queues(32, &origins, now);
    let started = queues.start(now);
    assert_eq!(started.iter().filter(|job| *job.origin == *FCM).count(), 32);
    assert_eq!(started.len(), 32 + STRANGERS_MAX);
    // And each of them has its turn.
    let served: HashSet<_> = started.iter().map(|job| job.origin.clone()).collect();
    assert_eq!(served.len(), 21);
}

#[test]
fn who_has_answered_is_not_held_up_by_those_who_never_do() {
    let now = Instant::now();
    let mut queues = queues(8, &[("https://z.example", 0)], now);
    queues.tidy(now);
    queues.look_again();
    for number in 0..200 {
        let origin = format!("https://{number}.example");
        queues.discovered(origin.as_str().into(), now);
        queues.loaded(&origin, jobs(&origin, 5), false);
    }
    queues.tidy(now);
    assert_eq!(queues.start(now).len(), UNPROVEN_MAX);
    queues.loaded("https://z.example", jobs("https://z.example", 20), false);
    assert_eq!(queues.start(now).len(), 8);
    // It is remembered, and so are no more than a number.
    let mut queues = Queues::new(8);
    for number in 0..2 * PROVEN_MAX {
        let origin = format!("https://{number}.example");
        queues.discovered(origin.as_str().into(), now);
        queues.loaded(&origin, Vec::new(), false);
        queues.works(&origin, now);
    }
    queues.tidy(now);
    assert_eq!(queues.origins().len(), PROVEN_MAX);
}

#[test]
fn a_service_that_wants_nothing_is_left_alone_and_takes_no_memory() {
    let now = Instant::now();
    let mut queues = queues(8, &[(FCM, 20), ("https://a.example", 3)], now);
    let started = queues.start(now);
    queues.pause(FCM, now + Duration::from_secs(60));
    started.iter().for_each(|job| queues.settled(job));
    assert_eq!(queues.waiting(), [("https://a.example", 0), (FCM, 0)]);
    assert!(queues.wanted(now).is_empty());
    assert_eq!(queues.next_end_of_pause(now), Some(now + Duration::from_secs(60)));
    queues.tidy(now);
    assert!(queues.origins().contains(FCM), "it is remembered");
    let later = now + Duration::from_secs(60);
    assert_eq!(queues.wanted(later)[0].count, WAITING_MAX);
    queues.loaded(FCM, jobs(FCM, 20), false);
    // One by one, until one is taken.
    let probe = queues.start(later);
    assert_eq!(probe.len(), 1);
    queues.works(FCM, later);
    queues.settled(&probe[0]);
    assert_eq!(queues.start(later).len(), 8);
}

#[test]
fn a_service_that_fails_is_left_alone_for_longer_and_longer() {
    let now = Instant::now();
    let mut queues = queues(8, &[(FCM, 20)], now);
    let fail = |queues: &mut Queues, now, times: u32| (0..times).find_map(|_| queues.fails(FCM, now, 1.0));
    assert_eq!(fail(&mut queues, now, FAILURES_MAX - 1), None);
    let first = queues.fails(FCM, now, 1.0).unwrap();
    assert_eq!(first - now, Duration::from_secs(8));
    assert_eq!(fail(&mut queues, now, 7), None, "those that were under way");
    let second = queues.fails(FCM, first, 1.0).unwrap();
    assert_eq!(second - first, Duration::from_secs(16));
    queues.works(FCM, second);
    assert_eq!(fail(&mut queues, second, FAILURES_MAX - 1), None);
}

#[test]
fn what_is_wanted_leaves_out_what_is_here() {
    let now = Instant::now();
    let mut queues = queues(8, &[(FCM, 20)], now);
    assert!(queues.wanted(now).is_empty(), "there are no more");
    queues.look_again();
    let started = queues.start(now);
    let wanted = queues.wanted(now);
    assert_eq!((wanted[0].count, wanted[0].except.len()), (WAITING_MAX - 12, 20));
    assert!(started.iter().all(|job| wanted[0].except.contains(&job.key)));
}

#[test]
fn what_is_cancelled_is_not_started() {
    let now = Instant::now();
    let mut queues = queues(1, &[(FCM, 3)], now);
    let under_way = queues.start(now);
    queues.cancel(&[Cancelled { message: 1, users: vec!["bob".to_owned()] }]);
    assert_eq!(queues.waiting(), [(FCM, 2)]);
    queues.cancel(&[Cancelled { message: 1, users: vec!["bob".to_owned(), "ann".to_owned()] }]);
    assert_eq!(queues.waiting(), [(FCM, 0)]);
    queues.settled(&under_way[0]);
    assert!(queues.start(now).is_empty());
}

#[test]
fn no_number_of_strangers_fills_the_memory_or_shuts_out_the_others() {
    let now = Instant::now();
    let mut queues = Queues::new(8);
    for number in 0..ORIGINS_MAX {
        queues.discovered(format!("https://{number}.example").into(), now);
    }
    queues.discovered("https://one-more.example".into(), now);
    queues.discovered(FCM.into(), now);
    assert_eq!(queues.origins().len(), ORIGINS_MAX + 1);
    assert!(queues.origins().contains(FCM));
    // Who wants nothing gives way to who does.
    queues.pause("https://7.example", now + Duration::from_secs(3600));
    queues.discovered("https://one-more.example".into(), now);
    assert!(queues.origins().contains("https://one-more.example"));
    assert!(!queues.origins().contains("https://7.example"));
}
