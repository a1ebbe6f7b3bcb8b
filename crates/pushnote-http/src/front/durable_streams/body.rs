//! What a request brings, as messages.

use bytes::Bytes;
use pushnote_core::Body;
use serde_json::value::RawValue;

use super::content_type::{ContentType, Form};

/// Longest body of a request, in bytes: what the clients of the protocol put into one, and room.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What is read of one that is longer, so that its sender hears why it is refused, and not that the connection broke.
pub(super) const READ_BYTES_MAX: usize = 16 << 20;

/// Messages that one request may bring.
const MESSAGES_MAX: usize = 10_000;

/// Bytes that one byte of a text may take in JSON, `\u0000`.
const ESCAPED_BYTES: usize = 6;

/// A body that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// The whole.
    #[error("the body is longer than {BODY_BYTES_MAX} bytes; send several")]
    TooLong,
    /// One message in it.
    #[error("a message has {len} bytes as JSON, {max} are allowed")]
    MessageTooLong {
        /// What it has, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
    /// Its messages are too many.
    #[error("the body has more than {MESSAGES_MAX} messages; send several")]
    TooMany,
    /// It should be.
    #[error("the body is not JSON")]
    NotJson,
}

/// Whether a body that was read may be taken.
pub(super) fn fits(body: &Bytes) -> Result<(), BodyError> {
    if body.len() > BODY_BYTES_MAX { Err(BodyError::TooLong) } else { Ok(()) }
}

/// The messages in a body, each with up to so many bytes as JSON. A list of JSON is taken apart, one level deep.
pub(super) fn messages(
    content_type: &ContentType,
    body: &Bytes,
    message_bytes_max: usize,
) -> Result<Vec<Body>, BodyError> {
    let messages = match content_type.form() {
        Form::Json => values(body)?.map(|value| Body::of("application/json", &value)).collect(),
        Form::Text | Form::Bytes => {
            let of = |bytes: &Bytes| Body::of(content_type.as_str(), bytes);
            let whole = of(body);
            if whole.data.len() <= message_bytes_max {
                vec![whole]
            } else {
                pieces(body.clone(), message_bytes_max / ESCAPED_BYTES).iter().map(of).collect()
            }
        }
    };
    if messages.len() > MESSAGES_MAX {
        return Err(BodyError::TooMany);
    }
    match messages.iter().map(|message| message.data.len()).max() {
        Some(len) if len > message_bytes_max => {
            Err(BodyError::MessageTooLong { len, max: message_bytes_max })
        }
        _ => Ok(messages),
    }
}

fn values(body: &Bytes) -> Result<impl Iterator<Item = Bytes>, BodyError> {
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let values: Vec<&RawValue> = if is_list {
        serde_json::from_slice(body).map_err(|_| BodyError::NotJson)?
    } else {
        vec![serde_json::from_slice(body).map_err(|_| BodyError::NotJson)?]
    };
    Ok(values.into_iter().map(|value| body.slice_ref(value.get().as_bytes())))
}

/// What has no bounds of messages may be cut anywhere; a text only between its characters.
fn pieces(mut bytes: Bytes, len_max: usize) -> Vec<Bytes> {
    let len_max = len_max.max(4);
    let mut pieces = Vec::new();
    while bytes.len() > len_max {
        let is_inside = |at: &usize| bytes[*at] & 0xc0 == 0x80;
        let at = (len_max - 3..=len_max).rev().find(|at| !is_inside(at)).unwrap_or(len_max);
        pieces.push(bytes.split_to(at));
    }
    pieces.push(bytes);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(content_type: &str, body: &'static str, max: usize) -> Result<Vec<String>, BodyError> {
        let content_type = ContentType::new(content_type).unwrap();
        let messages = messages(&content_type, &Bytes::from_static(body.as_bytes()), max)?;
        Ok(messages.iter().map(|message| String::from_utf8(message.data.to_vec()).unwrap()).collect())
    }

    #[test]
    fn a_list_is_taken_apart_once() {
        let json = |body| data("application/json", body, 100).unwrap();
        assert_eq!(json(r#"{"a":1}"#), [r#"{"a":1}"#]);
        assert_eq!(json(" [1, \"b\",\n[2,[3]] ] "), ["1", "\"b\"", "[2,[3]]"]);
        assert_eq!(json("[[[1]]]"), ["[[1]]"]);
        assert!(json("[]").is_empty());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["", "{", "[1", "[1,]", "1 2", "nonsense"] {
            assert_eq!(data("application/json", body, 100), Err(BodyError::NotJson), "{body}");
        }
    }

    #[test]
    fn each_message_has_a_bound() {
        let too_long = Err(BodyError::MessageTooLong { len: 6, max: 5 });
        assert_eq!(data("application/json", r#"[1,"1234"]"#, 5), too_long);
        assert_eq!(data("application/json", r#"[1,"123"]"#, 5), Ok(vec!["1".into(), "\"123\"".into()]));
        let many = Bytes::from(format!("[{}0]", "0,".repeat(MESSAGES_MAX)));
        assert_eq!(messages(&ContentType::json(), &many, 10), Err(BodyError::TooMany));
    }

    #[test]
    fn a_long_text_is_cut_between_its_characters() {
        assert_eq!(data("text/plain", "abc", 30), Ok(vec!["\"abc\"".into()]));
        let body = "\u{0}\u{1}\u{2}äöü€\u{1f600}äöü€";
        let cut = data("text/plain", body, 30).unwrap();
        assert!(cut.len() > 1 && cut.iter().all(|one| one.len() <= 30), "{cut:?}");
        let whole: String = cut.iter().map(|one| serde_json::from_str::<String>(one).unwrap()).collect();
        assert_eq!(whole, body);
    }

    #[test]
    fn bytes_are_cut_anywhere() {
        let bytes = Bytes::from(vec![0xbf; 100]);
        let cut = pieces(bytes.clone(), 30);
        assert_eq!(cut.iter().map(Bytes::len).collect::<Vec<_>>(), [30, 30, 30, 10]);
        assert_eq!(cut.concat(), bytes);
    }
}
