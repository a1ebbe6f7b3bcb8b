//! What a stream's bytes are.

/// Longest content type of a stream, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// How a stream is read and written, which its content type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Messages: each a JSON value.
    Json,
    /// Text without bounds of messages.
    Text,
    /// Bytes without bounds of messages.
    Bytes,
}

/// A stream's content type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentType {
    /// As whoever created the stream wrote it.
    text: Box<str>,
    form: Form,
}

/// No content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "Content-Type must be type/subtype, with parameters or without, in up to {CONTENT_TYPE_BYTES_MAX} bytes"
)]
pub(super) struct NotAContentType;

impl ContentType {
    /// Takes a header's value.
    pub(super) fn new(text: &str) -> Result<Self, NotAContentType> {
        let essence = essence(text);
        let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_token_byte);
        let well_formed = essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
        if !well_formed || text.len() > CONTENT_TYPE_BYTES_MAX || text.bytes().any(|b| b.is_ascii_control()) {
            return Err(NotAContentType);
        }
        let form = match essence.as_str() {
            "application/json" => Form::Json,
            text if text.starts_with("text/") => Form::Text,
            _ => Form::Bytes,
        };
        Ok(Self { text: text.trim().into(), form })
    }

    /// That of a channel which nobody has created as a stream.
    pub(super) fn json() -> Self {
        Self { text: "application/json".into(), form: Form::Json }
    }

    /// What the protocol takes where none is given.
    pub(super) fn bytes() -> Self {
        Self { text: "application/octet-stream".into(), form: Form::Bytes }
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// How the stream is read and written.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Whether both are the same but for case and parameters.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        essence(&self.text) == essence(&other.text)
    }
}

/// Type and subtype, in small letters.
fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_the_form() {
        for (text, form) in [
            ("application/json", Form::Json),
            ("Application/JSON; charset=utf-8", Form::Json),
            ("text/plain", Form::Text),
            ("TEXT/html;charset=utf-8", Form::Text),
            ("application/octet-stream", Form::Bytes),
            ("application/x-protobuf", Form::Bytes),
            ("image/png", Form::Bytes),
            ("application/json-seq", Form::Bytes),
        ] {
            let content_type = ContentType::new(text).unwrap();
            assert_eq!((content_type.as_str(), content_type.form()), (text, form));
        }
    }

    #[test]
    fn case_and_parameters_make_no_other_type() {
        let of = |text| ContentType::new(text).unwrap();
        assert!(of("text/plain").is_alike(&of("TEXT/Plain ; charset=utf-8")));
        assert!(!of("text/plain").is_alike(&of("text/html")));
        assert!(of("application/json").is_alike(&ContentType::json()));
        assert!(of("application/octet-stream").is_alike(&ContentType::bytes()));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "text", "text/", "/plain", "te xt/plain", "a/b/c", ";", "text/plain\u{7}"] {
            assert_eq!(ContentType::new(text), Err(NotAContentType), "{text}");
        }
        assert_eq!(ContentType::new(&format!("text/{}", "x".repeat(255))), Err(NotAContentType));
    }
}
