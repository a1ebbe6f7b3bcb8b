//! What a browser may say.
//!
//! A message is a JSON object with a `name` and `data`. The one that matters is
//! `{"name":"subscribe","data":{"token":"…"}}`, or with the bare token as `data`. What else may come, and what it
//! leads to:
//!
//! | message | outcome |
//! |---|---|
//! | `subscribe` with a token, in an object or bare | [`ClientCommand::Subscribe`] |
//! | `subscribe` with the token missing, `""`, `null` or `false` (what templates print for a visitor) | ignored |
//! | `{"name":"form","data":"string"}`: a client of SockJS that knows strings alone | [`ClientCommand::UseStrings`] |
//! | `subscribe`, `unsubscribe`, `history` or `presence` with an `id` and a `channel`: a request of the client protocol, which begins with `hello` | [`ClientCommand::TooEarly`] |
//! | `hello`: the first message of the client protocol (docs/protocol.md) | [`ClientCommand::Hello`] |
//! | no `name`, or no `data` | ignored |
//! | another `name`, or one that begins with `_` | ignored |
//! | a JSON list | ignored |
//! | not JSON | [`ClientError::NotJson`] |
//! | a JSON string, number, `true`, `false`, `null`, or an object that has a key twice | [`ClientError::NotAnObject`] |
//! | a `name` that is not a string | [`ClientError::NameNotText`] |
//! | `subscribe` with a token, or `data`, of another type | [`ClientError::TokenNotText`] |
//!
//! After an error the server closes that one connection, with [`CloseCode::BadRequest`](crate::CloseCode::BadRequest);
//! what is ignored may be meant for a newer server, or was harmless with the original one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, NotAnObject};

/// What one message from a browser asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCommand<'a> {
    /// Deliver to this connection what is for the user of `token`, which is not verified yet.
    Subscribe {
        /// Not empty; of any length that the transport lets through.
        token: Cow<'a, str>,
    },
    /// A request of the client protocol, before hello: to be answered, that this is missing.
    TooEarly {
        /// As the answer repeats it.
        id: u64,
    },
    /// Send strings that hold JSON texts from now on, not values.
    UseStrings,
    /// It speaks the client protocol: the message is a [`Request`](crate::Request), as all that follow.
    Hello,
    /// Nothing to do, and nothing wrong.
    Ignored,
}

/// Why a message is not the client protocol. The texts may be shown to the client and never quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Not JSON.
    #[error("message is not JSON, at line {line} column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 if the line has not begun.
        column: usize,
    },
    /// JSON, but not an object; or one that has a key twice.
    #[error(
        "message is not a JSON object with distinct keys, such as {{\"name\":\"subscribe\",\"data\":{{\"token\":\"…\"}}}}"
    )]
    NotAnObject,
    /// `name` is not a string.
    #[error("message's \"name\" is not a string")]
    NameNotText,
    /// The token is not a string.
    #[error("token to subscribe with is not a string")]
    TokenNotText,
}

impl ClientError {
    /// A short name of the kind, for counters.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NameNotText => "name_not_text",
            Self::TokenNotText => "token_not_text",
        }
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "json::field")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Subscription<'a> {
    #[serde(borrow, default, deserialize_with = "json::field")]
    token: Option<&'a RawValue>,
}

impl<'a> ClientCommand<'a> {
    /// Parses one message, as the table of this module says. The caller bounds its length.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if it is not the client protocol. No input makes it panic.
    pub fn parse(text: &'a str) -> Result<Self, ClientError> {
        let fields: Fields<'a> = match json::object(text.as_bytes()) {
            Ok(fields) => fields,
            Err(NotAnObject::List) => return Ok(Self::Ignored),
            Err(NotAnObject::Other) => return Err(ClientError::NotAnObject),
            Err(NotAnObject::Malformed { line, column }) => {
                return Err(ClientError::NotJson { line, column });
            }
        };
        let (Some(name), Some(data)) = (fields.name, fields.data) else { return Ok(Self::Ignored) };
        let name = string(name).ok_or(ClientError::NameNotText)?;
        if let ("subscribe" | "unsubscribe" | "history" | "presence", Some(id)) = (&*name, request_id(data)) {
            return Ok(Self::TooEarly { id });
        }
        match name.as_ref() {
            "subscribe" => Self::subscribe(data),
            "hello" => Ok(Self::Hello),
            "form" if data.get() == "\"string\"" => Ok(Self::UseStrings),
            _ => Ok(Self::Ignored),
        }
    }

    fn subscribe(data: &'a RawValue) -> Result<Self, ClientError> {
        let token = if data.get().starts_with('{') {
            let subscription: Subscription<'a> =
                json::object(data.get().as_bytes()).map_err(|_| ClientError::NotAnObject)?;
            subscription.token
        } else {
            Some(data)
        };
        match token.map(RawValue::get) {
            None | Some("null" | "false") => Ok(Self::Ignored),
            Some(raw) => match serde_json::from_str(raw) {
                Ok(Text(token)) if token.is_empty() => Ok(Self::Ignored),
                Ok(Text(token)) => Ok(Self::Subscribe { token }),
                Err(_) => Err(ClientError::TokenNotText),
            },
        }
    }
}

/// The id of what only a client can mean that knows the client protocol: the original has neither ids nor channels.
fn request_id(data: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct OfChannel<'a> {
        id: u64,
        #[serde(borrow, rename = "channel")]
        _channel: &'a RawValue,
    }
    json::object(data.get().as_bytes()).ok().map(|of: OfChannel<'_>| of.id)
}

/// A string that is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(token: &str) -> Result<ClientCommand<'_>, ClientError> {
        Ok(ClientCommand::Subscribe { token: token.into() })
    }

    #[test]
    fn subscribes_with_a_token_in_an_object_or_bare() {
        for text in [
            r#"{"name":"subscribe","data":{"token":"42:abc"}}"#,
            r#"{"name":"subscribe","data":"42:abc"}"#,
            r#" { "data" : { "more": [1], "token" : "42:abc" } , "id": 1, "name" : "subscribe" } "#,
            r#"{"name":"sub\u0073cribe","data":{"token":"42\u003aabc"}}"#,
        ] {
            assert_eq!(ClientCommand::parse(text), subscribe("42:abc"), "{text}");
        }
    }

    #[test]
    fn borrows_a_plain_token() {
        let Ok(ClientCommand::Subscribe { token }) =
            ClientCommand::parse(r#"{"name":"subscribe","data":"42:abc"}"#)
        else {
            panic!("no subscription");
        };
        assert!(matches!(token, Cow::Borrowed(_)));
    }

    #[test]
    fn strings_may_be_asked_for() {
        assert_eq!(ClientCommand::parse(r#"{"name":"form","data":"string"}"#), Ok(ClientCommand::UseStrings));
        for other in [r#"{"name":"form","data":"value"}"#, r#"{"name":"form","data":["string"]}"#] {
            assert_eq!(ClientCommand::parse(other), Ok(ClientCommand::Ignored), "{other}");
        }
    }

    #[test]
    fn a_request_of_the_client_protocol_comes_after_hello() {
        for name in ["subscribe", "unsubscribe", "history", "presence"] {
            let text = format!(r#"{{"name":"{name}","data":{{"id":7,"channel":"news","token":"42:abc"}}}}"#);
            assert_eq!(ClientCommand::parse(&text), Ok(ClientCommand::TooEarly { id: 7 }));
        }
        assert_eq!(
            ClientCommand::parse(r#"{"name":"news","data":{"id":7,"channel":"news"}}"#),
            Ok(ClientCommand::Ignored)
        );
        // As the original has it, whatever else stands there.
        for data in [r#"{"id":7,"token":"42:abc"}"#, r#"{"id":"7","channel":"news","token":"42:abc"}"#] {
            let text = format!(r#"{{"name":"subscribe","data":{data}}}"#);
            assert_eq!(ClientCommand::parse(&text), subscribe("42:abc"), "{data}");
        }
    }

    #[test]
    fn ignores_what_means_nothing() {
        for text in [
            "[]",
            "[1,2]",
            r#"["name","data"]"#,
            "{}",
            r#"{"name":"subscribe"}"#,
            r#"{"data":{"token":"42:abc"}}"#,
            r#"{"name":5}"#,
            r#"{"name":"_subscribe","data":{"token":"42:abc"}}"#,
            r#"{"name":"__class__","data":{}}"#,
            r#"{"name":"unsubscribe","data":{"token":"42:abc"}}"#,
            r#"{"name":"conn","data":{}}"#,
            r#"{"name":"Subscribe","data":"42:abc"}"#,
            r#"{"name":"","data":1}"#,
            r#"{"name":"subscribe","data":{}}"#,
            r#"{"name":"subscribe","data":{"token":""}}"#,
            r#"{"name":"subscribe","data":{"token":null}}"#,
            r#"{"name":"subscribe","data":{"token":false}}"#,
            r#"{"name":"subscribe","data":""}"#,
            r#"{"name":"subscribe","data":null}"#,
            r#"{"name":"subscribe","data":false}"#,
        ] {
            assert_eq!(ClientCommand::parse(text), Ok(ClientCommand::Ignored), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in
            ["", " ", "nonsense", "{", r#"{"name":"subscribe""#, "[", "[1,]", "{} {}", "\u{0}", "{'name':1}"]
        {
            assert!(matches!(ClientCommand::parse(text), Err(ClientError::NotJson { .. })), "{text}");
        }
        assert_eq!(ClientCommand::parse("{\n \"name\" 1}"), Err(ClientError::NotJson { line: 2, column: 9 }));
    }

    #[test]
    fn refuses_wrong_shapes() {
        for text in ["5", "\"subscribe\"", "true", "false", "null", r#"{"name":"a","name":"b","data":1}"#] {
            assert_eq!(ClientCommand::parse(text), Err(ClientError::NotAnObject), "{text}");
        }
        for name in ["5", "null", "[]", "{}", "true", r#""\ud800""#] {
            let text = format!(r#"{{"name":{name},"data":{{}}}}"#);
            assert_eq!(ClientCommand::parse(&text), Err(ClientError::NameNotText), "{text}");
        }
        for token in ["5", "true", "[]", r#"["42:abc"]"#, r#""\ud800""#] {
            for data in [token.to_owned(), format!(r#"{{"token":{token}}}"#)] {
                let text = format!(r#"{{"name":"subscribe","data":{data}}}"#);
                assert_eq!(ClientCommand::parse(&text), Err(ClientError::TokenNotText), "{text}");
            }
        }
        let nested = r#"{"name":"subscribe","data":{"token":{"token":"42:abc"}}}"#;
        assert_eq!(ClientCommand::parse(nested), Err(ClientError::TokenNotText));
        let twice = r#"{"name":"subscribe","data":{"token":"a","token":"b"}}"#;
        assert_eq!(ClientCommand::parse(twice), Err(ClientError::NotAnObject));
    }

    #[test]
    fn survives_deep_nesting() {
        let deep = format!(r#"{{"name":"subscribe","data":{}}}"#, "[".repeat(100_000) + &"]".repeat(100_000));
        assert_eq!(ClientCommand::parse(&deep), Err(ClientError::TokenNotText));
        assert_eq!(
            ClientCommand::parse(&("[".repeat(100_000) + &"]".repeat(100_000))),
            Ok(ClientCommand::Ignored)
        );
        assert!(matches!(ClientCommand::parse(&"[".repeat(100_000)), Err(ClientError::NotJson { .. })));
    }

    #[test]
    fn errors_never_quote_the_message() {
        for text in [
            "42:secret",
            r#"{"name":["42:secret"],"data":1}"#,
            r#"{"name":"subscribe","data":["42:secret"]}"#,
        ] {
            let error = ClientCommand::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(!error.kind().is_empty());
        }
    }
}
