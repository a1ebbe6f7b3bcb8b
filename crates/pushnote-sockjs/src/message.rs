//! A message with its encodings: each is made once, when the first receiver of its kind asks.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pushnote_net::http::Chunk;
use pushnote_sockjs_proto::{
    escape,
    frame::{self, Framing},
    session::Payload,
};
use pushnote_websocket::encode::{self, Frames, FramesMut};

/// What an application sends: the element, or elements, of one `a[…]` frame.
///
/// A clone is another handle to the same message. Sending one message to many sessions costs one encoding for each
/// framing among them (WebSocket, raw WebSocket, xhr, eventsource, htmlfile), however many sessions there are.
#[derive(Clone, Debug)]
pub struct Message(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    source: Source,
    /// Escaped and joined by commas, for every framing but the raw one.
    elements: OnceLock<Bytes>,
    websocket: OnceLock<Frames>,
    raw_websocket: OnceLock<Frames>,
    xhr: OnceLock<Chunk>,
    eventsource: OnceLock<Chunk>,
    htmlfile: OnceLock<Chunk>,
    /// What [`Message::strings`] makes of it.
    strings: OnceLock<Message>,
}

#[derive(Debug)]
enum Source {
    Text(Box<str>),
    Json(Vec<Bytes>),
}

impl Message {
    /// A string, as SockJS messages are. The client's `onmessage` gets it as `event.data`.
    pub fn text(text: &str) -> Self {
        Self::new(Source::Text(text.into()))
    }

    /// Any JSON value, which the client's `onmessage` gets parsed, as `event.data`. On a raw WebSocket its text is sent.
    ///
    /// `json` must be one JSON value; it is not parsed again. If it is not, clients refuse the frame it stands in.
    pub fn json(json: Bytes) -> Self {
        Self::batch([json])
    }

    /// Several JSON values that go out in one frame; the client's `onmessage` is called for each.
    pub fn batch(elements: impl IntoIterator<Item = Bytes>) -> Self {
        Self::new(Source::Json(elements.into_iter().collect()))
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Encodings {
            source,
            elements: OnceLock::new(),
            websocket: OnceLock::new(),
            raw_websocket: OnceLock::new(),
            xhr: OnceLock::new(),
            eventsource: OnceLock::new(),
            htmlfile: OnceLock::new(),
            strings: OnceLock::new(),
        }))
    }

    /// The same message with strings for values: each holds a value's JSON text. Made once, and so are its encodings.
    pub(crate) fn strings(&self) -> &Self {
        match &self.0.source {
            Source::Text(_) => self,
            Source::Json(values) => self.0.strings.get_or_init(|| Self::batch(values.iter().map(quoted))),
        }
    }

    /// The `a[…]` frame as a WebSocket message ready for the wire (RFC 6455 §5.2, unmasked).
    pub fn websocket(&self) -> &Frames {
        self.0.websocket.get_or_init(|| encode::text_of(&[b"a[", self.elements(), b"]"]))
    }

    /// The message on a raw WebSocket, ready for the wire: one WebSocket message for each element, in one buffer.
    pub fn raw_websocket(&self) -> &Frames {
        self.0.raw_websocket.get_or_init(|| match &self.0.source {
            Source::Text(text) => encode::text(text),
            Source::Json(elements) => {
                let length = elements.iter().map(|json| encode::header_len(json.len()) + json.len()).sum();
                let mut out = FramesMut::with_capacity(length);
                for json in elements {
                    out.text(&String::from_utf8_lossy(json));
                }
                out.freeze()
            }
        })
    }

    /// The chunk of an HTTP transport. Jsonp's depends on the request, so it alone is not kept.
    pub(crate) fn chunk(&self, framing: &Framing) -> Chunk {
        let wrapped = || Chunk::new(&framing.wrap(&frame::messages(std::iter::once(self.elements()))));
        let kept = match framing {
            Framing::Xhr => &self.0.xhr,
            Framing::EventSource => &self.0.eventsource,
            Framing::HtmlFile => &self.0.htmlfile,
            Framing::Jsonp(_) => return wrapped(),
        };
        kept.get_or_init(wrapped).clone()
    }

    /// The inside of `a[…]`.
    pub(crate) fn elements(&self) -> &Bytes {
        self.0.elements.get_or_init(|| match &self.0.source {
            Source::Text(text) => {
                let mut out = Vec::new();
                escape::text(text, &mut out);
                out.into()
            }
            Source::Json(elements) => match elements.as_slice() {
                [json] => escaped(json),
                several => several.iter().map(escaped).collect::<Vec<_>>().join(&b","[..]).into(),
            },
        })
    }
}

impl Payload for Message {
    fn bytes_len(&self) -> usize {
        self.elements().len()
    }
}

/// A JSON string that holds the text of a JSON value.
fn quoted(json: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(json.len() + json.len() / 4 + 2);
    escape::text(&String::from_utf8_lossy(json), &mut out);
    out.into()
}

/// The same bytes when there is nothing to escape.
fn escaped(json: &Bytes) -> Bytes {
    match std::str::from_utf8(json).map(escape::raw_json) {
        Ok(std::borrow::Cow::Borrowed(_)) => json.clone(),
        Ok(std::borrow::Cow::Owned(escaped)) => escaped.into(),
        Err(_) => escape::raw_json(&String::from_utf8_lossy(json)).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framings() {
        let message = Message::text("x<");
        assert_eq!(message.websocket()[..], b"\x81\x07a[\"x<\"]"[..]);
        assert_eq!(message.raw_websocket()[..], b"\x81\x02x<"[..]);
        assert_eq!(message.chunk(&Framing::Xhr).payload(), "a[\"x<\"]\n");
        assert_eq!(message.chunk(&Framing::EventSource).payload(), "data: a[\"x<\"]\r\n\r\n");
        assert_eq!(
            message.chunk(&Framing::HtmlFile).payload(),
            "<script>\np(\"a[\\\"x\\u003c\\\"]\");\n</script>\r\n"
        );
    }

    #[test]
    fn every_receiver_shares_one_encoding() {
        let message = Message::json(r#"{"msg":"Hi all!"}"#.into());
        let other = message.clone();
        assert_eq!(message.websocket().as_ptr(), other.websocket().as_ptr());
        assert_eq!(
            message.chunk(&Framing::Xhr).as_ref().as_ptr(),
            other.chunk(&Framing::Xhr).as_ref().as_ptr()
        );
        let (strings, others) = (message.strings(), other.strings());
        assert_eq!(strings.websocket().as_ptr(), others.websocket().as_ptr());
        assert_eq!(strings.chunk(&Framing::Xhr).payload(), "a[\"{\\\"msg\\\":\\\"Hi all!\\\"}\"]\n");
        assert_eq!(
            strings.chunk(&Framing::Xhr).as_ref().as_ptr(),
            others.chunk(&Framing::Xhr).as_ref().as_ptr()
        );
    }

    #[test]
    fn json_is_passed_on_and_batched() {
        let batch = Message::batch([Bytes::from("{}"), Bytes::from("[1,\n2]"), Bytes::from("\"é\"")]);
        assert_eq!(batch.chunk(&Framing::Xhr).payload(), "a[{},[1, 2],\"é\"]\n");
        assert_eq!(batch.raw_websocket()[..], b"\x81\x02{}\x81\x06[1,\n2]\x81\x04\"\xc3\xa9\""[..]);
        assert_eq!(Message::batch([]).chunk(&Framing::Xhr).payload(), "a[]\n");
    }

    #[test]
    fn invalid_utf8_never_reaches_a_client() {
        let message = Message::json(Bytes::from_static(b"\"\xff\""));
        assert_eq!(message.chunk(&Framing::Xhr).payload(), "a[\"\\ufffd\"]\n");
        assert_eq!(message.raw_websocket(), &encode::text("\"\u{fffd}\""));
    }
}
