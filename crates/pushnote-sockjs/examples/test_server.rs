//! The test server that every SockJS implementation has: the services which the protocol's public test suite and
//! sockjs-client's own tests expect. Listens on 127.0.0.1 and prints the address when it is ready.
//!
//! `cargo run --example test_server -- [--port 8081] [--sockjs-url URL-or-file]`

use std::{
    collections::HashMap,
    env, io,
    net::Ipv4Addr,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::Service, service::service_fn};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use pushnote_sockjs::{
    Builder, ClientScript, Close, CloseReason, Connection, HttpStream, Limits, Message, Peer, Session,
    SessionInfo, SockJs,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time,
};
use warp::{Filter, filters::BoxedFilter, reply::Response};

const USAGE: &str = "usage: test_server [--port PORT] [--sockjs-url URL-or-file]";

struct Arguments {
    port: u16,
    script: ClientScript,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let script =
            ClientScript::Url("https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js".to_owned());
        let mut parsed = Self { port: 8081, script };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, words.next()),
            };
            let value = value.ok_or(USAGE)?;
            match flag.as_str() {
                "--port" => parsed.port = value.parse().map_err(|_| format!("`{value}` is no port"))?,
                "--sockjs-url" => parsed.script = script_from(value)?,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(parsed)
    }
}

fn script_from(value: String) -> Result<ClientScript, String> {
    if value.starts_with('/') && !std::path::Path::new(&value).is_file() || value.starts_with("http") {
        return Ok(value.into());
    }
    ClientScript::from_file(&value).map_err(|error| format!("cannot read {value}: {error}"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let served = match Arguments::parse() {
        Ok(arguments) => {
            let port = arguments.port;
            serve(arguments).await.map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))
        }
        Err(message) => Err(message),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> io::Result<()> {
    let listener = listen(arguments.port)?;
    println!("listening on http://{}", listener.local_addr()?);
    let limits = Limits {
        request_body_bytes_max: 16 << 20,
        websocket_message_bytes_max: 17 << 20,
        queue_bytes_max: 16 << 20,
        outbox_bytes_max: 64 << 20,
        ..Limits::default()
    };
    let service =
        || SockJs::builder().response_limit(4096).sockjs_url(arguments.script.clone()).limits(limits.clone());
    let routes = warp::any()
        .and(service().build(echo).filter("/echo"))
        .or(service().websocket(false).build(echo).filter("/disabled_websocket_echo"))
        .unify()
        .or(service().jsessionid(true).build(echo).filter("/cookie_needed_echo"))
        .unify()
        .or(service().build(close).filter("/close"))
        .unify()
        .or(service().build(amplify).filter("/amplify"))
        .unify()
        .or(broadcast(service()))
        .unify()
        .or(service().build(ticker).filter("/ticker"))
        .unify()
        .boxed();
    loop {
        // Files may have run out for a moment.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(answer(stream, routes.clone()));
    }
}

/// A connection of an accept loop of our own, in place of `warp::serve`: streams leave hyper, as WebSockets do.
async fn answer(stream: TcpStream, routes: BoxedFilter<(Response,)>) {
    let peer = stream.peer_addr().ok().map(Peer::Tcp);
    let stream = HttpStream::new(stream);
    let (handovers, routes) = (stream.handovers(), TowerToHyperService::new(warp::service(routes)));
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        let chunked = request.version() == http::Version::HTTP_11;
        request.extensions_mut().insert(handovers.offer(chunked));
        peer.map(|peer| request.extensions_mut().insert(peer));
        routes.call(request)
    });
    // A connection's end is its client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// Small frames must not wait for the client's acknowledgement of the frame before. Accepted sockets inherit the option.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(1024)
}

/// Sends back what it gets.
struct Echo(Session);

impl Connection for Echo {
    fn message(&mut self, text: &str) {
        // A session that is closed needs no answer; `closed` follows.
        let _ = self.0.send(&Message::text(text));
    }

    fn binary(&mut self, payload: &[u8]) -> Result<(), Close> {
        let _ = self.0.send_binary(payload);
        Ok(())
    }
}

fn echo(session: &Session, _: &SessionInfo) -> Result<Echo, Close> {
    Ok(Echo(session.clone()))
}

fn close(_: &Session, _: &SessionInfo) -> Result<fn(&str), Close> {
    Err(Close::new(3000, "Go away!"))
}

/// Answers the number n with 2ⁿ letters.
fn amplify(session: &Session, _: &SessionInfo) -> Result<impl Connection + use<>, Close> {
    let session = session.clone();
    Ok(move |text: &str| {
        let power = text.trim().parse().ok().filter(|power| (1..=18).contains(power)).unwrap_or(1);
        let _ = session.send(&Message::text(&"x".repeat(1 << power)));
    })
}

/// Everyone who is connected, by a number of their own.
#[derive(Default)]
struct Audience {
    sessions: Mutex<HashMap<u64, Session>>,
    numbers: AtomicU64,
}

struct Listener {
    number: u64,
    audience: Arc<Audience>,
}

impl Connection for Listener {
    fn message(&mut self, text: &str) {
        let message = Message::text(text);
        for session in self.audience.sessions.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _ = session.send(&message);
        }
    }

    fn closed(&mut self, _: &CloseReason) {
        self.audience.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Sends everyone what one says.
fn broadcast(
    builder: Builder,
) -> impl Filter<Extract = (warp::reply::Response,), Error = warp::Rejection> + Clone {
    let audience = Arc::new(Audience::default());
    let join = move |session: &Session, _: &SessionInfo| {
        let number = audience.numbers.fetch_add(1, Ordering::Relaxed);
        audience.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(number, session.clone());
        Ok(Listener { number, audience: Arc::clone(&audience) })
    };
    builder.build(join).filter("/broadcast")
}

/// Sends "tick!" every second, for as long as there is someone to take it.
fn ticker(session: &Session, _: &SessionInfo) -> Result<fn(&str), Close> {
    let session = session.clone();
    tokio::spawn(async move {
        let mut seconds = time::interval(Duration::from_secs(1));
        let tick = Message::text("tick!");
        loop {
            seconds.tick().await;
            if session.send(&tick).is_err() {
                return;
            }
        }
    });
    Ok(|_| {})
}
