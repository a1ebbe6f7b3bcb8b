//! What the client protocol answers (docs/protocol.md).

use pushnote_core::{ChannelName, Subject, UserId};
use pushnote_hub::Place;
use serde_json::{Value, json};

use crate::framing;
use crate::presence::Who;
use crate::rights::Refusal;

/// An answer, or what the server has to say of itself.
#[derive(Debug)]
pub(crate) enum Notice {
    Welcome { id: u64, refused: Vec<Value> },
    Subscribed { id: u64, subject: Subject },
    Unsubscribed { id: u64, channel: ChannelName },
    Expired { subject: Subject },
    History { id: u64, channel: ChannelName },
    Presence { id: u64, channel: ChannelName, who: Who },
    Error { id: Option<u64>, code: &'static str, text: String },
}

impl Notice {
    /// The answer to a request that is refused.
    pub(crate) fn refusal(id: u64, refusal: &Refusal) -> Self {
        Self::Error { id: Some(id), code: refusal.code(), text: refusal.to_string() }
    }

    /// Its JSON, at the receiver's place.
    pub(crate) fn encode(&self, place: &Place) -> String {
        let (cursor, complete) = (place.cursor.to_string(), place.complete);
        match self {
            Self::Welcome { id, refused } => {
                let version = pushnote_core::request::PROTOCOL_VERSION;
                let mut welcome = json!({"type": "welcome", "id": id, "version": version, "cursor": cursor, "complete": complete});
                if !refused.is_empty() {
                    welcome["errors"] = json!(refused);
                }
                welcome.to_string()
            }
            Self::Subscribed { id, subject } => {
                let mut subscribed =
                    json!({"type": "subscribed", "id": id, "cursor": cursor, "complete": complete});
                name(&mut subscribed, subject);
                match place.publications.as_slice() {
                    [] => subscribed.to_string(),
                    past => {
                        framing::with_messages(&subscribed, past.iter().map(|publication| &**publication))
                    }
                }
            }
            Self::Unsubscribed { id, channel } => {
                json!({"type": "unsubscribed", "id": id, "channel": channel.as_str()}).to_string()
            }
            Self::Expired { subject } => {
                let mut expired = json!({"type": "expired", "cursor": cursor});
                name(&mut expired, subject);
                expired.to_string()
            }
            Self::History { id, channel } => {
                let head =
                    json!({"type": "history", "id": id, "channel": channel.as_str(), "complete": complete});
                framing::with_messages(&head, place.publications.iter().map(|publication| &**publication))
            }
            Self::Presence { id, channel, who: Who { count, users, anonymous } } => {
                let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
                json!({
                    "type": "presence", "id": id, "channel": channel.as_str(),
                    "count": count, "users": users, "anonymous": anonymous,
                })
                .to_string()
            }
            Self::Error { id, code, text } => {
                let mut error = json!({"type": "error", "code": code, "text": text});
                if let Some(id) = id {
                    error["id"] = json!(id);
                }
                error.to_string()
            }
        }
    }
}

/// A subscription that `hello` named and that was refused.
pub(crate) fn refused(channel: Option<&str>, code: &str, text: &str) -> Value {
    let mut refused = json!({"code": code, "text": text});
    if let Some(channel) = channel {
        refused["channel"] = json!(channel);
    }
    refused
}

fn name(value: &mut Value, subject: &Subject) {
    match subject {
        Subject::Channel(channel) => value["channel"] = json!(channel.as_str()),
        Subject::User(user) => value["user"] = json!(user.as_str()),
        Subject::Everyone | Subject::Presence(_) => {}
    }
}

#[cfg(test)]
mod tests;
