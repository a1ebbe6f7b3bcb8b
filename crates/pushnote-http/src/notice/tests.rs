//! docs/protocol.md against the program: every example in it is read, or made, as it stands there.

use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Audience, Cursor, Push, Request, TokenError, TokenFlaw, Wanted};
use pushnote_hub::{Batch, Publication};

use super::*;

const PAGE: &str = include_str!("../../../../docs/protocol.md");

/// The examples of what one side says.
fn examples(side: &str) -> Vec<Value> {
    let begin = format!("```json {side}\n");
    let blocks = PAGE.split(&begin).skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(block, _)| parsed(block)).collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_clients_say_is_understood_to_the_last_field() {
    let examples = examples("client");
    assert!(examples.len() >= 8);
    for example in examples {
        let request =
            Request::parse(&example.to_string()).unwrap_or_else(|error| panic!("{error}: {example}"));
        assert_eq!(said(&request), example);
    }
}

/// A request as it is said.
fn said(request: &Request) -> Value {
    let (name, data) = match request {
        Request::Hello { id, version, cursor, subscriptions } => {
            let mut data = json!({"id": id, "version": version});
            put(&mut data, "cursor", cursor.as_ref());
            if !subscriptions.is_empty() {
                data["subscriptions"] =
                    subscriptions.iter().map(|one| wanted(json!({}), one.as_ref().unwrap())).collect();
            }
            ("hello", data)
        }
        Request::Subscribe { id, wanted: what, since } => {
            let mut data = wanted(json!({"id": id}), what);
            put(&mut data, "since", since.as_ref());
            ("subscribe", data)
        }
        Request::Unsubscribe { id, channel } => {
            ("unsubscribe", json!({"id": id, "channel": channel.as_str()}))
        }
        Request::History { id, channel, last } => {
            ("history", json!({"id": id, "channel": channel.as_str(), "last": last}))
        }
        Request::Presence { id, channel, events } => {
            ("presence", json!({"id": id, "channel": channel.as_str(), "events": events}))
        }
        Request::Ack { message } => ("ack", json!({"id": message})),
    };
    json!({"name": name, "data": data})
}

fn wanted(mut data: Value, Wanted { channel, token }: &Wanted) -> Value {
    put(&mut data, "channel", channel.as_ref());
    put(&mut data, "token", token.as_ref());
    data
}

fn put(data: &mut Value, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        data[name] = json!(value.to_string());
    }
}

#[test]
fn what_the_server_says_is_what_the_page_shows() {
    let examples = examples("server");
    assert!(examples.len() >= 12);
    for example in examples {
        let made = made(&example).unwrap_or_else(|| panic!("nobody says {example}"));
        assert_eq!(made, example);
    }
}

/// What the server makes of the contents of an example.
fn made(example: &Value) -> Option<Value> {
    let id = example["id"].as_u64();
    let subject = || match example["user"].as_str() {
        Some(name) => Subject::User(UserId::new(name).unwrap()),
        None => channel(&example["channel"]).into(),
    };
    let notice = match example["type"].as_str()? {
        "welcome" => {
            let errors = example["errors"].as_array().into_iter().flatten();
            let refused = errors.map(|error| {
                let refusal = refusal(error);
                refused(error["channel"].as_str(), refusal.code(), &refusal.to_string())
            });
            Notice::Welcome { id: id?, refused: refused.collect() }
        }
        "subscribed" => Notice::Subscribed { id: id?, subject: subject() },
        "unsubscribed" => Notice::Unsubscribed { id: id?, channel: channel(&example["channel"]) },
        "expired" => Notice::Expired { subject: subject() },
        "history" => Notice::History { id: id?, channel: channel(&example["channel"]) },
        "error" => Notice::refusal(id?, &refusal(example)),
        "presence" => {
            let number = |name: &str| usize::try_from(example[name].as_u64()?).ok();
            let users = example["users"].as_array()?.iter().map(user).collect();
            let who = Who { count: number("count")?, users, anonymous: number("anonymous")? };
            Notice::Presence { id: id?, channel: channel(&example["channel"]), who }
        }
        "messages" if example["messages"] == json!([]) => {
            return Some(parsed(&framing::place(&cursor(example))));
        }
        "messages" => return Some(batch(publications(example), example)),
        "join" => {
            let joined = Publication::joined(channel(&example["channel"]), user(&example["user"]));
            return Some(batch(vec![Arc::new(joined)], example));
        }
        "leave" => {
            let left = Publication::left(channel(&example["channel"]), user(&example["user"]));
            return Some(batch(vec![Arc::new(left)], example));
        }
        "gap" => {
            let of = example.get("channel").map(channel);
            return Some(parsed(&framing::gap(of.as_ref(), &cursor(example))));
        }
        _ => return None,
    };
    let place = Place {
        cursor: cursor(example),
        complete: example["complete"].as_bool().unwrap_or(true),
        publications: publications(example),
    };
    Some(parsed(&notice.encode(&place)))
}

/// These in one batch, with the cursor of the example, if it has one: which place publications have is the log's to say.
fn batch(publications: Vec<Arc<Publication>>, example: &Value) -> Value {
    let publications = publications.into_iter().map(|one| Arc::new(one.into()));
    let elements = framing::elements(&Batch::<()>::new(publications.collect()));
    let [only] = &elements[..] else { panic!("{} elements", elements.len()) };
    let mut made: Value = serde_json::from_slice(only).unwrap();
    if let Some(cursor) = made.get_mut("cursor") {
        *cursor = example["cursor"].clone();
    }
    made
}

fn channel(name: &Value) -> ChannelName {
    ChannelName::new(name.as_str().unwrap()).unwrap()
}

fn user(name: &Value) -> UserId {
    UserId::new(name.as_str().unwrap()).unwrap()
}

/// Where the example is; anywhere, if it does not say so.
fn cursor(example: &Value) -> Cursor {
    example["cursor"].as_str().unwrap_or("1~1.1").parse().unwrap()
}

fn refusal(error: &Value) -> Refusal {
    [Refusal::Token(TokenError::Expired), Refusal::Token(TokenError::Invalid(TokenFlaw::Signature))]
        .into_iter()
        .find(|refusal| error["code"] == refusal.code())
        .unwrap()
}

/// The example's messages, as they were published.
fn publications(example: &Value) -> Vec<Arc<Publication>> {
    let messages = example["messages"].as_array().into_iter().flatten();
    messages.map(|message| Arc::new(publication(message))).collect()
}

fn publication(message: &Value) -> Publication {
    let channels = message["channels"].as_array().into_iter().flatten().chain(message.get("channel"));
    let mut audience: Audience = channels.map(|name| channel(name).into()).collect();
    if message["user"] == true {
        audience.push(user(&json!("42")).into());
    }
    if audience.is_empty() {
        audience = Audience::everyone();
    }
    let data = Bytes::from(message["data"].to_string());
    let push = message["ack"].as_str().map(|id| Push { id: Some(id.into()), ..Push::default() });
    Publication::new(data, message["event"].as_str().map(Into::into), audience).with_push(push)
}
