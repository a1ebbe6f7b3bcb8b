//! Publications as server-sent events (the HTML standard, 9.2). Each has the place behind it as its id.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Body, ChannelName, CloseCode, Cursor, Subject};
use pushnote_hub::{Batch, Content};
use pushnote_net::http::Chunk;
use serde_json::json;

use crate::framing;

/// What stands behind `data:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// JSON.
    Json,
    /// The client protocol's object for a message, which says what channel it is of.
    Message,
    /// A string's text, line by line, and any other value's JSON: as flask-sse has it.
    Text,
}

/// When a browser comes back whose stream has ended: not all at once.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// What each stream begins with. Proxies and pages see at once that there is one.
pub(crate) fn beginning() -> Chunk {
    Chunk::new(format!(": pushnote\n{}\n", retry()).as_bytes())
}

/// For a client that was sent nothing else for a while.
pub(crate) fn comment() -> Chunk {
    Chunk::new(b":\n\n")
}

/// The events of a batch; nothing if none of it is one.
pub(crate) fn batch<E>(batch: &Batch<E>, form: Data) -> Chunk {
    let bytes: usize = batch.payloads().map(|data| data.len() + 96).sum();
    let mut out = String::with_capacity(bytes);
    for publication in batch.publications() {
        match publication.content() {
            Content::Message { data, event, .. } => {
                let text = match form {
                    Data::Json => data.clone(),
                    Data::Message => framing::message(publication),
                    Data::Text => Body::text(data),
                };
                put_message(event.as_deref(), &text, publication.cursor(), &mut out);
            }
            Content::Gap => {
                let channel = publication.audience().channels().next();
                put("gap", Some(publication.cursor()), &missing(channel), &mut out);
            }
            // Whoever asks for these does so by another way.
            Content::Joined(..) | Content::Left(..) => {}
        }
    }
    Chunk::new(out.as_bytes())
}

/// Messages are missing before this place: of one channel, or of anything.
pub(crate) fn gap(channel: Option<&ChannelName>, cursor: &Cursor) -> Chunk {
    one("gap", Some(cursor), &missing(channel))
}

fn missing(channel: Option<&ChannelName>) -> String {
    channel.map_or_else(|| json!({}), |channel| json!({"channel": channel.as_str()})).to_string()
}

/// Where a stream is: an id alone, which a browser keeps and tells nobody of.
pub(crate) fn place(cursor: &Cursor, complete: bool) -> Chunk {
    if complete { Chunk::new(format!("id: {cursor}\n\n").as_bytes()) } else { gap(None, cursor) }
}

/// The token for this has expired.
pub(crate) fn expired(subject: &Subject) -> Chunk {
    let data = match subject {
        Subject::Channel(channel) | Subject::Presence(channel) => json!({"channel": channel.as_str()}),
        Subject::User(user) => json!({"user": user.as_str()}),
        Subject::Everyone => json!({}),
    };
    one("expired", None, &data.to_string())
}

/// The last of a stream that the server ends.
pub(crate) fn ending(code: CloseCode) -> Chunk {
    match code {
        CloseCode::Shutdown => Chunk::new(format!("{}\n", retry()).as_bytes()),
        _ => one("close", None, &json!({"code": code.code(), "reason": code.reason()}).to_string()),
    }
}

fn one(event: &str, cursor: Option<&Cursor>, data: &str) -> Chunk {
    let mut out = String::new();
    put(event, cursor, data, &mut out);
    Chunk::new(out.as_bytes())
}

fn put_message(event: Option<&str>, data: &Bytes, cursor: &Cursor, out: &mut String) {
    let data = String::from_utf8_lossy(data);
    match event {
        Some(event) => put(event, Some(cursor), &data, out),
        None => put_data(Some(cursor), &data, out),
    }
}

/// Names of events hold nothing that ends a line.
fn put(event: &str, cursor: Option<&Cursor>, data: &str, out: &mut String) {
    for part in ["event: ", event, "\n"] {
        out.push_str(part);
    }
    put_data(cursor, data, out);
}

fn put_data(cursor: Option<&Cursor>, data: &str, out: &mut String) {
    if let Some(cursor) = cursor {
        // To a string this never fails.
        let _ = writeln!(out, "id: {cursor}");
    }
    let mut rest = data;
    while let Some(end) = rest.find(['\r', '\n']) {
        let (line, more) = rest.split_at(end);
        put_line(line, out);
        rest = more.strip_prefix("\r\n").unwrap_or(&more[1..]);
    }
    put_line(rest, out);
    out.push('\n');
}

fn put_line(line: &str, out: &mut String) {
    for part in ["data: ", line, "\n"] {
        out.push_str(part);
    }
}

fn retry() -> String {
    let (least, most) = (RETRY.0.as_millis() as u64, RETRY.1.as_millis() as u64);
    let chance = getrandom::u64().unwrap_or_default();
    format!("retry: {}\n", least + chance % (most - least))
}

#[cfg(test)]
mod tests {
    use pushnote_core::Position;

    use super::*;

    fn cursor() -> Cursor {
        Cursor { log: Position { epoch: 1, sequence: 2 }, sources: [].into() }
    }

    fn text(chunk: &Chunk) -> &str {
        std::str::from_utf8(chunk.as_ref()).unwrap()
    }

    #[test]
    fn events_have_one_line_of_data_and_their_place() {
        let mut out = String::new();
        put_message(None, &Bytes::from_static(b"{\"a\":1}"), &cursor(), &mut out);
        put_message(Some("late"), &Bytes::from_static(b"2"), &cursor(), &mut out);
        assert_eq!(out, "id: 1~1.2\ndata: {\"a\":1}\n\nevent: late\nid: 1~1.2\ndata: 2\n\n");
    }

    #[test]
    fn each_line_of_a_text_is_one_of_data() {
        for (text, lines) in [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            ("a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\u{2028}\n\nid: 666", "data: \u{2028}\ndata: \ndata: id: 666\n\n"),
        ] {
            let mut out = String::new();
            put_data(None, text, &mut out);
            assert_eq!(out, lines, "{text:?}");
        }
    }

    #[test]
    fn what_the_server_says_of_itself() {
        assert_eq!(text(&place(&cursor(), true)), "id: 1~1.2\n\n");
        assert_eq!(text(&place(&cursor(), false)), "event: gap\nid: 1~1.2\ndata: {}\n\n");
        let channel = "a".parse().unwrap();
        assert_eq!(
            text(&gap(Some(&channel), &cursor())),
            "event: gap\nid: 1~1.2\ndata: {\"channel\":\"a\"}\n\n"
        );
        assert_eq!(text(&expired(&channel.into())), "event: expired\ndata: {\"channel\":\"a\"}\n\n");
        assert!(text(&ending(CloseCode::Shutdown)).starts_with("retry: "));
        assert!(text(&ending(CloseCode::SlowConsumer)).starts_with("event: close\ndata: {\"code\":3008,"));
    }
}
