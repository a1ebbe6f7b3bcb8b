//! Questions and answers: DEALER and ROUTER.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_zmtp::{Endpoint, Options, QueueError, Requester, Responder};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn responder(endpoint: &str) -> (Responder, Endpoint) {
    let endpoint = endpoint.parse().unwrap();
    let bind = async {
        loop {
            let mut responder = Responder::new(Options::default());
            match responder.bind_also(&endpoint).await {
                Ok(()) => return responder,
                Err(_) => tokio::task::yield_now().await, // the one before is not gone yet
            }
        }
    };
    let responder = timeout(PATIENCE, bind).await.unwrap();
    let endpoint = responder.local_endpoints()[0].clone();
    (responder, endpoint)
}

#[tokio::test]
async fn many_questions_are_answered_in_any_order() {
    let (mut responder, endpoint) = responder("tcp://127.0.0.1:*").await;
    let requester = Requester::connect(endpoint, Options::default());
    let questions = async {
        let ask = |body: &[u8]| requester.request(body).unwrap();
        tokio::join!(ask(b"one"), ask(b""), ask(&[7; 70_000]))
    };
    let answers = async {
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(responder.recv().await);
        }
        while let Some(request) = requests.pop() {
            let answer = [&b"re: "[..], request.body().unwrap()].concat();
            request.answer(&answer);
        }
    };
    let (answered, ()) = timeout(PATIENCE, async { tokio::join!(questions, answers) }).await.unwrap();
    assert_eq!(&answered.0[..], b"re: one");
    assert_eq!(&answered.1[..], b"re: ");
    assert_eq!(answered.2.len(), 70_004);
}

#[tokio::test]
async fn a_question_whose_link_breaks_is_asked_again() {
    let (mut first, endpoint) = responder("tcp://127.0.0.1:*").await;
    let requester = Requester::connect(endpoint.clone(), Options::default());
    let asking = requester.request(b"still there?").unwrap();
    let answering = async {
        assert_eq!(&first.recv().await.body().unwrap()[..], b"still there?");
        drop(first);
        let (mut second, _) = responder(&endpoint.to_string()).await;
        let request = second.recv().await;
        request.answer(b"yes");
        // It has to live until the answer is written.
        (second.recv().await, ()).1
    };
    let answer = timeout(PATIENCE, async {
        tokio::select! {
            answer = asking => answer,
            () = answering => unreachable!("there is one question"),
        }
    });
    assert_eq!(&answer.await.unwrap()[..], b"yes");
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused() {
    let requester = Requester::connect("tcp://127.0.0.1:1".parse().unwrap(), Options::default());
    let large = vec![0; (1 << 20) + 1];
    assert!(matches!(requester.request(&large), Err(QueueError::TooLarge { .. })));
    let open: Vec<_> = (0..1024).map(|_| requester.request(b"?").unwrap()).collect();
    assert_eq!(requester.request(b"?").err(), Some(QueueError::Full));
    drop(open);
    assert!(requester.request(b"?").is_ok(), "there is room again");
    let megabyte = vec![0; 1 << 20];
    let open: Vec<_> = std::iter::from_fn(|| requester.request(&megabyte).ok()).collect();
    assert_eq!(open.len(), 8, "more would not fit into the queue of a connection");
    drop(open);
    assert!(requester.request(&megabyte).is_ok());
}

#[tokio::test]
async fn a_question_that_finds_no_room_is_refused_and_not_forgotten() {
    // Takes connections, says it is a ROUTER, and reads nothing more.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let requester = Requester::connect(endpoint, Options::default());
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
    greeting[12..16].copy_from_slice(b"NULL");
    peer.write_all(&greeting).await.unwrap();
    peer.write_all(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER").await.unwrap();
    while !requester.is_connected() {
        tokio::task::yield_now().await;
    }
    let megabyte = vec![0; 1 << 20];
    let mut asked = 0;
    // Each is given up at once: what is written to the peer, and what waits for it, is bounded all the same.
    while requester.request(&megabyte).is_ok() {
        asked += 1;
        assert!(asked < 100, "questions are taken that go nowhere");
        tokio::task::yield_now().await;
    }
}
