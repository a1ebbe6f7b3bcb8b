//! A piece of a stream as it is sent: as the body of an answer, or as events.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::content_type::Form;
use super::offset::Offset;

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// JSON texts without line breaks, or bytes, as the stream's form has it.
    pub(super) messages: Vec<Bytes>,
    /// The place of the first message, and the one behind the last; those of the reader if there is none.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Where to read on.
    pub(super) next: Offset,
    /// There was no more.
    pub(super) up_to_date: bool,
    /// There will be no more.
    pub(super) closed: bool,
}

/// What an event `control` says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Control {
    stream_next_offset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_cursor: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    up_to_date: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream_closed: bool,
}

impl Chunk {
    /// As the body of an answer.
    pub(super) fn body(&self, form: Form) -> Bytes {
        match form {
            Form::Json => self.json().into(),
            Form::Text | Form::Bytes => self.messages.concat().into(),
        }
    }

    /// As events: `data`, unless there is nothing, and `control`.
    pub(super) fn events(&self, form: Form, cursor: u64) -> Bytes {
        let mut events = String::new();
        if !self.messages.is_empty() {
            events.push_str("event: data\n");
            match form {
                Form::Json => line(&mut events, &String::from_utf8_lossy(&self.json())),
                Form::Bytes => line(&mut events, &BASE64_STANDARD.encode(self.messages.concat())),
                Form::Text => lines(&String::from_utf8_lossy(&self.messages.concat()))
                    .for_each(|text| line(&mut events, text)),
            }
            events.push('\n');
        }
        let control = Control {
            stream_next_offset: self.next.to_string(),
            // Nobody comes back to a stream that is over.
            stream_cursor: (!self.closed).then(|| cursor.to_string()),
            up_to_date: self.up_to_date,
            stream_closed: self.closed,
        };
        let control = serde_json::to_string(&control).unwrap_or_default();
        events.push_str("event: control\ndata:");
        events.push_str(&control);
        events.push_str("\n\n");
        events.into()
    }

    fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.messages.iter().map(|one| one.len() + 1).sum::<usize>() + 1);
        json.push(b'[');
        for (at, message) in self.messages.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            json.extend_from_slice(message);
        }
        json.push(b']');
        json
    }
}

/// One line of an event. Readers take a space behind the colon away, which is none of the text's.
fn line(events: &mut String, text: &str) {
    events.push_str(if text.starts_with(' ') { "data: " } else { "data:" });
    events.push_str(text);
    events.push('\n');
}

/// What lies between CR LF, LF and CR: each of them ends a line of an event, and so could begin a field of its own.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

#[cfg(test)]
mod tests {
    use pushnote_core::Position;

    use super::*;

    fn chunk(messages: &[&'static str]) -> Chunk {
        let next = Offset { place: Position { epoch: 2, sequence: 1 }, gap: None };
        let messages = messages.iter().copied().map(Bytes::from).collect();
        Chunk { messages, first: 0, last: 1, next, up_to_date: true, closed: false }
    }

    fn data(chunk: &Chunk, form: Form) -> String {
        let events = String::from_utf8(chunk.events(form, 7).to_vec()).unwrap();
        let (data, control) = events.rsplit_once("event: control\n").unwrap();
        assert!(control.starts_with("data:{") && control.ends_with("}\n\n"), "{control}");
        data.to_owned()
    }

    #[test]
    fn json_is_a_list() {
        assert_eq!(chunk(&[]).body(Form::Json), "[]");
        assert_eq!(chunk(&["{}", "[1]", "\"a\""]).body(Form::Json), r#"[{},[1],"a"]"#);
        assert_eq!(data(&chunk(&["1", "2"]), Form::Json), "event: data\ndata:[1,2]\n\n");
    }

    #[test]
    fn bytes_follow_each_other() {
        assert_eq!(chunk(&["ab", "c"]).body(Form::Bytes), "abc");
        assert_eq!(data(&chunk(&["ab", "c"]), Form::Bytes), "event: data\ndata:YWJj\n\n");
    }

    #[test]
    fn no_line_of_a_text_is_a_field() {
        let text = chunk(&["a\r\n\r\nevent: control\rdata: x\n", "\n b"]);
        assert_eq!(text.body(Form::Text), "a\r\n\r\nevent: control\rdata: x\n\n b");
        let event = "event: data\ndata:a\ndata:\ndata:event: control\ndata:data: x\ndata:\ndata:  b\n\n";
        assert_eq!(data(&text, Form::Text), event);
    }

    #[test]
    fn an_event_says_where_to_go_on() {
        let mut chunk = chunk(&[]);
        let next = "0000000000000001_0000000000000002";
        let control = format!(
            "event: control\ndata:{{\"streamNextOffset\":\"{next}\",\"streamCursor\":\"7\",\"upToDate\":true}}\n\n"
        );
        assert_eq!(chunk.events(Form::Text, 7), control);
        chunk.closed = true;
        let control = format!(
            "event: control\ndata:{{\"streamNextOffset\":\"{next}\",\"upToDate\":true,\"streamClosed\":true}}\n\n"
        );
        assert_eq!(chunk.events(Form::Text, 7), control);
    }
}
