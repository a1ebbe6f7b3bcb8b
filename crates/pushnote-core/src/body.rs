//! What a message carries: JSON, or what stands for a body of another type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::json::one_line;

/// Longest media type of a body, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// What a media type ends in where the string is base64.
const IN_BASE64: &str = ";base64";

/// A message's payload: one JSON value as text without line breaks. A body of another type is a JSON string, and beside it
/// stands its media type, with `;base64` at the end if the body is no text and the string its base64.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Body {
    /// The JSON value.
    pub data: Bytes,
    /// What the string stands for, if the body is not the value itself.
    pub media_type: Option<Box<str>>,
}

/// A media type that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media type is 1 to {MEDIA_TYPE_BYTES_MAX} visible ASCII characters or spaces, like text/plain")]
pub struct MediaTypeError;

/// Takes `text` as a media type: 1 to [`MEDIA_TYPE_BYTES_MAX`] visible ASCII characters or spaces.
///
/// # Errors
///
/// [`MediaTypeError`] for any other text.
pub fn media_type(text: &str) -> Result<&str, MediaTypeError> {
    let fits = (1..=MEDIA_TYPE_BYTES_MAX).contains(&text.len());
    let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if fits && visible { Ok(text) } else { Err(MediaTypeError) }
}

impl From<Bytes> for Body {
    /// `data` is one JSON value without line breaks.
    fn from(data: Bytes) -> Self {
        Self { data, media_type: None }
    }
}

impl Body {
    /// A body as it came with its `Content-Type`. What is JSON and says so is the value itself, without its line breaks.
    #[must_use]
    pub fn of(media_type: &str, bytes: &Bytes) -> Self {
        let text = std::str::from_utf8(bytes);
        if is_json(media_type)
            && let Ok(text) = text
            && let Ok(value) = serde_json::from_str::<&RawValue>(text)
        {
            return one_line(bytes, value.get()).into();
        }
        match text {
            Ok(text) => Self { data: string(text), media_type: Some(media_type.into()) },
            Err(_) => {
                let media_type = format!("{media_type}{IN_BASE64}").into();
                Self { data: string(&BASE64.encode(bytes)), media_type: Some(media_type) }
            }
        }
    }

    /// The text that a message stands for where only text is taken: a string's own, and any other value as JSON.
    #[must_use]
    pub fn text(data: &Bytes) -> Bytes {
        match serde_json::from_slice::<String>(data) {
            Ok(text) => text.into(),
            Err(_) => data.clone(),
        }
    }

    /// The body as it was given, and its `Content-Type`; JSON that was published as such has that of JSON.
    #[must_use]
    pub fn bytes<'a>(data: &Bytes, media_type: Option<&'a str>) -> (Bytes, &'a str) {
        let Some(media_type) = media_type else { return (data.clone(), "application/json") };
        match media_type.strip_suffix(IN_BASE64) {
            Some(plain) => match BASE64.decode(Self::text(data)) {
                Ok(bytes) => (bytes.into(), plain),
                // A publisher that says so and does not mean it.
                Err(_) => (Self::text(data), plain),
            },
            None => (Self::text(data), media_type),
        }
    }
}

/// Whether a `Content-Type` is JSON's.
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn string(text: &str) -> Bytes {
    // A string always serialises.
    serde_json::to_vec(text).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(media_type: &str, bytes: &Bytes) -> (Bytes, String) {
        let body = Body::of(media_type, bytes);
        let (bytes, media_type) = Body::bytes(&body.data, body.media_type.as_deref());
        (bytes, media_type.to_owned())
    }

    #[test]
    fn json_is_the_value_itself() {
        let body = Body::of("application/json; charset=utf-8", &Bytes::from_static(b" {\"a\":\n1} "));
        assert_eq!((&body.data[..], body.media_type.as_deref()), (&b"{\"a\":1}"[..], None));
    }

    #[test]
    fn what_only_says_that_it_is_json_is_text() {
        let body = Body::of("application/json", &Bytes::from_static(b"{"));
        assert_eq!((&body.data[..], body.media_type.as_deref()), (&b"\"{\""[..], Some("application/json")));
    }

    #[test]
    fn bytes_are_base64() {
        let body = Body::of("image/png", &Bytes::from_static(b"\xff\x00"));
        assert_eq!(
            (&body.data[..], body.media_type.as_deref()),
            (&b"\"/wA=\""[..], Some("image/png;base64"))
        );
    }

    #[test]
    fn a_media_type_is_a_header_s_value() {
        assert!(media_type("text/plain; charset=utf-8").is_ok());
        for wrong in ["", "a\nb", "\u{e4}", &"a".repeat(256)] {
            assert_eq!(media_type(wrong), Err(MediaTypeError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_body_comes_back_byte_for_byte(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            prop_assert_eq!(there_and_back("a/b", &bytes), (bytes, "a/b".to_owned()));
        }
    }
}
