//! Services that mean no good, and a clock that is set.

use std::time::{Duration, Instant};

use pushnote_webpush::{Answer, Key, Keys, Recipients, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::place::{self, Place, message, subscription};
use crate::support::MockService;

/// What a service does with a connection, once it has read the beginning of a request.
async fn serve<F: Future<Output = std::io::Result<()>> + Send>(
    behave: impl Fn(TcpStream) -> F + Send + Sync + Copy + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                // Who is cut off has nothing more to say.
                let _ = behave(stream).await;
            });
        }
    });
    (url, task)
}

async fn ask(url: &str) -> (Answer, Duration) {
    let service = MockService::plain().await;
    let key = Key::generate().unwrap();
    let id = key.id();
    let client = place::client(&service, &Keys::new(key, Vec::new()));
    let begun = Instant::now();
    let answer = client.send(&subscription(url), id, &message()).await;
    (answer, begun.elapsed())
}

#[tokio::test]
async fn no_answer_takes_longer_than_it_may_or_more_than_is_read() {
    let (trickle, _trickle) = serve(async |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 201 Created\r\nx: ").await?;
        loop {
            stream.write_all(b"y").await?;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (informal, _informal) = serve(async |mut stream: TcpStream| {
        loop {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await?;
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let (line, _line) = serve(async |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 201 Created\r\nx: ").await?;
        loop {
            stream.write_all(&[b'y'; 1000]).await?;
        }
    })
    .await;
    let (garbage, _garbage) =
        serve(async |mut stream: TcpStream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await).await;
    let (closes, _closes) = serve(async |_| Ok(())).await;
    let (lies, _lies) = serve(async |mut stream: TcpStream| {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 1000000\r\n\r\nx";
        stream.write_all(answer).await
    })
    .await;

    let asked =
        tokio::join!(ask(&trickle), ask(&informal), ask(&line), ask(&garbage), ask(&closes), ask(&lies));
    let soon = Duration::from_secs(10);
    let late = Duration::from_secs(18);
    for (name, (answer, elapsed), verdict, most) in [
        ("a trickle", asked.0, Verdict::Later, late),
        ("no end of informal answers", asked.1, Verdict::Later, late),
        ("a header without end", asked.2, Verdict::Later, soon),
        ("another protocol", asked.3, Verdict::Later, soon),
        ("no answer", asked.4, Verdict::Later, soon),
        ("a body that breaks off", asked.5, Verdict::Accepted, soon),
    ] {
        assert_eq!(answer.verdict, verdict, "{name}: {}", answer.reason);
        assert!(elapsed < most, "{name}: {elapsed:?}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_up_what_was_to_be_tried_again() {
    let service = MockService::plain().await;
    let place = Place::new().await;
    place.subscribe("ann", None, &service.endpoint("/ok/x")).await;
    place.jobs.enqueue("m", &Recipients::Everyone.into(), &message(), None).await.unwrap();
    place.put_off(Duration::from_secs(24 * 3600)).await;
    let mut place = place.restarted().await;
    let sender = place.sender(&service, 8);
    place.events(1).await;
    sender.stop().await;
}

#[tokio::test]
async fn hosts_that_never_answer_hold_up_only_each_other() {
    let service = MockService::plain().await;
    let mut place = Place::new().await;
    place.subscribe("ann", None, &service.endpoint("/ok/x")).await;
    let mut silent = Vec::new();
    for number in 0..150 {
        let (url, task) = serve(async |_| std::future::pending().await).await;
        place.subscribe(&format!("eve{number}"), None, &url).await;
        silent.push(task);
    }
    let to_ann = Recipients::Users(vec!["ann".to_owned()]).into();
    place.jobs.enqueue("first", &to_ann, &message(), None).await.unwrap();
    let sender = place.sender(&service, 8);
    place.events(1).await;
    let begun = Instant::now();
    place.jobs.enqueue("all", &Recipients::Everyone.into(), &message(), None).await.unwrap();
    place.jobs.enqueue("second", &to_ann, &message(), None).await.unwrap();
    place.events(2).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(sender);
}
