//! The shell around the machine, with tokio's clock paused: time passes when everyone waits.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use pushnote_sockjs_proto::session::CloseCause;

use super::*;

const POLLING: usize = 1;
const STREAMING: usize = 4096;

fn session() -> Arc<HttpSession> {
    let settings = Settings {
        heartbeat_delay: Duration::from_secs(25),
        disconnect_delay: Duration::from_secs(5),
        receiver_age_max: Duration::from_secs(120),
        queue_bytes_max: 1024,
        outbox_bytes_max: 2048,
    };
    Arc::new(HttpSession::new(Transport::XhrStreaming, Arc::new(settings)))
}

/// The session's clock, as the registry runs it. Ends with the reason of the session's end and when it was forgotten.
async fn run_clock(session: Arc<HttpSession>) -> (CloseReason, Duration) {
    let start = Instant::now();
    let mut reasons = Vec::new();
    while !session.is_gone() {
        match session.tick().await {
            Some(News::Ended(reason)) => reasons.push(reason),
            Some(News::Room) => panic!("nothing was refused"),
            None => {}
        }
    }
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    (reasons.remove(0), start.elapsed())
}

/// The receiver's next chunk, waited for as a response body does; `None` at its end.
async fn next(session: &HttpSession, id: ReceiverId) -> Option<Bytes> {
    poll_fn(|cx| match session.poll_transmit(id, &Framing::Xhr, cx.waker()) {
        Transmit::Chunk(chunk) => Poll::Ready(Some(chunk.payload())),
        Transmit::End => Poll::Ready(None),
        Transmit::Pending => Poll::Pending,
    })
    .await
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_on_time_to_a_receiver_that_waits() {
    let session = session();
    let clock = tokio::spawn(run_clock(Arc::clone(&session)));
    let id = session.attach(STREAMING).await.unwrap();
    assert_eq!(next(&session, id).await.unwrap(), "o\n");
    for beat in 1..=4 {
        let start = Instant::now();
        assert_eq!(next(&session, id).await.unwrap(), "h\n", "beat {beat}");
        assert_eq!(start.elapsed().as_secs(), 25);
    }
    assert_eq!(next(&session, id).await, None, "its age is over");
    let (reason, lived) = clock.await.unwrap();
    assert_eq!((reason.cause, lived.as_secs()), (CloseCause::TimedOut, 125));
}

#[tokio::test(start_paused = true)]
async fn the_clock_hears_of_nearer_deadlines() {
    let session = session();
    let clock = tokio::spawn(run_clock(Arc::clone(&session)));
    let id = session.attach(STREAMING).await.unwrap();
    assert_eq!(next(&session, id).await.unwrap(), "o\n");
    // It waits for the heartbeat at 25 s now. The break moves the session's end to 10 + 5 s.
    seconds(10).await;
    session.detach(id);
    let (reason, lived) = clock.await.unwrap();
    assert_eq!((reason.cause, lived.as_secs()), (CloseCause::Client, 15));
}

#[tokio::test(start_paused = true)]
async fn a_send_wakes_the_receiver_from_any_thread() {
    let session = session();
    let id = session.attach(POLLING).await.unwrap();
    assert_eq!(next(&session, id).await.unwrap(), "o\n");
    let id = session.attach(POLLING).await.unwrap();
    let waiting = tokio::spawn({
        let session = Arc::clone(&session);
        async move { next(&session, id).await }
    });
    tokio::task::yield_now().await;
    let sender = Arc::clone(&session);
    std::thread::spawn(move || sender.send(&Message::text("x")).unwrap()).join().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "a[\"x\"]\n");
}

#[tokio::test(start_paused = true)]
async fn a_second_receiver_waits_a_little_for_the_first_to_go() {
    let session = session();
    let first = session.attach(STREAMING).await.unwrap();
    assert_eq!(next(&session, first).await.unwrap(), "o\n");
    let start = Instant::now();
    assert_eq!(session.attach(STREAMING).await, Err(AttachError::Occupied));
    assert_eq!(start.elapsed().as_millis(), HANDOVER_PATIENCE.as_millis());

    let (second, ()) = tokio::join!(session.attach(STREAMING), async {
        tokio::time::sleep(HANDOVER_PATIENCE / 2).await;
        session.detach(first);
    });
    assert_eq!(next(&session, second.unwrap()).await.unwrap(), "c[1002,\"Connection interrupted\"]\n");
    assert_eq!(start.elapsed().as_millis(), (HANDOVER_PATIENCE * 3 / 2).as_millis());
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_at_once_and_remembered_for_the_delay() {
    let session = session();
    let clock = tokio::spawn(run_clock(Arc::clone(&session)));
    seconds(1).await;
    session.close(Close::new(3000, "Go away!"));
    for _ in 0..3 {
        let id = session.attach(STREAMING).await.unwrap();
        while next(&session, id).await.is_some() {}
        seconds(4).await;
    }
    assert!(!session.is_gone());
    let (reason, lived) = clock.await.unwrap();
    assert_eq!((reason.close.code, lived.as_secs()), (3000, 1 + 8 + 5));
}
