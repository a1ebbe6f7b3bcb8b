//! What a person is shown, as a push message.

use std::time::Duration;

use pushnote_core::Push;
use pushnote_core::push::Urgency;
use pushnote_webpush::{Message, MessageError, PAYLOAD_BYTES_MAX, Topic};
use serde::Serialize;

use super::acks::ACK_BYTES_MAX;

/// As our service worker reads it.
#[derive(Serialize)]
struct Payload<'a> {
    /// First, and filled in for each user.
    ack: &'static str,
    id: &'a str,
    /// Of two with the same tag, a browser shows the later one in place of the other.
    tag: &'a str,
    title: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
}

/// How push services are to treat a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Treatment<'a> {
    pub(crate) ttl_s: Option<u32>,
    pub(crate) urgency: Option<Urgency>,
    pub(crate) topic: Option<&'a str>,
}

/// The push message that brings a notification. Without a tag, that is its topic, or else its id.
///
/// # Errors
///
/// [`MessageError`]: it is too long, or its topic is none.
pub(crate) fn notification(id: &str, push: &Push, tag: Option<&str>) -> Result<Message, MessageError> {
    let Push { title, body, url, icon, ttl_s, urgency, topic, .. } = push;
    let tag = tag.or(topic.as_deref()).unwrap_or(id);
    let payload = Payload { ack: "", id, tag, title, body, url: url.as_deref(), icon: icon.as_deref() };
    // Texts always serialise.
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    let bytes = payload.len() + ACK_BYTES_MAX;
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(MessageError::TooLong { bytes });
    }
    let treatment = Treatment { ttl_s: *ttl_s, urgency: *urgency, topic: topic.as_deref() };
    treatment.of(Message::new(payload)?, tag)
}

impl Treatment<'_> {
    /// A message that is treated so. Without a topic, it is what the message is `about`: so a copy that is sent again by
    /// mistake replaces the first one.
    ///
    /// # Errors
    ///
    /// [`MessageError::Topic`].
    pub(crate) fn of(self, message: Message, about: &str) -> Result<Message, MessageError> {
        let Self { ttl_s, urgency, topic } = self;
        let topic = topic.map_or_else(|| Ok(Topic::of(about)), str::parse)?;
        let urgency = urgency.map_or(Ok(Default::default()), |urgency| urgency.as_str().parse())?;
        let message = message.topic(topic).urgency(urgency);
        Ok(match ttl_s {
            Some(ttl_s) => message.ttl(Duration::from_secs(ttl_s.into())),
            None => message,
        })
    }
}

#[cfg(test)]
mod tests {
    use pushnote_core::push::{MESSAGE_ID_BYTES_MAX, TEXTS_BYTES_MAX};

    use super::*;

    fn push() -> Push {
        Push { title: "Hi".into(), url: Some("/a".into()), ttl_s: Some(60), ..Push::default() }
    }

    #[test]
    fn its_payload_is_what_the_service_worker_reads() {
        let message = notification("m1", &push(), None).unwrap();
        let expected = br#"{"ack":"","id":"m1","tag":"m1","title":"Hi","body":"","url":"/a"}"#;
        assert_eq!(&message.payload().unwrap()[..], expected);
        assert_eq!((message.topic, message.ttl), (Some(Topic::of("m1")), Duration::from_secs(60)));

        let message = notification("m2", &push(), Some("the score")).unwrap();
        assert!(message.payload().unwrap().starts_with(br#"{"ack":"","id":"m2","tag":"the score""#));
        assert_eq!(message.topic, Some(Topic::of("the score")));

        let of_topic = Push { topic: Some("score".into()), urgency: Some(Urgency::High), ..push() };
        let message = notification("m3", &of_topic, None).unwrap();
        assert!(message.payload().unwrap().starts_with(br#"{"ack":"","id":"m3","tag":"score""#));
        assert_eq!(message.topic, Some("score".parse().unwrap()));
        assert_eq!(message.urgency.as_str(), "high");
    }

    #[test]
    fn the_longest_has_room() {
        let longest = Push { title: "x".repeat(TEXTS_BYTES_MAX - 2).into(), ..Push::default() };
        let id = "\"".repeat(MESSAGE_ID_BYTES_MAX);
        assert!(notification(&id, &longest, None).is_ok());
    }
}
