//! One JSON object with named fields, without the leniency of serde's derived structs (which take a list for
//! an object) and with an error that never quotes the input: what comes in may hold tokens.

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Why a text is not the object that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAnObject {
    /// Not JSON at all.
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 if the line has not begun.
        column: usize,
    },
    /// A JSON list.
    List,
    /// Another JSON value, or an object that names a field twice.
    Other,
}

/// Reads an object whose fields are all [`field`]s; keys it does not know are skipped.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, NotAnObject> {
    match text.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(text).map_err(|error| refuse(&error, NotAnObject::Other)),
        first => {
            let shape = if first == Some(&b'[') { NotAnObject::List } else { NotAnObject::Other };
            match serde_json::from_slice::<IgnoredAny>(text) {
                Ok(_) => Err(shape),
                Err(error) => Err(refuse(&error, shape)),
            }
        }
    }
}

fn refuse(error: &serde_json::Error, shape: NotAnObject) -> NotAnObject {
    match error.classify() {
        Category::Data => shape,
        Category::Eof | Category::Io | Category::Syntax => {
            NotAnObject::Malformed { line: error.line(), column: error.column() }
        }
    }
}

/// A field that is there with any value, `null` included, or is not there (with `#[serde(default)]`).
pub(crate) fn field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// `data`, a part of `input`, without line breaks. Between the tokens of JSON they mean nothing, and inside a
/// string they cannot stand.
#[must_use]
pub fn one_line(input: &Bytes, data: &str) -> Bytes {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if data.as_bytes().iter().any(breaks) {
        data.bytes().filter(|byte| !breaks(byte)).collect()
    } else {
        input.slice_ref(data.as_bytes())
    }
}
