//! What flask-sse publishes in Redis: `["event","data"]` (DazWorrall's), or `{"data":…,"type":…,"id":…,"retry":…}`
//! (version 1.0.0).

use bytes::Bytes;
use pushnote_core::Body;
use pushnote_core::envelope::{EventNameError, event_name};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) body: Body,
    pub(super) event: Option<Box<str>>,
}

/// Why a payload is none of these.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PayloadError {
    #[error(
        "payload of {len} bytes is neither a JSON array [\"event\",\"data\"] nor a JSON object with \"data\""
    )]
    Shape { len: usize },
    #[error("the event's name is no string")]
    EventKind,
    #[error(transparent)]
    Event(#[from] EventNameError),
    #[error("data of {len} bytes is too long, {max} are allowed")]
    TooLong { len: usize, max: usize },
}

/// An object's `id` and `retry` are not looked at: the stream has cursors for ids, and a time of its own to come back after.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow, default, rename = "type")]
    event: Option<&'a RawValue>,
}

/// The message in a payload, whose data has up to `data_bytes_max` bytes as JSON.
///
/// # Errors
///
/// [`PayloadError`], which quotes nothing of it.
pub(super) fn parse(payload: &[u8], data_bytes_max: usize) -> Result<Payload, PayloadError> {
    let shape = |_| PayloadError::Shape { len: payload.len() };
    let (event, data) = match payload.trim_ascii_start().first() {
        Some(b'[') => {
            let (event, data): (&RawValue, &RawValue) = serde_json::from_slice(payload).map_err(shape)?;
            (Some(event), data)
        }
        Some(b'{') => {
            let Object { data, event } = serde_json::from_slice(payload).map_err(shape)?;
            (event, data)
        }
        _ => return Err(PayloadError::Shape { len: payload.len() }),
    };
    let (len, max) = (data.get().len(), data_bytes_max);
    if len > max {
        return Err(PayloadError::TooLong { len, max });
    }
    let event = event.map(event_of).transpose()?.flatten();
    Ok(Payload { body: Body::of("application/json", &Bytes::copy_from_slice(data.get().as_bytes())), event })
}

/// The originals take `null` and `""` for none.
fn event_of(event: &RawValue) -> Result<Option<Box<str>>, PayloadError> {
    let event: Option<String> = serde_json::from_str(event.get()).map_err(|_| PayloadError::EventKind)?;
    match event.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => Ok(Some(event_name(name)?.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parsed(payload: &str) -> Result<(Option<String>, String), PayloadError> {
        let Payload { body, event } = parse(payload.as_bytes(), 64)?;
        assert_eq!(body.media_type, None);
        Ok((event.map(String::from), String::from_utf8(body.data.to_vec()).unwrap()))
    }

    #[test]
    fn both_shapes_are_told_by_their_first_byte() {
        let hello = (Some("myevent".to_owned()), r#""{\"message\": \"Hello!\"}""#.to_owned());
        assert_eq!(parsed(r#"["myevent", "{\"message\": \"Hello!\"}"]"#), Ok(hello));
        let hello = (Some("greeting".to_owned()), r#"{"message": "Hello!"}"#.to_owned());
        assert_eq!(
            parsed(r#" {"data": {"message": "Hello!"}, "type": "greeting", "id": 7, "retry": 1500}"#),
            Ok(hello)
        );
    }

    #[test]
    fn an_event_may_have_no_name() {
        for payload in [
            r#"{"data":"x"}"#,
            r#"{"type":"","data":"x"}"#,
            r#"{"type":null,"data":"x","new":[]}"#,
            r#"[null,"x"]"#,
            r#"["","x"]"#,
        ] {
            assert_eq!(parsed(payload), Ok((None, r#""x""#.to_owned())), "{payload}");
        }
    }

    #[test]
    fn data_is_any_value_in_one_line() {
        for (payload, data) in [
            (r#"{"data":null}"#, "null"),
            ("{\"data\":[1,\n2]}", "[1,2]"),
            (r#"["a",5]"#, "5"),
            (r#"{"data":"a\nb"}"#, r#""a\nb""#),
        ] {
            assert_eq!(parsed(payload).unwrap().1, data, "{payload}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        for payload in [
            "",
            "hello",
            "5",
            "null",
            "[]",
            "[\"a\"]",
            "[\"a\",1,2]",
            "{}",
            "{\"type\":\"a\"}",
            "[1",
            "\u{0}",
        ] {
            assert_eq!(parsed(payload), Err(PayloadError::Shape { len: payload.len() }), "{payload}");
        }
        assert_eq!(parsed(r#"{"data":1,"data":2}"#), Err(PayloadError::Shape { len: 19 }));
        assert_eq!(parsed(r#"[5,"a"]"#), Err(PayloadError::EventKind));
        assert_eq!(parsed(r#"["a\nid: 666","a"]"#), Err(EventNameError { len: 9 }.into()));
        let long = format!("{{\"data\":\"{}\"}}", "x".repeat(63));
        assert_eq!(parsed(&long), Err(PayloadError::TooLong { len: 65, max: 64 }));
    }

    proptest! {
        #[test]
        fn nothing_is_taken_for_more_than_it_is(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Payload { body, event }) = parse(&payload, 64) {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&body.data).is_ok());
                prop_assert!(!body.data.contains(&b'\n'));
                prop_assert!(event.is_none_or(|event| !event.contains(char::is_control)));
            }
        }

        #[test]
        fn what_is_published_comes(event in "[a-z ü]{1,20}", text in any::<String>(), number in any::<i64>()) {
            let data = json!({"text": text, "number": number});
            for payload in [json!([event, data]), json!({"data": data, "type": event, "id": text})] {
                let Payload { body, event: name } = parse(payload.to_string().as_bytes(), 1 << 20).unwrap();
                prop_assert_eq!(name.as_deref(), Some(event.as_str()));
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&body.data).unwrap(), data.clone());
            }
        }
    }
}
