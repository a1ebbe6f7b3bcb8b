//! An application's message as it travels on ZeroMQ: one JSON object in one part.

use std::collections::HashSet;
use std::hash::Hash;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::{MEDIA_TYPE_BYTES_MAX, media_type};
use crate::json::{self, NotAnObject, one_line};
use crate::publication_id::PublicationId;
use crate::subject::{Audience, CHANNEL_NAME_BYTES_MAX, ChannelName, Subject};
use crate::user::UserId;

pub(crate) const NOTIFY: &str = "notify";
pub(crate) const NOTIFY_ALL: &str = "notify_all";
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const DISCONNECT: &str = "disconnect";
pub(crate) const REVOKE: &str = "revoke";

/// Users, recipients and channels that one envelope may name, together.
pub const SUBJECTS_MAX: usize = 10_000;

/// Longest event name, in bytes of UTF-8.
pub const EVENT_BYTES_MAX: usize = 128;

/// A message from an application.
///
/// | key | value |
/// |---|---|
/// | `name` | `"notify_all"`: for everyone; `"notify"`: for some users; `"publish"`: for whom the next four keys name. `"disconnect"` ends the connections of `users`, `"revoke"` their tokens: [`Asked`] |
/// | `data` | any JSON value; what browsers get |
/// | `users` | user ids: strings or integers |
/// | `recipients` | tokens, each standing for the user it was made for |
/// | `channels` | of `publish` only: names of channels; with `users` and `recipients`, up to [`SUBJECTS_MAX`] |
/// | `everyone` | of `publish` only: `true` for everyone |
/// | `event` | of `publish` only, optional: what kind of message it is, for browsers; 1 to [`EVENT_BYTES_MAX`] bytes |
/// | `media_type` | of `publish` only, optional: `data` is a string and stands for a body of this type ([`Body`](crate::Body)) |
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
}

/// Why bytes are no envelope. The texts never quote the bytes: they may hold tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON.
    #[error("envelope is not JSON, at line {line} column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 if the line has not begun.
        column: usize,
    },
    /// JSON, but not an object; or one that has a key twice.
    #[error("envelope is not a JSON object with distinct keys")]
    NotAnObject,
    /// No `name`.
    #[error("envelope has no \"name\"; it must be \"notify\", \"notify_all\" or \"publish\"")]
    NameMissing,
    /// `name` is something else.
    #[error("envelope's \"name\" is none of \"notify\", \"notify_all\" and \"publish\"")]
    NameUnknown,
    /// No `data`.
    #[error("envelope has no \"data\"")]
    DataMissing,
    /// `data` is longer than a message may be.
    #[error("envelope's \"data\" has {len} bytes, {max} are allowed")]
    DataTooLong {
        /// Its length, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
    /// `users` is something else.
    #[error("envelope's \"users\" is not a list of user ids (strings of 1 to 128 bytes, or integers)")]
    UsersNotIds,
    /// `recipients` is something else.
    #[error("envelope's \"recipients\" is not a list of tokens (strings)")]
    RecipientsNotTokens,
    /// `notify` without `users` and without `recipients`: one of them is misspelt, perhaps.
    #[error(
        "envelope has neither \"users\" nor \"recipients\"; notify is for those they name, notify_all for everyone"
    )]
    UsersMissing,
    /// `disconnect` or `revoke` with something else than `users`.
    #[error(
        "envelope is \"disconnect\" or \"revoke\" and names none, or others than users; it is about \"users\" alone"
    )]
    NotUsersAlone,
    /// `revoke` without a time.
    #[error("envelope is \"revoke\" and its \"data\" is no time in whole Unix seconds")]
    DataNotTime,
    /// `channels` is something else.
    #[error(
        "envelope's \"channels\" is not a list of channel names (strings of 1 to {CHANNEL_NAME_BYTES_MAX} bytes, without \
         control characters, and without a * at the end)"
    )]
    ChannelsNotNames,
    /// `channels` where they would not be heard.
    #[error("envelope has \"channels\" but is not \"publish\"; only that reaches channels")]
    ChannelsNotPublished,
    /// `everyone` is something else.
    #[error("envelope's \"everyone\" is neither true nor false")]
    EveryoneNotBool,
    /// `event` is something else.
    #[error(
        "envelope's \"event\" is not a string of 1 to {EVENT_BYTES_MAX} bytes without control characters"
    )]
    EventMalformed,
    /// `media_type` is something else, or `data` is no string.
    #[error(
        "envelope's \"media_type\" is not a string of 1 to {MEDIA_TYPE_BYTES_MAX} visible ASCII characters, beside \"data\" that is a \
         string"
    )]
    MediaTypeMalformed,
    /// `publish` without anybody it is for: a key is misspelt, perhaps.
    #[error(
        "envelope is \"publish\" but has none of \"channels\", \"users\", \"recipients\" and \"everyone\":true"
    )]
    NobodyNamed,
    /// `users`, `recipients` and `channels` are too many.
    #[error(
        "envelope names {len} users, recipients and channels, {SUBJECTS_MAX} are allowed; send several envelopes"
    )]
    TooManySubjects {
        /// How many they are, each once.
        len: usize,
    },
    /// `publication` is something else.
    #[error(
        "envelope's \"publication\" is not a string like \"publisher/42\": a name (1 to 64 visible ASCII characters), a slash, a number"
    )]
    IdMalformed,
    /// `notify_all` with a list of users: what was meant for some must not go to all.
    #[error("envelope is \"notify_all\" but names users; send \"notify\" to reach only them")]
    EveryoneAndUsers,
}

impl EnvelopeError {
    /// A short name of the kind, for counters and for logging each kind once.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NameMissing => "name_missing",
            Self::NameUnknown => "name_unknown",
            Self::DataMissing => "data_missing",
            Self::DataTooLong { .. } => "data_too_long",
            Self::UsersNotIds => "users_not_ids",
            Self::RecipientsNotTokens => "recipients_not_tokens",
            Self::UsersMissing => "users_missing",
            Self::ChannelsNotNames => "channels_not_names",
            Self::ChannelsNotPublished => "channels_not_published",
            Self::EveryoneNotBool => "everyone_not_bool",
            Self::NotUsersAlone => "not_users_alone",
            Self::DataNotTime => "data_not_time",
            Self::EventMalformed => "event_malformed",
            Self::MediaTypeMalformed => "media_type_malformed",
            Self::NobodyNamed => "nobody_named",
            Self::TooManySubjects { .. } => "too_many_subjects",
            Self::IdMalformed => "id_malformed",
            Self::EveryoneAndUsers => "everyone_and_users",
        }
    }
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
            Ok(DISCONNECT | REVOKE) if users.is_empty() || !recipients.is_empty() => {
                return Err(EnvelopeError::NotUsersAlone);
            }
            Ok(DISCONNECT | REVOKE) => Audience::users(users),
            _ => return Err(EnvelopeError::NameUnknown),
        };
        let asked = match name.as_deref() {
            Ok(DISCONNECT) => Asked::Disconnect,
            Ok(REVOKE) => Asked::Revoke { until: data.parse().map_err(|_| EnvelopeError::DataNotTime)? },
            _ => Asked::Deliver,
        };
        let event = fields.event.filter(|_| publish).map(event).transpose()?;
        let media_type =
            fields.media_type.filter(|_| publish).map(|field| body_type(field, data)).transpose()?;
        let id = fields.publication.map(id).transpose()?;
        Ok(Self { data: one_line(input, data), audience, recipients, event, media_type, asked, id })
    }
}

/// Why a text is no event's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "event name has {len} bytes, of which none may be a control character; 1 to {EVENT_BYTES_MAX} are allowed"
)]
pub struct EventNameError {
    /// Its length, in bytes.
    pub len: usize,
}

/// Takes `text` as an event's name: never empty, at most [`EVENT_BYTES_MAX`] bytes, without control characters.
///
/// # Errors
///
/// [`EventNameError`] for any other text.
pub fn event_name(text: &str) -> Result<&str, EventNameError> {
    let len = text.len();
    if (1..=EVENT_BYTES_MAX).contains(&len) && !text.contains(char::is_control) {
        Ok(text)
    } else {
        Err(EventNameError { len })
    }
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
