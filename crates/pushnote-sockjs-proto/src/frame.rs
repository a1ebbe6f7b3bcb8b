//! Frames from server to client, and the wrapping each transport puts around them.
//!
//! A frame is `o` (open), `h` (heartbeat), `a[…]` (an array of messages, each any JSON value) or `c[code,"reason"]`
//! (close). Everything in it is escaped by [`escape`], so it holds no control character: no wrapping can be broken by it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{callback::Callback, close::Close, escape};

/// The open frame: the first one of every session.
pub const OPEN: &str = "o";
/// The heartbeat frame.
pub const HEARTBEAT: &str = "h";

/// `a[…]` of JSON values that are already escaped (by [`escape::text`] or [`escape::raw_json`]).
pub fn messages<E: AsRef<[u8]>>(elements: impl Iterator<Item = E> + Clone) -> Vec<u8> {
    let length = elements.clone().map(|element| element.as_ref().len() + 1).sum::<usize>();
    let mut frame = Vec::with_capacity(length + 3);
    frame.extend_from_slice(b"a[");
    for (index, element) in elements.enumerate() {
        if index > 0 {
            frame.push(b',');
        }
        frame.extend_from_slice(element.as_ref());
    }
    frame.push(b']');
    frame
}

/// `c[code,"reason"]`, the reason escaped as messages are.
pub fn close(close: &Close) -> Vec<u8> {
    let mut frame = format!("c[{},", close.code).into_bytes();
    escape::text(&close.reason, &mut frame);
    frame.push(b']');
    frame
}

/// What a transport puts around a frame.
#[derive(Clone, Debug)]
pub enum Framing {
    /// xhr and xhr_streaming: the frame and a line feed.
    Xhr,
    /// eventsource: `data: <frame>`, percent-escaped because the client runs `decodeURI` on it.
    EventSource,
    /// htmlfile: a script element that calls `p` with the frame as a JavaScript string.
    HtmlFile,
    /// jsonp: a script that calls the page's function with the frame as a JavaScript string.
    Jsonp(Callback),
}

impl Framing {
    /// The bytes that go out for one frame: one HTTP chunk, or one WebSocket message.
    pub fn wrap(&self, frame: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(frame.len() + frame.len() / 8 + 40);
        match self {
            Self::Xhr => {
                out.extend_from_slice(frame);
                out.push(b'\n');
            }
            Self::EventSource => {
                out.extend_from_slice(b"data: ");
                percent_escape(frame, &mut out);
                out.extend_from_slice(b"\r\n\r\n");
            }
            Self::HtmlFile => {
                out.extend_from_slice(b"<script>\np(");
                javascript_string(frame, &mut out);
                out.extend_from_slice(b");\n</script>\r\n");
            }
            Self::Jsonp(callback) => {
                out.extend_from_slice(b"/**/");
                out.extend_from_slice(callback.as_str().as_bytes());
                out.push(b'(');
                javascript_string(frame, &mut out);
                out.extend_from_slice(b");\r\n");
            }
        }
        out.into()
    }
}

/// What xhr_streaming sends first, as an HTTP chunk of its own: browsers show nothing of a response before some 2 KiB.
pub const XHR_STREAMING_PRELUDE: &[u8; 2049] = &{
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

/// What eventsource sends first (an old Opera needs it).
pub const EVENTSOURCE_PRELUDE: &[u8] = b"\r\n";

/// What htmlfile sends first: the page's head, padded so that every browser starts to render.
pub fn htmlfile_prelude(callback: &Callback) -> Bytes {
    const PADDED_LENGTH: usize = 1024 + 4;
    let page = format!(
        r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{};
    c.start();
    function p(d) {{c.message(d);}};
    window.onload = function() {{c.stop();}};
  </script>"#,
        callback.as_str()
    );
    format!("{page:<PADDED_LENGTH$}\r\n\r\n").into()
}

fn percent_escape(frame: &[u8], out: &mut Vec<u8>) {
    for &byte in frame {
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            0 => out.extend_from_slice(b"%00"),
            other => out.push(other),
        }
    }
}

/// The frame as a string literal that is safe inside a script element too: no `<` stays, so neither `</script>` nor
/// `<!--` in a message can end or hide the element around it.
fn javascript_string(frame: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let frame = String::from_utf8_lossy(frame);
    escape::text(&frame, out);
    if out[start..].contains(&b'<') {
        let literal: Cow<'_, [u8]> = out.split_off(start).into();
        for &byte in literal.iter() {
            match byte {
                b'<' => out.extend_from_slice(b"\\u003c"),
                other => out.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback() -> Callback {
        Callback::from_query("c=_jp.abc", 32).unwrap()
    }

    fn wrapped(framing: &Framing, frame: &str) -> String {
        String::from_utf8(framing.wrap(frame.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn frames() {
        assert_eq!(messages([r#""a""#, "{}", "1"].iter()), br#"a["a",{},1]"#);
        assert_eq!(close(&Close::new(3000, "Go away!")), br#"c[3000,"Go away!"]"#);
        assert_eq!(close(&Close::new(3000, "\u{2028}\"")), br#"c[3000,"\u2028\""]"#);
    }

    #[test]
    fn wrappings() {
        assert_eq!(wrapped(&Framing::Xhr, "o"), "o\n");
        assert_eq!(wrapped(&Framing::EventSource, r#"a["%\n"]"#), "data: a[\"%25\\n\"]\r\n\r\n");
        assert_eq!(wrapped(&Framing::HtmlFile, r#"a["x"]"#), "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n");
        assert_eq!(wrapped(&Framing::Jsonp(callback()), "o"), "/**/_jp.abc(\"o\");\r\n");
    }

    #[test]
    fn htmlfile_cannot_be_left_by_a_message() {
        let sent = wrapped(&Framing::HtmlFile, r#"a["</script><!--<script>"]"#);
        assert_eq!(
            sent,
            "<script>\np(\"a[\\\"\\u003c/script>\\u003c!--\\u003cscript>\\\"]\");\n</script>\r\n"
        );
    }

    #[test]
    fn htmlfile_prelude_is_long_and_ends_in_blank_lines() {
        let prelude = htmlfile_prelude(&callback());
        assert!(prelude.len() > 1024);
        assert!(prelude.ends_with(b"  \r\n\r\n"));
        assert!(String::from_utf8_lossy(&prelude).contains("var c = parent._jp.abc;\n"));
    }
}
