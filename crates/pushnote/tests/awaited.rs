//! What is waited for without blocking: on tokio with one thread, which the other side needs, too; on actix's runtime; on no
//! runtime at all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use pushnote::{AckError, PublishError, Publisher, Receipt};
use pushnote_zmtp::{Options, Responder, Subscriber};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(50);

/// A publisher, and both ends that it connects to.
async fn site() -> (Publisher, Subscriber, Responder) {
    let any_port = "tcp://127.0.0.1:0".parse().unwrap();
    let subscriber = Subscriber::bind(&any_port, Options::default()).await.unwrap();
    let mut responder = Responder::new(Options::default());
    responder.bind_also(&any_port).await.unwrap();
    let publisher = Publisher::builder()
        .endpoint(&subscriber.local_endpoint().unwrap().to_string())
        .and_then(|builder| builder.ack_endpoint(&responder.local_endpoints()[0].to_string()))
        .and_then(pushnote::PublisherBuilder::build);
    (publisher.unwrap(), subscriber, responder)
}

/// Answers so many messages, and returns what they said.
async fn answer(mut responder: Responder, messages: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    for _ in 0..messages {
        let request = responder.recv().await;
        heard.push(serde_json::from_slice(request.body().unwrap()).unwrap());
        request.answer(br#"{"id":"00/1","servers":2,"of":3}"#);
    }
    responder.flush().await;
    heard
}

async fn each_form_is_acknowledged() {
    let (publisher, mut subscriber, responder) = site().await;
    let answers = answer(responder, 4);
    let asked = async {
        let receipts = [
            publisher.notify_all_acked_async("a", PATIENCE).await.unwrap(),
            publisher.notify_acked_async("b", [42], PATIENCE).await.unwrap(),
            publisher.notify_channel_acked_async("news", "c", PATIENCE).await.unwrap(),
            publisher.publish("d").user(42).everyone().send_acked_async(PATIENCE).await.unwrap(),
        ];
        assert!(receipts.iter().all(|Receipt { servers, of, .. }| (*servers, *of) == (2, 3)));
        publisher.notify_all("e").unwrap();
        publisher.flush_async(PATIENCE).await.unwrap();
    };
    let (heard, ()) = tokio::join!(answers, asked);
    let told = |key: &str| heard.iter().map(|envelope| envelope[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("data"), ["a", "b", "c", "d"]);
    assert_eq!(told("users"), [Value::Null, json!(["42"]), Value::Null, json!(["42"])]);
    let message = subscriber.recv().await.unwrap();
    assert!(message.topic().starts_with(br#"{"name":"notify_all","data":"e","#));
}

#[tokio::test(flavor = "current_thread")]
async fn on_one_thread_of_tokio() {
    each_form_is_acknowledged().await;
}

#[test]
fn on_the_runtime_of_actix() {
    actix_web::rt::System::new().block_on(each_form_is_acknowledged());
}

/// Polls a future on this thread, as the simplest of all executors.
fn without_a_runtime<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn without_a_runtime_around() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (publisher, _subscriber, responder) = runtime.block_on(site());
    let answers = runtime.spawn(answer(responder, 1));
    let receipt = without_a_runtime(publisher.notify_all_acked_async("Hi", PATIENCE)).unwrap();
    assert_eq!(receipt.servers, 2);
    publisher.notify_all("Hi").unwrap();
    without_a_runtime(publisher.flush_async(PATIENCE)).unwrap();
    runtime.block_on(answers).unwrap();
}

#[tokio::test]
async fn it_may_be_a_task_of_its_own_and_is_sent_when_it_is_awaited() {
    let (publisher, _subscriber, responder) = site().await;
    drop(publisher.notify_all_acked_async("never", PATIENCE));
    let task = tokio::spawn(publisher.notify_acked_async(json!({"of": "a task"}), ["42"], PATIENCE));
    let heard = answer(responder, 1).await;
    assert_eq!(heard[0]["data"], json!({"of": "a task"}));
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_waits_in_vain_is_told() {
    let (publisher, subscriber, responder) = site().await;
    let error = publisher.notify_all_acked_async("Hi", SOON).await.unwrap_err();
    assert!(matches!(error, AckError::NoAnswer { within: SOON, .. }), "{error}");
    let error = publisher.notify_acked_async("Hi", [""], PATIENCE).await.unwrap_err();
    assert!(matches!(error, AckError::Publish(PublishError::User(_))), "{error}");
    let waits = publisher.notify_all_acked_async("Hi", PATIENCE);
    let (error, ()) = tokio::join!(waits, async { drop(publisher) });
    assert!(matches!(error, Err(AckError::NoAnswer { .. })), "it is over with its publisher: {error:?}");
    drop((subscriber, responder));

    let nowhere = Publisher::builder().endpoint("tcp://127.0.0.1:1").unwrap().build().unwrap();
    let error = nowhere.notify_all_acked_async("Hi", PATIENCE).await.unwrap_err();
    assert!(matches!(error, AckError::NotConfigured), "{error}");
    nowhere.notify_all("Hi").unwrap();
    let error = nowhere.flush_async(SOON).await.unwrap_err();
    assert_eq!(error.to_string(), "messages not written yet: 1; not connected to tcp://127.0.0.1:1");
}

/// Handlers hold them, and hand their errors to whoever asks for these bounds.
#[test]
fn all_may_go_from_thread_to_thread() {
    fn checked<T: Send + Sync + 'static>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    checked::<Publisher>();
    checked::<pushnote::PublisherBuilder>();
    checked::<pushnote::Tokenizer>();
    checked::<pushnote::FlushOnDrop>();
    error::<pushnote::BuildError>();
    error::<PublishError>();
    error::<AckError>();
    error::<pushnote::FlushError>();
    error::<pushnote::TokenizeError>();
}
