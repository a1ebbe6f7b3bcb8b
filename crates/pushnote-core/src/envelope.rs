//! An application's message as it travels on ZeroMQ: one JSON object in one part.

use std::collections::HashSet;
use std::hash::Hash;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::media_type;
pub use crate::envelope_error::EnvelopeError;
pub use crate::event::{EVENT_BYTES_MAX, EventNameError, event_name};
use crate::json::{self, NotAnObject, one_line};
use crate::publication_id::PublicationId;
use crate::push::{Push, is_message_id};
pub use crate::subject::SUBJECTS_MAX;
use crate::subject::{Audience, ChannelName, Subject};
use crate::user::UserId;

pub(crate) const NOTIFY: &str = "notify";
pub(crate) const NOTIFY_ALL: &str = "notify_all";
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const DISCONNECT: &str = "disconnect";
pub(crate) const REVOKE: &str = "revoke";
pub(crate) const ACKNOWLEDGE: &str = "acknowledge";

/// A message from an application.
///
/// | key | value |
/// |---|---|
/// | `name` | `"notify_all"`: for everyone; `"notify"`: for some users; `"publish"`: for whom the next four keys name. `"disconnect"` ends the connections of `users`, `"revoke"` their tokens, `"acknowledge"` says that they have seen a message: [`Asked`] |
/// | `data` | any JSON value; what browsers get |
/// | `users` | user ids: strings or integers |
/// | `recipients` | tokens, each standing for the user it was made for |
/// | `channels` | of `publish` only: names of channels; with `users` and `recipients`, up to [`SUBJECTS_MAX`] |
/// | `everyone` | of `publish` only: `true` for everyone |
/// | `event` | of `publish` only, optional: what kind of message it is, for browsers; 1 to [`EVENT_BYTES_MAX`] bytes |
/// | `media_type` | of `publish` only, optional: `data` is a string and stands for a body of this type ([`Body`](crate::Body)) |
/// | `push` | of `notify` and `publish` for users alone, optional: the Web Push that follows where none of a user's pages acknowledges it ([`Push`]) |
/// | `publication` | optional: `"publisher/number"`, by which a message that comes twice is known ([`PublicationId`]) |
///
/// Other keys are skipped, so that newer publishers can talk to older servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The payload: one JSON value as text without line breaks, byte for byte as it was published (a slice of
    /// the parsed bytes, unless it had line breaks). Line breaks would end a frame of the event stream and of
    /// the XHR transports too early.
    pub data: Bytes,
    /// Whom it names: everyone, its `channels`, its `users`, in their order and each once.
    pub audience: Audience,
    /// Tokens of further users, to be verified and reduced to ids.
    pub recipients: Vec<String>,
    /// What kind of message it is, if the publisher says so: as [`event_name`] takes it.
    pub event: Option<Box<str>>,
    /// What the string stands for, if `data` is not the value itself.
    pub media_type: Option<Box<str>>,
    /// What follows if no page acknowledges it; with its id.
    pub push: Option<Box<Push>>,
    /// What it asks for.
    pub asked: Asked,
    /// Which message of its publisher it is, if the publisher says so.
    pub id: Option<PublicationId>,
}

/// What an envelope asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// To deliver `data`.
    #[default]
    Deliver,
    /// To end the connections of its users, which have no right to come back by themselves.
    Disconnect,
    /// To take no token of its users any more that was made until then, and to end their connections, which come back if they
    /// get another token: `data` is that time, in Unix seconds.
    Revoke {
        /// It.
        until: u64,
    },
    /// To push a message no more to its users, who have acknowledged it at another server: `data` is its id, as JSON.
    Acknowledge,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "json::field")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    users: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    recipients: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    everyone: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    event: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    media_type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    push: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    publication: Option<&'a RawValue>,
}

impl Envelope {
    /// Parses one envelope. `data` may have up to `data_bytes_max` bytes
    /// ([`Limits::message_bytes_max`](crate::Limits::message_bytes_max)).
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`] for anything but an envelope. No input makes it panic.
    pub fn parse(input: &Bytes, data_bytes_max: usize) -> Result<Self, EnvelopeError> {
        let fields: Fields<'_> = json::object(input).map_err(|error| match error {
            NotAnObject::Malformed { line, column } => EnvelopeError::NotJson { line, column },
            NotAnObject::List | NotAnObject::Other => EnvelopeError::NotAnObject,
        })?;
        let name = fields.name.ok_or(EnvelopeError::NameMissing)?;
        let data = fields.data.ok_or(EnvelopeError::DataMissing)?.get();
        if data.len() > data_bytes_max {
            return Err(EnvelopeError::DataTooLong { len: data.len(), max: data_bytes_max });
        }
        let users: Vec<UserId> = each_once(list(fields.users).ok_or(EnvelopeError::UsersNotIds)?);
        let recipients: Vec<String> =
            each_once(list(fields.recipients).ok_or(EnvelopeError::RecipientsNotTokens)?);
        let name = serde_json::from_str::<String>(name.get());
        let publish = matches!(name.as_deref(), Ok(PUBLISH));
        if !publish && fields.channels.is_some() {
            return Err(EnvelopeError::ChannelsNotPublished);
        }
        let channels: Vec<ChannelName> =
            each_once(list(fields.channels).ok_or(EnvelopeError::ChannelsNotNames)?);
        let len = users.len() + recipients.len() + channels.len();
        if len > SUBJECTS_MAX {
            return Err(EnvelopeError::TooManySubjects { len });
        }
        let names_users = fields.users.is_some() || fields.recipients.is_some();
        let audience = match name.as_deref() {
            Ok(NOTIFY) if !names_users => return Err(EnvelopeError::UsersMissing),
            Ok(NOTIFY) => Audience::users(users),
            Ok(NOTIFY_ALL) if users.is_empty() && recipients.is_empty() => Audience::everyone(),
            Ok(NOTIFY_ALL) => return Err(EnvelopeError::EveryoneAndUsers),
            Ok(PUBLISH) => {
                let everyone = fields.everyone.map(everyone).transpose()?.unwrap_or(false);
                if !everyone && !names_users && fields.channels.is_none() {
                    return Err(EnvelopeError::NobodyNamed);
                }
                let everyone = everyone.then_some(Subject::Everyone).into_iter();
                let channels = channels.into_iter().map(Subject::Channel);
                everyone.chain(channels).chain(users.into_iter().map(Subject::User)).collect()
            }
            Ok(DISCONNECT | REVOKE | ACKNOWLEDGE) if users.is_empty() || !recipients.is_empty() => {
                return Err(EnvelopeError::NotUsersAlone);
            }
            Ok(DISCONNECT | REVOKE | ACKNOWLEDGE) => Audience::users(users),
            _ => return Err(EnvelopeError::NameUnknown),
        };
        let asked = asked(name.as_deref().unwrap_or_default(), data)?;
        let event = fields.event.filter(|_| publish).map(event).transpose()?;
        let media_type =
            fields.media_type.filter(|_| publish).map(|field| body_type(field, data)).transpose()?;
        let id = fields.publication.map(id).transpose()?;
        let users_alone = asked == Asked::Deliver
            && audience.subjects().iter().all(|subject| matches!(subject, Subject::User(_)));
        let push = fields.push.map(|field| push(field, users_alone, id.as_ref())).transpose()?;
        Ok(Self { data: one_line(input, data), audience, recipients, event, media_type, push, asked, id })
    }
}

fn asked(name: &str, data: &str) -> Result<Asked, EnvelopeError> {
    match name {
        DISCONNECT => Ok(Asked::Disconnect),
        REVOKE => Ok(Asked::Revoke { until: data.parse().map_err(|_| EnvelopeError::DataNotTime)? }),
        ACKNOWLEDGE => match serde_json::from_str::<String>(data) {
            Ok(id) if is_message_id(&id) => Ok(Asked::Acknowledge),
            _ => Err(EnvelopeError::DataNotMessageId),
        },
        _ => Ok(Asked::Deliver),
    }
}

/// What follows the message, with the id that it is acknowledged by.
fn push(
    field: &RawValue,
    users_alone: bool,
    publication: Option<&PublicationId>,
) -> Result<Box<Push>, EnvelopeError> {
    if !users_alone {
        return Err(EnvelopeError::PushNotToUsers);
    }
    let mut push = Push::parse(field.get().as_bytes()).map_err(EnvelopeError::Push)?;
    if push.id.is_none() {
        let id = publication.ok_or(EnvelopeError::PushWithoutId)?;
        push.id = Some(id.to_string().into());
    }
    Ok(Box::new(push))
}

fn event(field: &RawValue) -> Result<Box<str>, EnvelopeError> {
    let text: String = serde_json::from_str(field.get()).map_err(|_| EnvelopeError::EventMalformed)?;
    event_name(&text).map(Box::from).map_err(|_| EnvelopeError::EventMalformed)
}

fn body_type(field: &RawValue, data: &str) -> Result<Box<str>, EnvelopeError> {
    let text = serde_json::from_str::<String>(field.get()).map_err(|_| EnvelopeError::MediaTypeMalformed)?;
    match media_type(&text) {
        Ok(text) if data.starts_with('"') => Ok(text.into()),
        _ => Err(EnvelopeError::MediaTypeMalformed),
    }
}

fn everyone(field: &RawValue) -> Result<bool, EnvelopeError> {
    serde_json::from_str(field.get()).map_err(|_| EnvelopeError::EveryoneNotBool)
}

fn id(field: &RawValue) -> Result<PublicationId, EnvelopeError> {
    let text: String = serde_json::from_str(field.get()).map_err(|_| EnvelopeError::IdMalformed)?;
    text.parse().map_err(|_| EnvelopeError::IdMalformed)
}

/// The items of an optional list; `None` if it is something else. What is wrong is not passed on: serde's
/// texts quote the value, and it may be a token.
fn list<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Option<Vec<T>> {
    match field {
        None => Some(Vec::new()),
        Some(raw) => serde_json::from_str(raw.get()).ok(),
    }
}

/// The items without those that stand before, in their order.
fn each_once<T: Eq + Hash>(items: Vec<T>) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let mut seen = HashSet::with_capacity(items.len());
    let first: Vec<bool> = items.iter().map(|item| seen.insert(item)).collect();
    items.into_iter().zip(first).filter_map(|(item, first)| first.then_some(item)).collect()
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
