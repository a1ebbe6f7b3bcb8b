//! What a client may say once it has said `hello`: the client protocol, version 1 (docs/protocol.md).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;
use crate::push::is_message_id;
use crate::subject::ChannelName;

/// The version that is spoken here.
pub const PROTOCOL_VERSION: u64 = 1;

/// Messages that one request for a channel's history may ask for.
pub const HISTORY_LEN_MAX: usize = 100;

/// Largest id of a request: what a number of JavaScript holds (2⁵³ − 1).
pub const ID_MAX: u64 = (1 << 53) - 1;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To be told more than values from now on, and to go on where it was.
    Hello {
        /// As the answer repeats it.
        id: u64,
        /// Of the protocol.
        version: u64,
        /// Where it was.
        cursor: Option<String>,
        /// What it had subscribed to. One that can be none harms no other.
        subscriptions: Vec<Result<Wanted, Unusable>>,
    },
    /// A subscription, or another token for it.
    Subscribe {
        /// As the answer repeats it.
        id: u64,
        /// To what.
        wanted: Wanted,
        /// From which place on.
        since: Option<String>,
    },
    /// The end of one.
    Unsubscribe {
        /// As the answer repeats it.
        id: u64,
        /// To what.
        channel: ChannelName,
    },
    /// The last messages of a channel.
    History {
        /// As the answer repeats it.
        id: u64,
        /// Which.
        channel: ChannelName,
        /// How many: 1 to [`HISTORY_LEN_MAX`].
        last: usize,
    },
    /// Who is in a channel.
    Presence {
        /// As the answer repeats it.
        id: u64,
        /// Which.
        channel: ChannelName,
        /// Whether it wants to hear who comes and goes from now on; `None` leaves that as it is.
        events: Option<bool>,
    },
    /// That a page has shown a message: it is not pushed. Nothing answers this.
    Ack {
        /// The message's id.
        message: String,
    },
}

/// A channel, or the user of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The channel; `None` for the token's user.
    pub channel: Option<ChannelName>,
    /// What allows it; a public channel needs none.
    pub token: Option<String>,
}

/// A subscription that can be none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The channel, as it was said.
    pub channel: Option<String>,
    /// What is wrong.
    pub text: String,
}

/// A message that is none of the protocol's. The text is for the client, and never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RequestError {
    /// Of the request, as far as it could be read.
    pub id: Option<u64>,
    /// What is wrong.
    pub text: String,
}

#[derive(Deserialize)]
struct Fields<'a> {
    name: Option<String>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Ack {
    id: String,
}

#[derive(Deserialize)]
struct Hello {
    version: u64,
    cursor: Option<String>,
    #[serde(default)]
    subscriptions: Vec<RawWanted>,
}

#[derive(Deserialize)]
struct RawWanted {
    channel: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Subscribe {
    #[serde(flatten)]
    wanted: RawWanted,
    since: Option<String>,
}

#[derive(Deserialize)]
struct OfChannel {
    channel: String,
    last: Option<usize>,
    events: Option<bool>,
}

impl Request {
    /// Parses one message. The caller bounds its length.
    ///
    /// # Errors
    ///
    /// [`RequestError`] that says what is wrong. No input makes it panic.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let without_id = |text: &str| RequestError { id: None, text: text.to_owned() };
        let fields: Fields<'_> =
            json::object(text.as_bytes()).map_err(|_| without_id("not a JSON object with a \"name\""))?;
        let (Some(name), Some(data)) = (fields.name, fields.data) else {
            return Err(without_id("a message has a \"name\" and \"data\""));
        };
        if name == "ack" {
            let ack = serde_json::from_str(data.get()).ok().filter(|Ack { id }| is_message_id(id));
            return ack
                .map(|Ack { id }| Self::Ack { message: id })
                .ok_or_else(|| without_id("ack takes the \"id\" of a message, as its \"ack\" has it"));
        }
        let Id { id } = serde_json::from_str(data.get())
            .ok()
            .filter(|id: &Id| id.id <= ID_MAX)
            .ok_or_else(|| without_id("\"data\" has no \"id\", a number from 0 to 2^53 - 1"))?;
        let request = match name.as_str() {
            "hello" => Self::hello(id, data),
            "subscribe" => Self::subscribe(id, data),
            "unsubscribe" => Self::of_channel(data).map(|(channel, _)| Self::Unsubscribe { id, channel }),
            "history" => Self::of_channel(data).and_then(|(channel, of)| match of.last {
                Some(last @ 1..=HISTORY_LEN_MAX) => Ok(Self::History { id, channel, last }),
                _ => Err(format!("\"last\" must be a number from 1 to {HISTORY_LEN_MAX}")),
            }),
            "presence" => {
                Self::of_channel(data).map(|(channel, of)| Self::Presence { id, channel, events: of.events })
            }
            _ => Err("\"name\" is none of hello, subscribe, unsubscribe, history, presence, ack".to_owned()),
        };
        request.map_err(|text| RequestError { id: Some(id), text })
    }

    fn hello(id: u64, data: &RawValue) -> Result<Self, String> {
        let Hello { version, cursor, subscriptions } =
            read(data, "hello takes \"version\", \"cursor\" and \"subscriptions\"")?;
        let wanted = |raw: RawWanted| {
            let channel = raw.channel.clone();
            Wanted::new(raw).map_err(|text| Unusable { channel, text })
        };
        let subscriptions = subscriptions.into_iter().map(wanted).collect();
        Ok(Self::Hello { id, version, cursor, subscriptions })
    }

    fn subscribe(id: u64, data: &RawValue) -> Result<Self, String> {
        let Subscribe { wanted, since } = read(data, "subscribe takes \"channel\", \"token\" and \"since\"")?;
        Ok(Self::Subscribe { id, wanted: Wanted::new(wanted)?, since })
    }

    fn of_channel(data: &RawValue) -> Result<(ChannelName, OfChannel), String> {
        let of: OfChannel = read(data, "\"channel\" is missing or not a string")?;
        Ok((channel(&of.channel)?, of))
    }
}

impl Wanted {
    fn new(RawWanted { channel: name, token }: RawWanted) -> Result<Self, String> {
        let channel = name.as_deref().map(channel).transpose()?;
        if channel.is_none() && token.is_none() {
            return Err("neither a \"channel\" nor a \"token\" is given".to_owned());
        }
        Ok(Self { channel, token })
    }
}

/// What is wrong is said in our words: serde's quote the value, and it may be a token.
fn read<'a, T: Deserialize<'a>>(data: &'a RawValue, otherwise: &str) -> Result<T, String> {
    serde_json::from_str(data.get()).map_err(|_| otherwise.to_owned())
}

fn channel(name: &str) -> Result<ChannelName, String> {
    ChannelName::new(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news() -> ChannelName {
        ChannelName::new("news").unwrap()
    }

    #[test]
    fn requests_are_read() {
        let wanted = |channel, token: Option<&str>| Wanted { channel, token: token.map(str::to_owned) };
        for (text, request) in [
            (
                r#"{"name":"hello","data":{"id":1,"version":1,"cursor":"c","subscriptions":[{"token":"t"},{"channel":"news"},{"channel":""}]}}"#,
                Request::Hello {
                    id: 1,
                    version: 1,
                    cursor: Some("c".to_owned()),
                    subscriptions: vec![
                        Ok(wanted(None, Some("t"))),
                        Ok(wanted(Some(news()), None)),
                        Err(Unusable {
                            channel: Some(String::new()),
                            text: "channel name is empty".to_owned(),
                        }),
                    ],
                },
            ),
            (
                r#"{"name":"subscribe","data":{"id":2,"channel":"news","token":"t","since":"c"}}"#,
                Request::Subscribe {
                    id: 2,
                    wanted: wanted(Some(news()), Some("t")),
                    since: Some("c".to_owned()),
                },
            ),
            (
                r#"{"name":"unsubscribe","data":{"id":9007199254740991,"channel":"news"}}"#,
                Request::Unsubscribe { id: ID_MAX, channel: news() },
            ),
            (
                r#"{"name":"history","data":{"id":0,"channel":"news","last":100}}"#,
                Request::History { id: 0, channel: news(), last: 100 },
            ),
            (
                r#"{"name":"presence","data":{"id":0,"channel":"news"}}"#,
                Request::Presence { id: 0, channel: news(), events: None },
            ),
            (r#"{"name":"ack","data":{"id":"web/42"}}"#, Request::Ack { message: "web/42".to_owned() }),
        ] {
            assert_eq!(Request::parse(text).unwrap(), request, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
        for (text, id, part) in [
            ("secret", None, "not a JSON object"),
            (r#"{"name":"subscribe"}"#, None, "\"data\""),
            (r#"{"name":"subscribe","data":{"token":"secret"}}"#, None, "\"id\""),
            (r#"{"name":"subscribe","data":{"id":-1}}"#, None, "\"id\""),
            (r#"{"name":"subscribe","data":{"id":9007199254740992}}"#, None, "\"id\""),
            (r#"{"name":"secret","data":{"id":1}}"#, Some(1), "none of hello"),
            (r#"{"name":"subscribe","data":{"id":1}}"#, Some(1), "neither"),
            (r#"{"name":"subscribe","data":{"id":1,"token":["secret"]}}"#, Some(1), "subscribe takes"),
            (r#"{"name":"subscribe","data":{"id":1,"channel":""}}"#, Some(1), "empty"),
            (r#"{"name":"hello","data":{"id":1}}"#, Some(1), "hello takes"),
            (r#"{"name":"hello","data":{"id":1,"version":1,"subscriptions":[5]}}"#, Some(1), "hello takes"),
            (r#"{"name":"history","data":{"id":1,"channel":"news","last":101}}"#, Some(1), "1 to 100"),
            (r#"{"name":"history","data":{"id":1,"channel":"news"}}"#, Some(1), "1 to 100"),
            (r#"{"name":"presence","data":{"id":1,"channel":5}}"#, Some(1), "\"channel\""),
            (r#"{"name":"ack","data":{"id":1}}"#, None, "ack takes"),
            (r#"{"name":"ack","data":{"id":""}}"#, None, "ack takes"),
        ] {
            let error = Request::parse(text).unwrap_err();
            assert_eq!(error.id, id, "{text}");
            assert!(error.text.contains(part) && !error.text.contains("secret"), "{text}: {error}");
        }
    }
}
