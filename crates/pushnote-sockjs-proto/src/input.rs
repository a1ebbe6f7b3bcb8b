//! What clients send: JSON arrays of strings, over WebSocket also a single value.
//!
//! The protocol knows strings only, but a client may send anything. An element that is no string reaches the
//! application as its raw JSON text; a lone surrogate, which no Rust string can hold, becomes U+FFFD. Neither fails the
//! request or costs the messages beside it.

use std::borrow::Cow;

use serde_json::value::RawValue;
use thiserror::Error;

/// The messages of one request, checked as a whole: either all of them are delivered or none.
#[derive(Debug)]
pub struct Messages<'a>(Vec<&'a RawValue>);

impl<'a> Messages<'a> {
    /// The body of xhr_send, or the field of jsonp_send: an array.
    ///
    /// # Errors
    /// When it is empty, no JSON, or JSON but no array.
    pub fn from_body(body: &'a str) -> Result<Self, InputError> {
        if body.is_empty() {
            return Err(InputError::PayloadExpected);
        }
        if starts_array(body) {
            return Self::elements(body);
        }
        serde_json::from_str::<&RawValue>(body).map_err(|_| InputError::BrokenJson)?;
        Err(InputError::PayloadExpected)
    }

    /// A WebSocket message: an array, or a single value. The empty message holds nothing.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn from_websocket(text: &'a str) -> Result<Self, InputError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        if starts_array(text) {
            return Self::elements(text);
        }
        serde_json::from_str(text).map(|value| Self(vec![value])).map_err(|_| InputError::BrokenJson)
    }

    /// The messages in order, decoded one by one.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'a, str>> + '_ {
        self.0.iter().map(|value| decode(value.get()))
    }

    fn elements(text: &'a str) -> Result<Self, InputError> {
        serde_json::from_str(text).map(Self).map_err(|_| InputError::BrokenJson)
    }
}

/// Why a request's messages cannot be taken. The texts are the protocol's and go out in the 500 answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// There is nothing, or JSON that is no array.
    #[error("Payload expected.")]
    PayloadExpected,
    /// It is no JSON.
    #[error("Broken JSON encoding.")]
    BrokenJson,
}

/// Whether jsonp_send's body is a form, by its content type.
pub fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The messages' JSON in jsonp_send's form: its field `d`. Empty when there is none.
pub fn form_field(form: &[u8]) -> Cow<'_, str> {
    form_urlencoded::parse(form).find_map(|(name, value)| (name == "d").then_some(value)).unwrap_or_default()
}

fn starts_array(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[')
}

/// A JSON string's content; any other JSON value as it stands. The value is known to be well-formed.
fn decode(json: &str) -> Cow<'_, str> {
    let Some(content) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(json);
    };
    match content.find('\\') {
        None => Cow::Borrowed(content),
        Some(at) => Cow::Owned(unescape(content, at)),
    }
}

fn unescape(content: &str, first_escape: usize) -> String {
    let mut out = String::with_capacity(content.len());
    let (plain, mut rest) = content.split_at(first_escape);
    out.push_str(plain);
    while let Some(escape) = rest.strip_prefix('\\') {
        let mut characters = escape.chars();
        match characters.next() {
            Some('u') => {
                let (character, behind) = unicode_escape(characters.as_str());
                out.push(character);
                rest = behind;
            }
            Some(short) => {
                out.push(short_escape(short));
                rest = characters.as_str();
            }
            None => break,
        }
        let (plain, behind) = rest.split_at(rest.find('\\').unwrap_or(rest.len()));
        out.push_str(plain);
        rest = behind;
    }
    out
}

fn short_escape(letter: char) -> char {
    match letter {
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        itself => itself,
    }
}

/// The character of a `\u` escape (what follows the `u`) and what is left behind it. A high surrogate takes the escape
/// of its low half with it; one that stands alone becomes U+FFFD.
fn unicode_escape(text: &str) -> (char, &str) {
    let (unit, behind) = hex_unit(text);
    if let 0xd800..=0xdbff = unit {
        let low = behind.strip_prefix("\\u").map(hex_unit);
        if let Some((low @ 0xdc00..=0xdfff, behind)) = low {
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
        }
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

fn hex_unit(text: &str) -> (u32, &str) {
    let (digits, behind) = text.split_at_checked(4).unwrap_or((text, ""));
    (u32::from_str_radix(digits, 16).unwrap_or(0xfffd), behind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> Result<Vec<String>, InputError> {
        Messages::from_body(text).map(|messages| messages.iter().map(Cow::into_owned).collect())
    }

    fn websocket(text: &str) -> Result<Vec<String>, InputError> {
        Messages::from_websocket(text).map(|messages| messages.iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn arrays_of_strings() {
        assert_eq!(body(r#"["a","b"]"#).unwrap(), ["a", "b"]);
        assert_eq!(body(" [ \"a\" ]\n").unwrap(), ["a"]);
        assert!(body("[]").unwrap().is_empty());
        assert_eq!(websocket(r#"["a","b"]"#).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_websocket_may_send_one_value_or_nothing() {
        assert_eq!(websocket(r#""a""#).unwrap(), ["a"]);
        assert_eq!(websocket("{\"a\": 1}").unwrap(), ["{\"a\": 1}"]);
        assert!(websocket("").unwrap().is_empty());
        assert_eq!(websocket("[\"a"), Err(InputError::BrokenJson));
        assert_eq!(websocket("a"), Err(InputError::BrokenJson));
    }

    #[test]
    fn what_is_no_array_is_no_payload() {
        for text in ["", "{}", "\"a\"", "1", "null", "true"] {
            assert_eq!(body(text), Err(InputError::PayloadExpected), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_broken() {
        for text in [
            "[\"x",
            "[\"x\"]]",
            "[\"x\"] y",
            "\u{feff}[\"x\"]",
            "[x]",
            "x",
            " ",
            "[\"\\q\"]",
            "[\"\\u12\"]",
            "[1,]",
        ] {
            assert_eq!(body(text), Err(InputError::BrokenJson), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(body(&deep), Err(InputError::BrokenJson));
    }

    #[test]
    fn other_values_stay_raw() {
        assert_eq!(body(r#"["x",1,null,{"a":[1]},[ ]]"#).unwrap(), ["x", "1", "null", r#"{"a":[1]}"#, "[ ]"]);
    }

    #[test]
    fn escapes() {
        assert_eq!(
            body(r#"["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 \u0000x"]"#).unwrap(),
            ["\"\\/\x08\x0c\n\r\té😀 \0x"]
        );
    }

    #[test]
    fn lone_surrogates_are_replaced_and_nothing_beside_them_is_lost() {
        assert_eq!(
            body(r#"["a\ud800b","c\udc00","\ud800\ud83d\ude00","\ud800\n","\ud800\u0041"]"#).unwrap(),
            ["a\u{fffd}b", "c\u{fffd}", "\u{fffd}😀", "\u{fffd}\n", "\u{fffd}A"]
        );
    }

    #[test]
    fn forms() {
        assert!(is_form("application/x-www-form-urlencoded; charset=UTF-8"));
        assert!(!is_form("text/plain"));
        assert_eq!(form_field(b"d=%5B%22x+y%22%5D&i=1"), r#"["x y"]"#);
        assert_eq!(form_field(b"i=1&d=%5b%5d"), "[]");
        assert_eq!(form_field(b"p=p"), "");
        assert_eq!(form_field(b"d="), "");
        assert_eq!(form_field(b"d=%ff%"), "\u{fffd}%");
    }

    proptest! {
        #[test]
        fn strings_round_trip(strings in proptest::collection::vec(".*", 0..5)) {
            let json = serde_json::to_string(&strings).unwrap();
            prop_assert_eq!(body(&json).unwrap(), strings);
        }

        #[test]
        fn fully_escaped_strings_round_trip(string in ".*") {
            let escapes: String = string.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            prop_assert_eq!(body(&format!("[\"{escapes}\"]")).unwrap(), [string]);
        }
    }
}
