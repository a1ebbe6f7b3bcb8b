//! What a published message says of Web Push.

use pushnote_core::push::AFTER_DEFAULT_S;
use pushnote_core::{Audience, Push, Subject, Urgency};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// A notification, and when it is pushed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushOption {
    /// Seconds that pages have to acknowledge the message.
    #[serde(default = "after_default_s")]
    #[schema(default = 10)]
    after_s: u32,
    /// What the notification says first.
    #[schema(example = "New message")]
    title: Box<str>,
    /// What it says then.
    #[serde(default)]
    body: Box<str>,
    /// The page that it opens: a path, or a URL with `http:` or `https:`.
    url: Option<Box<str>>,
    /// Its picture: likewise.
    icon: Option<Box<str>>,
    /// How long a service keeps it for a device that is off, in seconds.
    ttl_s: Option<u32>,
    /// How much battery it is worth.
    #[schema(value_type = Option<UrgencyName>)]
    urgency: Option<Urgency>,
    /// Of two with the same topic, the later replaces the other.
    topic: Option<Box<str>>,
}

/// How much battery a push is worth.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it describes what Urgency reads")]
enum UrgencyName {
    VeryLow,
    Low,
    Normal,
    High,
}

fn after_default_s() -> u32 {
    AFTER_DEFAULT_S
}

impl PushOption {
    /// Within its limits, of a message for these.
    pub(super) fn checked(self, audience: &Audience) -> Result<Push, Problem> {
        let Self { after_s, title, body, url, icon, ttl_s, urgency, topic } = self;
        let push = Push { id: None, after_s, title, body, url, icon, ttl_s, urgency, topic };
        push.check().map_err(|error| Problem::malformed(format!("push: {error}")))?;
        if !audience.subjects().iter().all(|subject| matches!(subject, Subject::User(_))) {
            return Err(Problem::malformed(
                "push: it is for messages to users alone: of channels, and of everyone, nobody knows who is absent",
            ));
        }
        Ok(push)
    }
}
