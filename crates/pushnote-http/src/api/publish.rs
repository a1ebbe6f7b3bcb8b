//! `POST /v1/publish`: one message, or many.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::StatusCode;
use pushnote_core::body::media_type;
use pushnote_core::envelope::{SUBJECTS_MAX, event_name};
use pushnote_core::push::is_message_id;
use pushnote_core::{Audience, Body, ChannelName, Subject, UserId};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::keys::ApiKey;
use super::push_option::PushOption;
use super::receipt::Receipt;
use super::recent::{Known, Recent};
use crate::context::Context;
use crate::problem::Problem;
use crate::publisher::{Message, PublishError, Published};

const EXAMPLE: &str = r#"{"channels":["news"],"data":"Hi"}"#;

/// Messages in one request at most.
pub(crate) const MESSAGES_MAX: usize = 1000;

/// Of a message with `push` at a server without Web Push.
const NOT_PUSHED: &str = "it is delivered, but not pushed by this server, which has no Web Push";

/// Longest `id`, in bytes.
pub(super) const ID_BYTES_MAX: usize = 128;

/// A message, and whom it is for: everyone, users, channels, in any mixture; each connection gets it once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish<'a> {
    /// The message: any JSON value.
    #[serde(borrow)]
    #[schema(value_type = serde_json::Value)]
    data: &'a RawValue,
    /// For every browser.
    #[serde(default)]
    everyone: bool,
    /// For those who have subscribed to these channels.
    #[serde(default, deserialize_with = "channels")]
    #[schema(value_type = Vec<String>, example = json!(["news"]))]
    channels: Vec<ChannelName>,
    /// For the browsers of these users: ids as text or integers.
    #[serde(default, deserialize_with = "users")]
    #[schema(value_type = Vec<UserName>, example = json!(["42", 43]))]
    users: Vec<UserId>,
    /// What kind of message it is, for scripts in browsers to tell by: 1 to 128 bytes.
    event: Option<String>,
    /// If `data` is a string that stands for a body of another type: which, as in `text/plain`.
    media_type: Option<String>,
    /// Of a message that may be sent twice: within five minutes, the second one is answered like the first, and not
    /// published. 1 to 128 bytes.
    id: Option<String>,
    /// What follows, by Web Push, to the devices of each of its users of whom no page has acknowledged it in time. Of messages
    /// for users alone.
    #[schema(value_type = Option<PushOption>)]
    push: Option<Box<PushOption>>,
}

/// A user's id.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what UserId reads")]
pub(super) enum UserName {
    Text(String),
    Number(i64),
}

/// What is answered: a receipt for a message, and a list of them for a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Receipts {
    One(Receipt),
    Many(Vec<Receipt>),
}

/// A message, checked.
struct Checked {
    message: Message,
    id: Option<String>,
}

/// Publishes what the body of a request says.
pub(crate) async fn publish(
    context: &Context,
    recent: &Recent,
    key: &ApiKey,
    body: &Bytes,
) -> Result<Receipts, Problem> {
    let data_bytes_max = context.limits.message_bytes_max;
    if body.trim_ascii_start().starts_with(b"[") {
        let many: Vec<Publish<'_>> = parse(body, EXAMPLE)?;
        let len = many.len();
        if !(1..=MESSAGES_MAX).contains(&len) {
            return Err(Problem::malformed(format!(
                "the list has {len} messages, 1 to {MESSAGES_MAX} are allowed"
            )));
        }
        let checked = many
            .into_iter()
            .enumerate()
            .map(|(at, message)| check(message, key, body, data_bytes_max).map_err(|problem| (at, problem)));
        let published = match checked.collect() {
            Ok(checked) => publish_all(context, recent, key, checked).await,
            Err(fault) => Err(fault),
        };
        let within = |(at, problem): (usize, Problem)| problem.within(&format!("message {at} of the list"));
        return published.map(Receipts::Many).map_err(within);
    }
    let checked = check(parse(body, EXAMPLE)?, key, body, data_bytes_max)?;
    let published = publish_all(context, recent, key, vec![checked]).await;
    let mut receipts = published.map_err(|(_, problem)| problem)?;
    receipts.pop().map(Receipts::One).ok_or_else(|| Problem::malformed("there is no message"))
}

/// Publishes them in their order; those whose id is known are not published again. If the id of one is another message's, or is
/// being published, none is. An error says which message it is about.
async fn publish_all(
    context: &Context,
    recent: &Recent,
    key: &ApiKey,
    all: Vec<Checked>,
) -> Result<Vec<Receipt>, (usize, Problem)> {
    let (mut slots, mut messages) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (at, Checked { message, id }) in all.into_iter().enumerate() {
        let begin = |id: &String| recent.begin(&key.name, id, fingerprint(&message));
        let known = id.as_ref().map_or(Known::New, begin);
        let refused = match known {
            Known::Receipt(receipt) => {
                slots.push(Slot::Known(receipt));
                continue;
            }
            Known::New => {
                let id_of_push = message.push.as_ref().and_then(|push| push.id.as_deref());
                slots.push(Slot::New {
                    given: id_of_push.map(str::to_owned),
                    id,
                    connections: connections(context, &message.audience),
                });
                messages.push(message);
                continue;
            }
            Known::Another => (
                "id_in_use",
                "id: a message that is not the same, byte for byte, had this id within the last five minutes",
            ),
            Known::Pending => ("id_pending", "id: a message with this id is being published; ask again"),
        };
        forget(recent, key, &slots);
        return Err((at, Problem::new(StatusCode::CONFLICT, refused.0, refused.1)));
    }
    let mut published = context.publisher.publish_all(messages).await.into_iter();
    let receipts: Vec<_> = slots
        .into_iter()
        .map(|slot| match slot {
            Slot::Known(receipt) => Ok(receipt),
            Slot::New { id, given, connections } => {
                let warning = given.as_ref().filter(|_| !context.socket_first.pushes()).map(|_| NOT_PUSHED);
                let given = id.clone().or(given);
                let receipt = match published.next() {
                    Some(Ok(published)) => Ok(receipt(context, published, given, connections, warning)),
                    Some(Err(error)) => Err(error.into()),
                    None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "it was left out")),
                };
                id.iter().for_each(|id| recent.end(&key.name, id, receipt.as_ref().ok()));
                receipt
            }
        })
        .collect();
    // All have ended by now, also those behind one that failed.
    receipts.into_iter().enumerate().map(|(at, receipt)| receipt.map_err(|problem| (at, problem))).collect()
}

/// What comes of a message.
enum Slot {
    Known(Receipt),
    New {
        /// Its id, of one that may come again.
        id: Option<String>,
        /// The id that it was given here, if it was.
        given: Option<String>,
        connections: u64,
    },
}

/// They are not published after all.
fn forget(recent: &Recent, key: &ApiKey, slots: &[Slot]) {
    for slot in slots {
        if let Slot::New { id: Some(id), .. } = slot {
            recent.end(&key.name, id, None);
        }
    }
}

fn receipt(
    context: &Context,
    published: Published,
    id: Option<String>,
    connections: u64,
    warning: Option<&'static str>,
) -> Receipt {
    let Published { offset, receipt } = published;
    let cursor = offset.map(|offset| context.hub.cursor(offset + 1).to_string());
    let servers = receipt.as_ref().map(|receipt| receipt.servers);
    let given = || match (offset, receipt) {
        (Some(offset), _) => format!("{:x}-{offset}", context.hub.epoch()),
        (None, Some(receipt)) => receipt.id,
        (None, None) => format!("{:016x}", getrandom::u64().unwrap_or_default()),
    };
    Receipt { id: id.unwrap_or_else(given), offset, cursor, connections, servers, warning }
}

fn connections(context: &Context, audience: &Audience) -> u64 {
    let subjects = audience.subjects();
    // All are among those.
    let subjects = match subjects.contains(&Subject::Everyone) {
        true => &[Subject::Everyone][..],
        false => subjects,
    };
    subjects.iter().map(|subject| context.hub.connections(subject) as u64).sum()
}

/// What the body of a request says, or an example of one.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        let meant = meant(&error).map(|meant| format!("; is {meant} meant?")).unwrap_or_default();
        Problem::malformed(format!(
            "the body is not the JSON that it should be: {error}{meant}; for example {example}"
        ))
    })
}

/// Of an error about a field that is unknown, the known one that begins like it: `channels` of `channel`.
fn meant(error: &str) -> Option<&str> {
    let mut names = error.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?.to_lowercase();
    let like = |name: &&str| name.starts_with(&unknown) || unknown.starts_with(name);
    // "id" begins too many words.
    names.find(|name| unknown.len() > 1 && name.len() > 2 && like(name))
}

fn channels<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ChannelName>, D::Error> {
    list(from, r#"channels to be a list, as in ["news"]"#)
}

pub(super) fn users<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<UserId>, D::Error> {
    list(from, r#"users to be a list, as in ["42"]"#)
}

/// A list; `expected` says so where something else is there.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
    expected: &'static str,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(&'static str, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(all))
        }
    }

    from.deserialize_seq(List(expected, PhantomData))
}

fn check(
    publish: Publish<'_>,
    key: &ApiKey,
    body: &Bytes,
    data_bytes_max: usize,
) -> Result<Checked, Problem> {
    let Publish { data, everyone, channels, users, event, media_type: of_type, id, push } = publish;
    let everyone = everyone.then_some(Subject::Everyone).into_iter();
    let channels = channels.into_iter().map(Subject::Channel);
    let mut subjects: Vec<_> = everyone.chain(channels).chain(users.into_iter().map(Subject::User)).collect();
    if subjects.len() > 1 {
        let mut seen = HashSet::new();
        subjects.retain(|subject| seen.insert(subject.clone()));
    }
    let audience = Audience::from_iter(subjects);
    if audience.is_empty() {
        return Err(Problem::malformed("it is for nobody: give channels, users, or \"everyone\":true"));
    }
    let (len, max) = (data.get().len(), data_bytes_max);
    if len > max {
        return Err(PublishError::TooLong { len, max }.into());
    }
    let len = audience.subjects().len();
    if len > SUBJECTS_MAX {
        return Err(PublishError::TooManySubjects { len }.into());
    }
    key.allow(&audience)?;
    let event = event.as_deref().map(event_name).transpose();
    let event = event.map_err(|error| Problem::malformed(format!("event: {error}")))?.map(Box::from);
    if let Some(id) = id.as_ref().filter(|id| id.is_empty() || id.len() > ID_BYTES_MAX) {
        let len = id.len();
        return Err(Problem::malformed(format!("id: it has {len} bytes, 1 to {ID_BYTES_MAX} are allowed")));
    }
    let mut body = Body::from(pushnote_core::one_line(body, data.get()));
    if let Some(of_type) = of_type {
        let of_type =
            media_type(&of_type).map_err(|error| Problem::malformed(format!("media_type: {error}")))?;
        if !data.get().starts_with('"') {
            return Err(Problem::malformed("media_type: beside it, data is a string"));
        }
        body.media_type = Some(of_type.into());
    }
    let mut push = push.map(|push| push.checked(&audience)).transpose()?.map(Box::new);
    if let Some(push) = &mut push {
        push.id = Some(message_id(id.as_deref())?);
    }
    Ok(Checked { message: Message { body, event, audience, push }, id })
}

/// By what a message is acknowledged and asked for: its own id, or one that it is given.
fn message_id(own: Option<&str>) -> Result<Box<str>, Problem> {
    match own {
        Some(id) if !is_message_id(id) => {
            Err(Problem::malformed("id: of a message with push, it has no control characters"))
        }
        Some(id) => Ok(id.into()),
        None => Ok(format!("{:016x}", getrandom::u64().unwrap_or_default()).into()),
    }
}

/// Tells one message from another.
fn fingerprint(Message { body, event, audience, push }: &Message) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (body, audience, event, push).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_said_with_what_is_wrong() {
        for (body, said) in [
            (
                r#"{"data":1,"users":"42"}"#,
                r#"invalid type: string "42", expected users to be a list, as in ["42"]"#,
            ),
            (r#"{"data":1,"channels":"a"}"#, r#"expected channels to be a list, as in ["news"]"#),
            (r#"{"data":1,"channel":["a"]}"#, "; is channels meant?; for example {"),
            (r#"{"data":1,"User":["a"]}"#, "; is users meant?"),
            (r#"{"data":1,"everyone_":true}"#, "; is everyone meant?"),
            (r#"{"message":1}"#, "expected one of `data`"),
        ] {
            let problem = parse::<Publish<'_>>(body.as_bytes(), EXAMPLE).unwrap_err();
            assert!(format!("{problem:?}").replace("\\\"", "\"").contains(said), "{body}: {problem:?}");
        }
        let both: Publish<'_> = parse(br#"{"data":1,"users":[42,"43"],"channels":["a"]}"#, EXAMPLE).unwrap();
        assert_eq!((both.users.len(), both.channels.len()), (2, 1));
    }
}
