//! `pushnote dev`: everything on this machine alone, with a generated secret and a demo page.

use std::error::Error;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use pushnote::{Publisher, PublisherBuilder};
use pushnote_cli::{Failure, SECRET_VARIABLE, say, shutdown_signal, start_logs};
use pushnote_core::{ChannelRule, ChannelRules, Envelope, Keys, Limits, Subject, UserId, Verifier};
use pushnote_http::{
    Action, ApiKeys, ApiOptions, Fsync, Guard, Key, Keys as PushKeys, Locations, OpenedLog, Page, PublishTo,
    PushOptions, Settings, StateBounds, SubscriptionOptions, ZeroMq,
};
use pushnote_zmtp::{Endpoint, Options, Responder, Subscriber};
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::args::DevArgs;

const ROUTE: &str = "/sockjs";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The demo page's files, and the client under the names it has in its package: modules, and classic scripts for pages that
/// have none. Path, media type, text.
const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("../demo/index.html")),
    ("/demo.css", "text/css; charset=utf-8", include_str!("../demo/demo.css")),
    ("/example.js", SCRIPT, include_str!("../demo/example.js")),
    ("/page.js", SCRIPT, include_str!("../demo/page.js")),
    ("/pushnote.mjs", SCRIPT, include_str!("../demo/pushnote.mjs")),
    ("/pushnote.js", SCRIPT, include_str!("../demo/pushnote.js")),
    ("/push.mjs", SCRIPT, include_str!("../demo/push.mjs")),
    ("/push.js", SCRIPT, include_str!("../demo/push.js")),
    ("/pushnote-sw.js", SCRIPT, include_str!("../demo/pushnote-sw.js")),
];

/// How the names of channels begin that need no token.
const PUBLIC: &str = "public.";

/// Push services want to know who is behind a server; nobody is.
const VAPID_SUBJECT: &str = "mailto:pushnote-dev@example.com";

/// Loopback.
const THIS_MACHINE: &str = "127.0.0.0/8";

/// What takes a free port.
const FREE_PORT: &str = "--port 0";
const FREE_MQ_SOCKET: &str = "-s tcp://127.0.0.1:0";

/// Length of the secret of a run.
const SECRET_BYTES: usize = 48;

pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    let _logs = start_logs()?;
    let user: UserId = args.user.parse().map_err(|error| Failure::usage(format!("--user: {error}")))?;
    let endpoint: Endpoint =
        args.mq_socket.parse().map_err(|error| Failure::usage(format!("--mq_socket: {error}")))?;
    if endpoint.is_exposed() {
        return Err(Failure::config(format!(
            "--mq_socket: other machines can connect to {endpoint}, and this is for one machine alone: use 127.0.0.1, or \
             pushnote-server --single, which knows CURVE"
        )));
    }
    let secret = generate_secret()?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::system(format!("cannot start threads: {error}")))?;
    runtime.block_on(async {
        let shutdown = shutdown_signal(Duration::ZERO)?;
        let (listener, subscriber) = listen(args.port, &endpoint).await?;
        let demo = Demo::new(&listener, &subscriber, &secret, &user)?;
        let source = ZeroMq { subscriber, responder: Responder::new(Options::default()) };
        let directory = directory()?;
        let settings = settings(&secret, &demo, directory.path())?;
        demo.announce();
        pushnote_http::run(listener.into(), source, settings, shutdown)
            .await
            .map(|_| ())
            .map_err(|error| Failure::software(error.to_string()))
    })
}

/// Both, so that who starts it twice learns of both.
async fn listen(port: u16, endpoint: &Endpoint) -> Result<(TcpListener, Subscriber), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let subscriber = Subscriber::bind(endpoint, Options::default()).await;
    let (said, advice) = match (listener, subscriber) {
        (Ok(listener), Ok(subscriber)) => return Ok((listener, subscriber)),
        (Err(error), Ok(_)) => (format!("--port {port}: cannot listen: {error}"), FREE_PORT.to_owned()),
        (Ok(_), Err(error)) => (format!("--mq_socket: {error}"), FREE_MQ_SOCKET.to_owned()),
        (Err(web), Err(mq)) => (
            format!("--port {port}: cannot listen: {web}; --mq_socket: {mq}"),
            format!("{FREE_PORT} {FREE_MQ_SOCKET}"),
        ),
    };
    Err(Failure::unavailable(format!("{said}; give others, or take free ones: {advice}")))
}

/// How this program was called: a line to copy must work where it is not on the search path.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "pushnote".to_owned())
}

fn generate_secret() -> Result<String, Failure> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::system(format!("no randomness: {error}")))?;
    Ok(BASE64.encode(bytes))
}

fn keys(secret: &str) -> Result<Keys, Failure> {
    Keys::parse(secret).map_err(|error| Failure::config(error.to_string()))
}

fn settings(secret: &str, demo: &Demo, directory: &Path) -> Result<Settings, Failure> {
    let limits = Limits::default();
    Ok(Settings {
        // Where the page is: this machine's own.
        api: Some(ApiOptions { listener: None, keys: Arc::new(ApiKeys::one(&demo.api_key).into()) }),
        publish_to: PublishTo::Here,
        redis: None,
        lightpush: None,
        route: ROUTE.parse().map_err(|error| Failure::config(format!("{ROUTE}: {error}")))?,
        verifier: Arc::new(Verifier::new(&keys(secret)?).into()),
        channel_rules: public_channels()?,
        sockjs_url: None,
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        cookie_needed: false,
        token_cookie: "pushnote_token".to_owned(),
        strings: false,
        locations: Locations::default(),
        fallback: None,
        pages: demo.pages(),
        actions: vec![publishing(&demo.mq_socket)?],
        shards: 1,
        coalescing_window: Duration::ZERO,
        push: Some(web_push()?),
        // Where subscriptions are, too.
        log: Some(
            OpenedLog::open(directory, Fsync::default(), &limits)
                .map_err(|error| Failure::system(error.to_string()))?,
        ),
        metrics: None,
        limits,
    })
}

/// Where this run keeps what it keeps, until it ends: with the secret, tokens and subscriptions end, too.
fn directory() -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("pushnote-dev-").tempdir();
    made.map_err(|error| Failure::system(format!("cannot make a directory for what is kept: {error}")))
}

/// Web Push with a key of this run. Push services on this machine may be asked, too: somebody may be testing one.
fn web_push() -> Result<PushOptions, Failure> {
    let software = |error: &dyn Display| Failure::software(error.to_string());
    Ok(PushOptions {
        subject: VAPID_SUBJECT.parse().map_err(|error| software(&error))?,
        keys: PushKeys::new(Key::generate().map_err(|error| software(&error))?, Vec::new()),
        guard: Guard {
            allowed_nets: vec![THIS_MACHINE.parse().map_err(|error| software(&error))?],
            ..Guard::default()
        },
        subscriptions: SubscriptionOptions::default(),
        states: StateBounds::default(),
        webhook: None,
    })
}

/// Those that a page can try without a token.
fn public_channels() -> Result<ChannelRules, Failure> {
    let rule = ChannelRule { public: true, presence: true, ..ChannelRule::default() };
    ChannelRules::new([(PUBLIC.to_owned(), rule)]).map_err(|error| Failure::software(error.to_string()))
}

/// What the page's form does: publishes the envelope that it sends, as an application does.
fn publishing(mq_socket: &str) -> Result<Action, Failure> {
    let publisher = Publisher::builder().endpoint(mq_socket).and_then(PublisherBuilder::build);
    let publisher = publisher.map_err(|error| Failure::system(error.to_string()))?;
    let publish = move |body: &Bytes| {
        let envelope = Envelope::parse(body, Limits::default().message_bytes_max)?;
        let data: &RawValue = serde_json::from_slice(&envelope.data)?;
        let subjects = envelope.audience.subjects().iter();
        let message = subjects.fold(publisher.publish(data), |message, subject| match subject {
            Subject::Everyone => message.everyone(),
            Subject::User(user) => message.user(user),
            Subject::Channel(channel) => message.channel(channel.as_str()),
            // The server's own, and in no envelope.
            Subject::Presence(_) => message,
        });
        match &envelope.event {
            Some(event) => message.event(event).send()?,
            None => message.send()?,
        }
        Ok::<_, Box<dyn Error>>(())
    };
    Ok(Action {
        path: "/publish",
        take: Arc::new(move |body| publish(body).map_err(|error| error.to_string())),
    })
}

/// What the page and the terminal show.
struct Demo {
    url: String,
    mq_socket: String,
    secret: String,
    user: String,
    token: String,
    publish: String,
    push: String,
    api_key: String,
}

impl Demo {
    fn new(
        listener: &TcpListener,
        subscriber: &Subscriber,
        secret: &str,
        user: &UserId,
    ) -> Result<Self, Failure> {
        let address = listener.local_addr().map_err(|error| Failure::system(error.to_string()))?;
        let mq_socket = subscriber.local_endpoint().map(Endpoint::to_string).unwrap_or_default();
        let flag =
            if mq_socket == crate::mq_socket::MQ_SOCKET { String::new() } else { format!("-s {mq_socket} ") };
        let url = format!("http://{address}/");
        let api_key = crate::keygen::api_key()?;
        let (to, title) = (Value::from(user.as_str()), Value::from(format!("Hi, {user}!")));
        let notification = format!(
            r#"{{"users":[{to}],"title":{title},"body":"This comes with the page closed.","url":"/"}}"#
        )
        .replace('\'', r"'\''"); // as a shell has it between quotes
        Ok(Self {
            push: format!("curl -H 'Authorization: Bearer {api_key}' -d '{notification}' {url}v1/push"),
            url,
            secret: secret.to_owned(),
            user: user.to_string(),
            token: crate::token::make(&keys(secret)?, user, None),
            publish: format!("{} publish {flag}'{{\"msg\":\"Hi all!\"}}'", program()),
            mq_socket,
            api_key,
        })
    }

    fn announce(&self) {
        let Self { url, mq_socket, secret, user, token, publish, push, api_key } = self;
        let program = program();
        say(format_args!(
            "listening on {url}

  1. open      {url}
  2. then run  {publish}
     or        curl -H 'Authorization: Bearer {api_key}' -d '{{\"everyone\":true,\"data\":{{\"msg\":\"Hi all!\"}}}}' {url}v1/publish
  3. have the page notify you also when it is closed, close it, and run
               {push}

  applications publish to  {mq_socket}
  a token for user {user}      {token}
  more tokens              {SECRET_VARIABLE}={secret} {program} token USER
  channels for all         {PUBLIC}news, and all that begin with {PUBLIC}, with presence; others need a token: token --channel NAME

  Ctrl-C ends it; the secret is made anew at each start."
        ));
    }

    fn pages(&self) -> Vec<Page> {
        let parameters = serde_json::json!({
            "route": ROUTE, "user": self.user, "token": self.token,
            "publish": self.publish, "push": self.push, "endpoint": self.mq_socket,
        });
        let mut pages = vec![Page {
            path: "/dev.json",
            content_type: "application/json",
            body: parameters.to_string().into(),
            // There is a token in it.
            shared: false,
        }];
        pages.extend(FILES.map(|(path, content_type, text)| Page {
            path,
            content_type,
            body: Bytes::from_static(text.as_bytes()),
            shared: true,
        }));
        pages
    }
}
