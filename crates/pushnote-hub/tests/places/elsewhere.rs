//! Who comes from another server, or from none that is known.

use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{Cursor, Position, Subject};
use pushnote_hub::{Origin, Publication};

use crate::client::{Client, attach, channel, hub, publication, publish_at, settle};

#[tokio::test(start_paused = true)]
async fn who_claims_to_have_had_what_never_comes_is_told_of_a_gap() {
    let hub = hub(1, 100);
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    settle().await;
    let (log, sources) =
        (Position { epoch: 9, sequence: 0 }, [Position { epoch: 7, sequence: u64::MAX }].into());
    let client = Client::default();
    let attachment = attach(&hub, &client);
    attachment.resume(Some(Cursor { log, sources }), ());
    settle().await;
    publish_at(&hub, 1, 7, 1, &[(7, 2)]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    publish_at(&hub, 2, 7, 2, &[(7, 3)]).await;
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[false][..], &[1, 2][..]));
}

#[tokio::test]
async fn a_subscription_since_a_place_elsewhere_is_not_complete_before_the_log_is_filled() {
    let hub = hub(1, 100);
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    let client = Client::default();
    let mut attachment = attach(&hub, &client);
    let since = Cursor {
        log: Position { epoch: 9, sequence: 0 },
        sources: [Position { epoch: 7, sequence: 0 }].into(),
    };
    for filling in [true, false] {
        hub.is_filling(filling);
        attachment.subscribe_since(Subject::Everyone, Some(since.clone()), Some(())).unwrap();
        settle().await;
    }
    assert_eq!(client.seen.lock().unwrap().told, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn who_hears_nothing_for_long_is_at_a_place_that_another_server_knows() {
    let (here, there) = (hub(1, 10), hub(2, 10));
    let client = Client::default();
    let mut attachment = here.attach(client.clone());
    attachment.subscribe(channel(1)).unwrap();
    attachment.resume(None, ());
    settle().await;
    for number in 0..100 {
        for hub in [&here, &there] {
            let data = publication(number, [channel(2)]);
            let marks = [Position { epoch: 7, sequence: number + 1 }].into();
            let position = Some(Position { epoch: 7, sequence: number });
            hub.publish(data, Origin { position, marks, ..Origin::default() }).await.unwrap();
        }
        settle().await;
    }
    let resumed = async |cursor| {
        let back = client.elsewhere();
        let mut attachment = there.attach(back.clone());
        attachment.subscribe(channel(1)).unwrap();
        attachment.resume(cursor, ());
        settle().await;
        let seen = back.seen.lock().unwrap();
        (seen.told.clone(), seen.gaps)
    };
    let old = client.cursor();
    tokio::time::advance(Duration::from_secs(16)).await;
    settle().await;
    assert_eq!(resumed(client.cursor()).await, (vec![true], 0));
    assert_eq!(resumed(old).await, (vec![false], 0), "where it was before, that server knows no more");
    assert!(client.numbers().is_empty());
}

#[tokio::test]
async fn another_server_goes_on_where_this_one_was() {
    let (one, two) = (hub(1, 1000), hub(2, 1000));
    // Two forwarders, 7 and 8; the second server hears them in another order.
    let client = Client::default();
    let attachment = attach(&one, &client);
    attachment.resume(None, ());
    settle().await;
    for number in 0..10 {
        publish_at(&one, number, 7, number, &[(7, number + 1)]).await;
    }
    settle().await;
    assert_eq!(client.numbers(), (0..10).collect::<Vec<_>>());

    for (number, at) in [(5, 2), (6, 3), (0, 0), (1, 1), (11, 4)] {
        let offset = publish_at(&two, number, 8, at, &[(7, 0), (8, at + 1)]).await;
        // The other forwarder has brought the same.
        two.seen_again(offset, Position { epoch: 7, sequence: number });
    }
    for number in [2, 3, 4, 7, 8, 9, 10, 12] {
        publish_at(&two, number, 7, number, &[(7, number + 1), (8, 5)]).await;
    }
    settle().await;
    let again = Client::default();
    let mut attachment = two.attach(again.clone());
    attachment.subscribe(Subject::Everyone).unwrap();
    attachment.resume(client.cursor(), ());
    settle().await;
    let told = again.seen.lock().unwrap().told.clone();
    assert_eq!((&told[..], &again.numbers()[..]), (&[true][..], &[11, 10, 12][..]));
    // Wherever it goes from there, nothing comes again.
    for number in 10..13 {
        publish_at(&one, number, 7, number, &[(7, number + 1)]).await;
    }
    settle().await;
    for server in [&one, &two] {
        let third = Client::default();
        let attachment = attach(server, &third);
        attachment.resume(again.cursor(), ());
        settle().await;
        assert!(third.numbers().is_empty(), "{:?}", third.numbers());
    }
}

/// It was killed when it had passed something on to the one server, and not yet to the other one.
#[tokio::test(start_paused = true)]
async fn who_has_had_what_a_forwarder_brings_no_more_goes_on_by_the_other_one() {
    let hub = hub(1, 1000);
    for number in 0..5 {
        let offset = publish_at(&hub, number, 7, number, &[(7, number + 1), (8, number + 1)]).await;
        hub.seen_again(offset, Position { epoch: 8, sequence: number });
    }
    settle().await;
    let client = Client::default();
    let attachment = attach(&hub, &client);
    let log = Position { epoch: 9, sequence: 0 };
    let sources = [Position { epoch: 7, sequence: 8 }, Position { epoch: 8, sequence: 3 }].into();
    attachment.resume(Some(Cursor { log, sources }), ());
    settle().await;
    assert!(client.seen.lock().unwrap().told.is_empty(), "it may bring it yet");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.seen.lock().unwrap().told, [true]);
    // 7 it brings yet; 6 nobody knows to be had.
    publish_at(&hub, 6, 8, 6, &[(7, 5), (8, 7)]).await;
    publish_at(&hub, 7, 7, 7, &[(7, 8), (8, 7)]).await;
    publish_at(&hub, 8, 8, 8, &[(7, 8), (8, 9)]).await;
    settle().await;
    assert_eq!(client.numbers(), [6, 8]);
}

/// It has had them by 7, whose messages are not read yet; 8 brings them, too.
#[tokio::test(start_paused = true)]
async fn a_server_that_stood_still_reads_what_has_arrived_before_it_lets_a_page_go_on() {
    let hub = hub(1, 1000);
    let zero = publish_at(&hub, 0, 7, 0, &[(7, 1), (8, 0)]).await;
    hub.seen_again(zero, Position { epoch: 8, sequence: 0 });
    let client = Client::default();
    let attachment = attach(&hub, &client);
    let log = Position { epoch: 9, sequence: 0 };
    let sources = [Position { epoch: 7, sequence: 3 }, Position { epoch: 8, sequence: 1 }].into();
    attachment.resume(Some(Cursor { log, sources }), ());
    settle().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    let one = publish_at(&hub, 1, 8, 1, &[(7, 1), (8, 2)]).await;
    let two = publish_at(&hub, 2, 8, 2, &[(7, 1), (8, 3)]).await;
    settle().await;
    assert!(client.seen.lock().unwrap().told.is_empty());
    hub.seen_again(one, Position { epoch: 7, sequence: 1 });
    hub.seen_again(two, Position { epoch: 7, sequence: 2 });
    publish_at(&hub, 3, 7, 3, &[(7, 4), (8, 3)]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[true][..], &[3][..]));
}

/// The page has gone by way of a server that was started while a forwarder stood still, 7.
#[tokio::test(start_paused = true)]
async fn what_a_forwarder_alone_has_brought_that_another_server_does_not_hear_is_a_gap_and_not_repeated() {
    let hub = hub(1, 1000);
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    for number in 1..4 {
        let offset = publish_at(&hub, number, 8, number - 1, &[(7, number), (8, number)]).await;
        hub.seen_again(offset, Position { epoch: 7, sequence: number });
    }
    settle().await;
    let comes = async || {
        let client = Client::default();
        let attachment = attach(&hub, &client);
        let log = Position { epoch: 9, sequence: 0 };
        attachment.resume(Some(Cursor { log, sources: [Position { epoch: 8, sequence: 2 }].into() }), ());
        settle().await;
        let seen = client.seen.lock().unwrap();
        (seen.told.clone(), seen.numbers.clone())
    };
    assert_eq!(comes().await, (vec![true], vec![0, 3]), "the other one may bring it yet");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(comes().await, (vec![false], vec![3]));
}

#[tokio::test]
async fn what_forwarders_brought_that_are_no_more_is_not_repeated() {
    let hub = hub(1, 1000);
    // One after the other, each restarted: 7, then 8, then 9.
    for (number, epoch, at) in [(0, 7, 0), (1, 7, 1), (2, 8, 0), (3, 8, 1), (4, 9, 0), (5, 9, 1)] {
        publish_at(&hub, number, epoch, at, &[(epoch, at + 1)]).await;
    }
    settle().await;
    for (sources, numbers) in [
        // A server that was started later has never heard of those before.
        (&[(9, 1)][..], &[5][..]),
        (&[(9, 0)], &[4, 5]),
        (&[(9, 2)], &[]),
        // One that was stopped earlier, of those after.
        (&[(7, 1)], &[1, 2, 3, 4, 5]),
        (&[(8, 1), (7, 2)], &[3, 4, 5]),
    ] {
        let sources = sources.iter().map(|&(epoch, sequence)| Position { epoch, sequence }).collect();
        let client = Client::default();
        let attachment = attach(&hub, &client);
        let cursor = Cursor { log: Position { epoch: 2, sequence: 1 }, sources };
        attachment.resume(Some(cursor), ());
        settle().await;
        let seen = client.seen.lock().unwrap();
        assert_eq!((&seen.told[..], &seen.numbers[..]), (&[true][..], numbers));
    }
}

#[tokio::test]
async fn what_a_server_has_missed_itself_is_a_gap_also_to_who_comes_from_another() {
    let hub = hub(1, 1000);
    let cursor_at = |sequence| {
        let log = Position { epoch: 9, sequence: 0 };
        Some(Cursor { log, sources: [Position { epoch: 7, sequence }].into() })
    };
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    hub.publish(Publication::gap(), Origin::default()).await.unwrap();
    hub.source_begins(Position { epoch: 7, sequence: 5 });
    publish_at(&hub, 5, 7, 5, &[(7, 6)]).await;
    // It goes on without a gap after its link broke.
    hub.source_begins(Position { epoch: 7, sequence: 6 });
    publish_at(&hub, 6, 7, 6, &[(7, 7)]).await;
    settle().await;
    for (sequence, complete, numbers) in
        [(1, false, &[5, 6][..]), (3, false, &[5, 6]), (5, true, &[5, 6]), (6, true, &[6])]
    {
        let client = Client::default();
        let attachment = attach(&hub, &client);
        attachment.resume(cursor_at(sequence), ());
        settle().await;
        let seen = client.seen.lock().unwrap();
        assert_eq!((&seen.told[..], &seen.numbers[..]), (&[complete][..], numbers), "from {sequence} on");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_from_elsewhere_waits_for_what_is_held_here_and_not_for_what_came_to_nothing() {
    let hub = hub(1, 1000);
    let resumes_at = |sequence| {
        let client = Client::default();
        let attachment = attach(&hub, &client);
        let log = Position { epoch: 9, sequence: 0 };
        attachment.resume(Some(Cursor { log, sources: [Position { epoch: 7, sequence }].into() }), ());
        (client, attachment)
    };
    publish_at(&hub, 0, 7, 0, &[(7, 1)]).await;
    // 1 waits here for something before it, and 3 was for nobody.
    publish_at(&hub, 2, 7, 2, &[(7, 1)]).await;
    settle().await;
    let (client, _attachment) = resumes_at(4);
    settle().await;
    assert!(client.seen.lock().unwrap().told.is_empty());
    publish_at(&hub, 1, 7, 1, &[(7, 3)]).await;
    hub.sources_are_at([Position { epoch: 7, sequence: 4 }].into());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[true][..], &[][..]));
}

#[tokio::test]
async fn where_a_source_begins_may_be_said_later_and_brings_nothing_back() {
    let hub = hub(1, 10);
    let begins_at_the_start = || hub.source_begins(Position { epoch: 7, sequence: 0 });
    let is_complete = async |sequence| {
        let client = Client::default();
        let attachment = attach(&hub, &client);
        let sources = [Position { epoch: 7, sequence }].into();
        attachment.resume(Some(Cursor { log: Position { epoch: 9, sequence: 0 }, sources }), ());
        settle().await;
        let told = client.seen.lock().unwrap().told.clone();
        told == [true]
    };
    for sequence in 5..10 {
        publish_at(&hub, sequence, 7, sequence, &[(7, sequence + 1)]).await;
    }
    settle().await;
    // What is before those has come over another one.
    assert!(!is_complete(2).await);
    begins_at_the_start();
    assert!(is_complete(2).await);
    for sequence in 10..20 {
        publish_at(&hub, sequence, 7, sequence, &[(7, sequence + 1)]).await;
        settle().await;
    }
    begins_at_the_start();
    assert!(!is_complete(9).await && is_complete(10).await);
}

#[tokio::test]
async fn an_unknown_place_is_a_gap_and_what_comes_since_is_had() {
    let hub = hub(1, 1000);
    hub.publish(publication(0, [Subject::Everyone]), Origin::default()).await.unwrap();
    settle().await;
    let client = Client::default();
    let attachment = attach(&hub, &client);
    let nowhere = Cursor { log: Position { epoch: 99, sequence: 5 }, sources: Arc::default() };
    settle().await;
    attachment.resume(Some(nowhere), ());
    hub.publish(publication(1, [Subject::Everyone]), Origin::default()).await.unwrap();
    settle().await;
    let seen = client.seen.lock().unwrap();
    assert_eq!((&seen.told[..], &seen.numbers[..]), (&[false][..], &[1][..]));
}
