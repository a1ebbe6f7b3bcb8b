//! Publications as the client protocol has them (docs/protocol.md): each says what it is, each batch where it ends.

use bytes::Bytes;
use pushnote_core::{ChannelName, Cursor, Subject, UserId};
use pushnote_hub::{Batch, Content, Publication};
use serde_json::{Value, json};

/// The elements of a batch: its messages in one, and in between where some are missing.
pub(crate) fn elements<E>(batch: &Batch<E>) -> Vec<Bytes> {
    let mut elements = Vec::with_capacity(1);
    let mut messages: Vec<&Publication> = Vec::with_capacity(batch.len());
    for publication in batch.publications() {
        match publication.content() {
            Content::Message { .. } => messages.push(publication),
            Content::Gap => {
                close(&mut messages, &mut elements);
                elements.push(gap(publication.audience().channels().next(), publication.cursor()).into());
            }
            Content::Joined(channel, user) => {
                close(&mut messages, &mut elements);
                elements.push(came_or_went("join", channel, user).into());
            }
            Content::Left(channel, user) => {
                close(&mut messages, &mut elements);
                elements.push(came_or_went("leave", channel, user).into());
            }
        }
    }
    close(&mut messages, &mut elements);
    elements
}

/// The messages so far become an element.
fn close(messages: &mut Vec<&Publication>, elements: &mut Vec<Bytes>) {
    let Some(last) = messages.last() else { return };
    let cursor = last.cursor().to_string();
    let bytes: usize = messages.iter().map(|message| message.data().map_or(0, Bytes::len) + 64).sum();
    let mut out = Vec::with_capacity(bytes + 128);
    out.extend_from_slice(br#"{"type":"messages","messages":"#);
    put_messages(messages.drain(..), &mut out);
    out.extend_from_slice(br#","cursor":""#);
    out.extend_from_slice(cursor.as_bytes());
    out.extend_from_slice(br#""}"#);
    elements.push(out.into());
}

/// No messages, and the place behind them.
pub(crate) fn place(cursor: &Cursor) -> String {
    json!({"type": "messages", "messages": [], "cursor": cursor.to_string()}).to_string()
}

/// Messages are missing before this place: of one channel, or of anything.
pub(crate) fn gap(channel: Option<&ChannelName>, cursor: &Cursor) -> String {
    let mut gap = json!({"type": "gap", "cursor": cursor.to_string()});
    if let Some(channel) = channel {
        gap["channel"] = json!(channel.as_str());
    }
    gap.to_string()
}

/// Somebody has come to a channel, or has left it.
fn came_or_went(what: &str, channel: &ChannelName, user: &UserId) -> String {
    json!({"type": what, "channel": channel.as_str(), "user": user.as_str()}).to_string()
}

/// An object of the protocol with messages in it.
pub(crate) fn with_messages<'a>(head: &Value, messages: impl Iterator<Item = &'a Publication>) -> String {
    let mut out = head.to_string().into_bytes();
    out.pop(); // its brace
    out.extend_from_slice(br#","messages":"#);
    put_messages(messages, &mut out);
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn put_messages<'a>(messages: impl Iterator<Item = &'a Publication>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, message) in messages.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_message(message, out);
    }
    out.push(b']');
}

/// A message by itself.
pub(crate) fn message(publication: &Publication) -> Bytes {
    let mut out = Vec::with_capacity(publication.data().map_or(0, Bytes::len) + 64);
    put_message(publication, &mut out);
    out.into()
}

fn put_message(message: &Publication, out: &mut Vec<u8>) {
    let Content::Message { data, event, media_type } = message.content() else { return };
    out.push(b'{');
    let subjects = message.audience().subjects();
    let mut channels = subjects.iter().filter_map(|subject| match subject {
        Subject::Channel(channel) => Some(channel.as_str()),
        Subject::Everyone | Subject::User(_) | Subject::Presence(_) => None,
    });
    match (channels.next(), channels.next()) {
        (Some(channel), None) => put_field("channel", channel, out),
        (Some(first), Some(second)) => {
            out.extend_from_slice(br#""channels":["#);
            for (at, channel) in [first, second].into_iter().chain(channels).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                put_string(channel, out);
            }
            out.extend_from_slice(b"],");
        }
        (None, _) => {}
    }
    if subjects.iter().any(|subject| matches!(subject, Subject::User(_))) {
        out.extend_from_slice(br#""user":true,"#);
    }
    if let Some(ack) = message.ack() {
        put_field("ack", ack, out);
    }
    if let Some(event) = event {
        put_field("event", event, out);
    }
    if let Some(media_type) = media_type {
        put_field("media_type", media_type, out);
    }
    out.extend_from_slice(br#""data":"#);
    out.extend_from_slice(data);
    out.push(b'}');
}

fn put_field(name: &str, value: &str, out: &mut Vec<u8>) {
    put_string(name, out);
    out.push(b':');
    put_string(value, out);
    out.push(b',');
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    // A string always serialises, and a vector takes it.
    let _ = serde_json::to_writer(out, text);
}
