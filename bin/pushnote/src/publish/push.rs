//! What `pushnote publish` says of Web Push.

use std::time::Duration;

use pushnote::{Push, Urgency};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// With --user alone: Web Push with this title to the user's devices, if no page acknowledges the message in time
    #[arg(long, value_name = "TEXT", requires = "user", conflicts_with = "channel")]
    pub(crate) push_title: Option<String>,

    /// How long pages have for that, as in 10s; 0 pushes at once
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = pushnote_config::duration, requires = "push_title")]
    pub(crate) push_after: Duration,

    /// What the notification says below its title
    #[arg(long, value_name = "TEXT", requires = "push_title")]
    pub(crate) push_body: Option<String>,

    /// The page that it opens: a path, or a URL
    #[arg(long, value_name = "URL", requires = "push_title")]
    pub(crate) push_url: Option<String>,

    /// Its picture: likewise
    #[arg(long, value_name = "URL", requires = "push_title")]
    pub(crate) push_icon: Option<String>,

    /// How long it is kept for a device that is off, as in 1h
    #[arg(long, value_name = "TIME", value_parser = pushnote_config::duration, requires = "push_title")]
    pub(crate) push_ttl: Option<Duration>,

    /// How much battery it is worth: very-low, low, normal or high
    #[arg(long, value_name = "URGENCY", value_parser = urgency, requires = "push_title")]
    pub(crate) push_urgency: Option<Urgency>,

    /// Of two with the same topic, the later replaces the other
    #[arg(long, value_name = "NAME", requires = "push_title")]
    pub(crate) push_topic: Option<String>,

    /// By what to ask for the message, at /v1/messages/ID; one that is known already is not pushed again
    #[arg(long, value_name = "ID", requires = "push_title")]
    pub(crate) push_id: Option<String>,
}

impl PushArgs {
    /// What follows the message.
    pub(super) fn push(&self) -> Option<Push> {
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        let push = Push::new(self.push_title.as_deref()?).after(self.push_after);
        let push = self.push_ttl.into_iter().fold(push, Push::ttl);
        Some(Push {
            id: text(&self.push_id),
            body: text(&self.push_body).unwrap_or_default(),
            url: text(&self.push_url),
            icon: text(&self.push_icon),
            urgency: self.push_urgency,
            topic: text(&self.push_topic),
            ..push
        })
    }

    /// The same as the HTTP API has it: there the id is the message's.
    pub(super) fn add_to(&self, body: &mut Value) {
        let Some(mut push) = self.push() else { return };
        if let Some(id) = push.id.take() {
            body["id"] = json!(id);
        }
        body["push"] = json!(push);
    }
}

fn urgency(text: &str) -> Result<Urgency, String> {
    serde_json::from_value(json!(text)).map_err(|_| "give very-low, low, normal or high".to_owned())
}
