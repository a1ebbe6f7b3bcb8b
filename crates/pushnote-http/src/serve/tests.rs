//! The accept loop with all routes, over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use proptest::prelude::{Strategy, proptest};
use proptest::{collection, sample};
use pushnote_core::{ChannelRules, Keys, Verifier};
use pushnote_hub::{Hub, HubOptions, LogOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::*;
use crate::client::Clients;
use crate::socket_first::SocketFirst;
use crate::{Settings, routes};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves for ever.
async fn server(limits: Limits) -> SocketAddr {
    let keys = Keys::parse("a-secret-of-these-tests-0123456789abcdef").unwrap();
    let verifier = Arc::new(Verifier::new(&keys).into());
    let hub = Hub::start(HubOptions {
        shards: 1,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: limits.users_per_connection_max,
        channels_per_connection_max: limits.channels_per_connection_max,
        connections_per_user_max: limits.connections_per_user_max,
        rules: Arc::default(),
        log: LogOptions { epoch: 1, bytes_max: 1 << 20, count_max: 1000, age_max: PATIENCE },
    })
    .unwrap();
    let settings = Settings {
        api: None,
        redis: None,
        lightpush: None,
        publish_to: crate::PublishTo::Here,
        route: "/sockjs".parse().unwrap(),
        limits: limits.clone(),
        verifier: Arc::clone(&verifier),
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
        shards: 1,
        coalescing_window: Duration::ZERO,
        push: None,
        log: None,
        metrics: None,
    };
    let (routes, _) = routes::all(
        settings,
        Clients::new(hub, verifier, Arc::default(), false, Arc::new(SocketFirst::new(false))),
        &Arc::default(),
        None,
    );
    let listener = Listener::tcp([Ipv4Addr::LOCALHOST.into()], 0).unwrap();
    let address = listener.local_addresses().unwrap()[0];
    tokio::spawn(async move {
        let admission = Admission::new(limits.connections_max, limits.connections_per_ip_max);
        let site = Site { fronts: Arc::new([]), routes, publishes: None };
        accept_until(listener, site, &limits, admission, pending::<()>()).await;
    });
    address
}

/// The first bytes that come back; none when there is no answer.
async fn first_answer(address: SocketAddr, head: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = vec![0; 12];
    let length = timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer or an end").unwrap_or(0);
    answer.truncate(length);
    answer
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let method = sample::select(vec!["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "X"]);
    let target = proptest::prop_oneof![
        "[!-~]{1,12}",
        "/[!-~]{0,12}",
        "http://[!-~]{0,12}",
        "[a-z]{1,3}(:[0-9]{1,5})?"
    ];
    let name = proptest::prop_oneof!["[a-z]{1,5}", "host|origin|connection|upgrade|cookie|sec-websocket-key"];
    let fields = collection::vec((name, "[ -~]{0,12}"), 0..5);
    (method, target, 0..2_u8, fields).prop_map(|(method, target, minor, fields)| {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {target} HTTP/1.{minor}\r\n{fields}\r\n").into_bytes()
    })
}

/// A task that panics ends its connection without a word.
#[test]
fn every_head_is_answered() {
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(server(Limits::default()));
    proptest!(|(head in head())| {
        let answer = runtime.block_on(first_answer(address, &head));
        let head = String::from_utf8_lossy(&head);
        proptest::prop_assert!(answer.starts_with(b"HTTP/1."), "{head:?} is answered {answer:?}");
    });
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let address = server(Limits { write_timeout_s: 1, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let requests = "GET /sockjs/info HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let closed = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, closed).await.expect("the server closes the connection");
}

#[tokio::test]
async fn idle_connections_are_kept_longer_than_new_ones_may_be_silent() {
    let address = server(Limits { handshake_timeout_s: 1, keep_alive_s: 3, ..Limits::default() }).await;
    for (request, least, most) in
        [("", 1, 3), ("GET / HTTP/1.1\r\n", 1, 3), ("OPTIONS / HTTP/1.1\r\nhost: a\r\n\r\n", 3, 20)]
    {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end").unwrap();
        let took = started.elapsed();
        assert!(
            (Duration::from_secs(least)..Duration::from_secs(most)).contains(&took),
            "{request:?}: {took:?}"
        );
    }
}

/// Answers after some seconds: the path says how many. Its answers hold what it holds.
struct Slow(Arc<()>);

struct Held(#[expect(dead_code, reason = "held, not read")] Arc<()>, String);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.1.as_bytes()
    }
}

impl Front for Slow {
    fn takes(&self, _: &str) -> bool {
        true
    }

    fn respond(self: Arc<Self>, request: http::Request<hyper::body::Incoming>) -> crate::front::Answering {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(request.uri().path()[1..].parse().unwrap())).await;
            let body = Held(Arc::clone(&self.0), "answer".repeat(100_000));
            http::Response::new(crate::front::whole(Bytes::from_owner(body)))
        })
    }
}

/// A connection with a front, what makes it drain, and what its answers hold.
struct Served {
    drain: watch::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    admission: Arc<Admission>,
    held: Arc<()>,
}

/// With so many places for connections.
fn slow(places: usize) -> (tokio::net::UnixStream, Served) {
    let (near, far) = tokio::net::UnixStream::pair().unwrap();
    let (drain, draining) = watch::channel(());
    let (limits, held, admission) = (Limits::default(), Arc::default(), Admission::new(places, places));
    let connection = HttpConnection {
        site: routes::only(Arc::new(Slow(Arc::clone(&held))), ""),
        header_bytes_max: limits.header_bytes_max,
        header_timeout: Duration::from_secs(limits.handshake_timeout_s),
        keep_alive: Duration::from_secs(limits.keep_alive_s),
        write_timeout: Duration::from_secs(limits.write_timeout_s),
        places: Arc::new(Places { admission: Arc::clone(&admission), log: LogOnce::new() }),
        draining,
    };
    let permit = admission.admit(None).unwrap();
    let serving = tokio::spawn(connection.serve(near.into(), Peer::Unix, permit));
    (far, Served { drain, serving, admission, held })
}

type Http2 = http2::SendRequest<Empty<Bytes>>;

/// The same over HTTP/2, whose client takes so many bytes of an answer before it reads them.
async fn slow_streams(places: usize, window: u32) -> (Http2, Served) {
    let (far, served) = slow(places);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (client, connection) = builder.handshake(TokioIo::new(far)).await.unwrap();
    tokio::spawn(connection);
    (client, served)
}

async fn ask(client: &mut Http2, path: &str) -> http::Response<hyper::body::Incoming> {
    let request = http::Request::get(format!("http://a{path}")).body(Empty::new()).unwrap();
    client.send_request(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn streams_count_as_connections() {
    let (mut client, served) = slow_streams(2, 10).await;
    let first = ask(&mut client, "/0").await;
    assert_eq!(served.admission.open(), 2);
    let refused = ask(&mut client, "/0").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[RETRY_AFTER], "5");
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes().len(), 600_000);
    assert_eq!(served.admission.open(), 1);
    assert_eq!(ask(&mut client, "/0").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_taken_holds_nothing_for_long() {
    let (mut client, served) = slow_streams(9, 10).await;
    let mut other = client.clone();
    let living = tokio::spawn(async move { ask(&mut other, "/1000").await });
    let stuck = ask(&mut client, "/0").await;
    assert_eq!(Arc::strong_count(&served.held), 3, "the front's, this one, and its answer's");
    tokio::time::sleep(Duration::from_secs(1 + 2 * Limits::default().write_timeout_s)).await;
    assert_eq!(Arc::strong_count(&served.held), 2);
    assert!(stuck.into_body().collect().await.is_err(), "it is broken off");
    assert_eq!(living.await.unwrap().status(), 200, "the other streams go on");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_stream_that_goes_on_ends() {
    let limits = Limits::default();
    for (window, at_most) in
        [(10, 2 * limits.write_timeout_s), (1 << 20, limits.keep_alive_s + limits.write_timeout_s)]
    {
        let (mut client, served) = slow_streams(9, window).await;
        let start = tokio::time::Instant::now();
        let answer = ask(&mut client, "/0").await;
        let answer =
            if window == 10 { Some(answer) } else { answer.into_body().collect().await.ok().and(None) };
        served.serving.await.unwrap();
        let took = start.elapsed();
        assert!(took <= Duration::from_secs(at_most) + LAST_ANSWER, "{took:?}");
        drop(answer);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_before_the_end_is_answered_however_long_that_takes() {
    let (mut client, served) = slow(1);
    client.write_all(b"GET /25 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(served.drain);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("answer"), "{}", &answer[..100]);
    served.serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_the_last_answer_is_left() {
    let (mut client, served) = slow(1);
    client.write_all(b"GET /0 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(served.drain);
    let start = tokio::time::Instant::now();
    served.serving.await.unwrap();
    assert_eq!(start.elapsed(), LAST_ANSWER);
}

#[tokio::test]
async fn of_close_and_keep_alive_close_counts() {
    for (line, closes) in
        [("close, keep-alive", true), ("keep-alive\r\nconnection: close", true), ("keep-alive", false)]
    {
        let (mut client, _served) = slow(1);
        client.write_all(format!("GET /0 HTTP/1.0\r\nconnection: {line}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"answer") {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0);
        }
        let patience = if closes { PATIENCE } else { Duration::from_millis(200) };
        let end = timeout(patience, client.read_buf(&mut answer)).await;
        assert_eq!(end.is_ok_and(|end| end.unwrap() == 0), closes, "{line}");
    }
}
