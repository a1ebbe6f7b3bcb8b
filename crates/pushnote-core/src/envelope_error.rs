//! What can be wrong with an envelope.

use crate::body::MEDIA_TYPE_BYTES_MAX;
use crate::event::EVENT_BYTES_MAX;
use crate::push::{MESSAGE_ID_BYTES_MAX, PushError};
use crate::subject::{CHANNEL_NAME_BYTES_MAX, SUBJECTS_MAX};

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
    /// `disconnect`, `revoke` or `acknowledge` with something else than `users`.
    #[error(
        "envelope is \"disconnect\", \"revoke\" or \"acknowledge\" and names none, or others than users; it is about \"users\" alone"
    )]
    NotUsersAlone,
    /// `acknowledge` without a message's id.
    #[error(
        "envelope is \"acknowledge\" and its \"data\" is no message's id (a string of 1 to {MESSAGE_ID_BYTES_MAX} bytes without \
         control characters)"
    )]
    DataNotMessageId,
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
    /// `push` is something else.
    #[error("envelope's \"push\": {0}")]
    Push(PushError),
    /// `push` of a message that is not for users alone.
    #[error(
        "envelope has \"push\" and is for others than \"users\" and \"recipients\": of channels, and of everyone, nobody knows who \
         is absent"
    )]
    PushNotToUsers,
    /// `push` of a message that nobody could acknowledge.
    #[error(
        "envelope has \"push\" and neither \"publication\" nor an \"id\" in it: one of them says what is acknowledged"
    )]
    PushWithoutId,
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
            Self::DataNotMessageId => "data_not_message_id",
            Self::Push(_) => "push_malformed",
            Self::PushNotToUsers => "push_not_to_users",
            Self::PushWithoutId => "push_without_id",
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
