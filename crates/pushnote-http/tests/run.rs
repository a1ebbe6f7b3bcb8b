//! The whole server in one process: from an envelope to a browser, and its end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pushnote_core::{ChannelRules, Keys, Limits, Verifier};
use pushnote_http::{DrainReport, RunError, Settings, ZeroMq, run};
use pushnote_net::Listener;
use pushnote_zmtp::{Endpoint, Options, Publisher, Responder, Subscriber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Server {
    address: SocketAddr,
    publisher: Publisher,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<DrainReport, RunError>>,
}

impl Server {
    async fn start(port: u16) -> Self {
        let keys = Keys::parse("a-secret-of-these-tests-0123456789abcdef").unwrap();
        let settings = Settings {
            api: None,
            publish_to: pushnote_http::PublishTo::Here,
            redis: None,
            lightpush: None,
            route: "/sockjs".parse().unwrap(),
            limits: Limits::default(),
            verifier: Arc::new(Verifier::new(&keys).into()),
            channel_rules: ChannelRules::default(),
            sockjs_url: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            cookie_needed: false,
            token_cookie: "pushnote_token".to_owned(),
            strings: false,
            locations: Default::default(),
            fallback: None,
            pages: Vec::new(),
            actions: Vec::new(),
            shards: 2,
            coalescing_window: Duration::ZERO,
            push: None,
            log: None,
            metrics: None,
        };
        let any: Endpoint = "tcp://127.0.0.1:*".parse().unwrap();
        let subscriber = Subscriber::bind(&any, Options::default()).await.unwrap();
        let publisher = Publisher::connect(subscriber.local_endpoint().unwrap().clone(), Options::default());
        let listener = Listener::tcp([Ipv4Addr::LOCALHOST.into()], port).unwrap();
        let address = listener.local_addresses().unwrap()[0];
        let (stop, stopped) = oneshot::channel();
        let source = ZeroMq { subscriber, responder: Responder::new(Options::default()) };
        let shutdown = async move { stopped.await.unwrap() };
        let ended = tokio::spawn(run(listener, source, settings, shutdown));
        Self { address, publisher, stop: Some(stop), ended }
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn ended(self) -> DrainReport {
        timeout(PATIENCE, self.ended).await.expect("an end").unwrap().unwrap()
    }

    /// It is attached a moment after the handshake, and answers then.
    async fn websocket(&self) -> WebSocket {
        let url = format!("ws://{}/sockjs/websocket", self.address);
        let (mut websocket, _) = connect_async(url).await.unwrap();
        websocket.send(Message::Ping("attached?".into())).await.unwrap();
        assert!(next(&mut websocket).await.is_pong());
        websocket
    }

    /// A request on a connection of its own, answered whole: status and body.
    async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

async fn next(websocket: &mut WebSocket) -> Message {
    timeout(PATIENCE, websocket.next()).await.expect("a message").unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_reaches_every_browser_and_an_end_is_told_to_each() {
    let mut server = Server::start(0).await;
    let mut websocket = server.websocket().await;
    assert_eq!(server.ask("POST", "/sockjs/0/polling/xhr").await, (200, "o\n".to_owned()));
    assert_eq!(server.ask("GET", "/health").await, (200, "ok\n".to_owned()));
    assert_eq!(server.ask("GET", "/nowhere").await.0, 404);

    let publish = |envelope: &str| server.publisher.try_send(envelope).unwrap();
    publish(r#"{"name":"notify_all","data":{"n":1}}"#);
    publish("no envelope");
    publish(r#"{"name":"notify","data":2,"users":["42"]}"#);
    publish(r#"{"name":"notify_all","data":[3]}"#);
    for data in [r#"{"n":1}"#, "[3]"] {
        assert_eq!(next(&mut websocket).await.to_text().unwrap(), data);
    }
    let (status, mut polled) = server.ask("POST", "/sockjs/0/polling/xhr").await;
    if !polled.contains("[3]") {
        // The second may leave in a turn of its own.
        polled += &server.ask("POST", "/sockjs/0/polling/xhr").await.1;
    }
    assert_eq!(status, 200);
    assert!(["a[{\"n\":1},[3]]\n", "a[{\"n\":1}]\na[[3]]\n"].contains(&&*polled), "{polled}");

    server.stop();
    let Message::Close(Some(close)) = next(&mut websocket).await else { panic!("no close frame") };
    assert_eq!(u16::from(close.code), 3001);
    assert_eq!(server.ask("GET", "/health").await, (503, "draining\n".to_owned()));
    assert_eq!(server.ask("POST", "/sockjs/0/other/xhr").await.0, 503, "nobody new comes in");
    // The one that polls is waited for, and told.
    let last = server.ask("POST", "/sockjs/0/polling/xhr").await.1;
    assert!(last.starts_with("c[3001,"), "{last}");
    drop(websocket);
    let port = server.address.port();
    assert_eq!(server.ended().await, DrainReport { told: 2, left: 0 });

    // Its port is free at once.
    let mut next = Server::start(port).await;
    assert_eq!(next.ask("GET", "/health").await.0, 200);
    next.stop();
    assert_eq!(next.ended().await, DrainReport { told: 0, left: 0 });
}
