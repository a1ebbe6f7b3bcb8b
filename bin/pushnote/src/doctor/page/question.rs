//! What a session is asked: who speaks the client protocol answers each of it (docs/protocol.md).

use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::frames::Frame;
use super::session::{Flaw, Session};

const HELLO: u64 = 1;
const SUBSCRIBE: u64 = 2;
/// The first of those that only look how long an answer takes.
const AGAIN: u64 = 3;

/// What is asked of each transport.
#[derive(Debug)]
pub(super) struct Question {
    messages: Vec<String>,
    subscribes: bool,
}

/// What a server says of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As whom, or to what.
    Subscribed(String),
    /// The code of its error.
    Refused(String),
}

impl Question {
    pub(super) fn new(token: Option<&str>, channel: Option<&str>) -> Self {
        let hello = json!({"name": "hello", "data": {"id": HELLO, "version": 1}});
        let mut data = json!({"id": SUBSCRIBE});
        for (field, value) in [("token", token), ("channel", channel)] {
            if let Some(value) = value {
                data[field] = json!(value);
            }
        }
        let subscribes = token.is_some() || channel.is_some();
        let mut messages = vec![hello.to_string()];
        if subscribes {
            messages.push(json!({"name": "subscribe", "data": data}).to_string());
        }
        Self { messages, subscribes }
    }

    /// Asks, and waits for all answers.
    pub(super) async fn ask(
        &self,
        session: &mut Session<'_>,
        timeout: Duration,
    ) -> Result<Option<Verdict>, Flaw> {
        session.send(&self.messages).await?;
        let deadline = Instant::now() + timeout;
        let (mut welcome, mut verdict) = (false, None);
        loop {
            for answer in answers(session, deadline).await? {
                let name = |field: &str| answer[field].as_str().map(str::to_owned);
                match (answer["type"].as_str(), answer["id"].as_u64()) {
                    (Some("welcome"), _) => welcome = true,
                    (Some("subscribed"), Some(SUBSCRIBE)) => {
                        let user = name("user").map(|user| format!("as user {user}"));
                        let channel = name("channel").map(|channel| format!("to channel {channel}"));
                        let subject =
                            user.or(channel).unwrap_or_else(|| "to what it does not say".to_owned());
                        verdict = Some(Verdict::Subscribed(subject));
                    }
                    (Some("error"), Some(SUBSCRIBE)) => {
                        verdict = Some(Verdict::Refused(name("code").unwrap_or_default()));
                    }
                    _ => {}
                }
            }
            if welcome && (!self.subscribes || verdict.is_some()) {
                return Ok(verdict);
            }
            in_time(deadline)?;
        }
    }
}

/// The shortest time that the next answers of a session take.
pub(super) async fn fastest(session: &mut Session<'_>, timeout: Duration) -> Result<Duration, Flaw> {
    const TIMES: u64 = 3;
    let mut fastest = Duration::MAX;
    for id in AGAIN..AGAIN + TIMES {
        // It has not subscribed to that, and is told so.
        let ask = json!({"name": "unsubscribe", "data": {"id": id, "channel": "pushnote-doctor"}});
        let started = Instant::now();
        session.send(&[ask.to_string()]).await?;
        let deadline = started + timeout;
        while !answers(session, deadline).await?.iter().any(|answer| answer["id"] == id) {
            in_time(deadline)?;
        }
        fastest = fastest.min(started.elapsed());
    }
    Ok(fastest)
}

/// Heartbeats and other answers may come for ever: they are none.
fn in_time(deadline: Instant) -> Result<(), Flaw> {
    if Instant::now() < deadline { Ok(()) } else { Err(Flaw::Silent) }
}

/// The values that come next.
async fn answers(session: &mut Session<'_>, deadline: Instant) -> Result<Vec<Value>, Flaw> {
    match session.next(deadline).await? {
        Frame::Messages(values) => Ok(values.into_iter().map(parsed).collect()),
        Frame::Heartbeat => Ok(Vec::new()),
        Frame::Open => Err(Flaw::Reopened),
        Frame::Close(code, reason) => Err(Flaw::Closed(code, reason)),
    }
}

/// With `--message-form=string` a value comes as its text.
fn parsed(value: Value) -> Value {
    match value.as_str().map(serde_json::from_str) {
        Some(Ok(value)) => value,
        _ => value,
    }
}
