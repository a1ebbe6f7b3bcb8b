//! Settings of what is written down, and told, of messages that may be pushed.

use std::path::PathBuf;

use http::Uri;

use crate::values::{age, count};

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "States of messages")]
pub struct WebhookArgs {
    /// Where the application hears how far messages with a push have come, as in `https://example.org/hooks/pushnote`: signed
    /// requests, each with a list of events (docs/web-push.md). It goes with --webhook-secret-file
    #[arg(long, env = "PUSHNOTE_WEBHOOK_URL", value_name = "URL", value_parser = webhook_url)]
    pub webhook_url: Option<Uri>,

    /// File with the secret that these are signed with: base64 of 24 to 64 bytes, as `openssl rand -base64 32` makes them
    #[arg(long, env = "PUSHNOTE_WEBHOOK_SECRET_FILE", value_name = "PATH")]
    pub webhook_secret_file: Option<PathBuf>,

    /// How long it is kept how far a message with a push has come
    #[arg(long, env = "PUSHNOTE_MESSAGE_STATES_AGE", value_name = "SECONDS", value_parser = age, default_value_t = 86_400)]
    pub message_states_age: u64,

    /// Most users of such messages of whom that is kept; of more, the oldest messages are forgotten
    #[arg(long, env = "PUSHNOTE_MESSAGE_STATES_MAX", value_name = "N", value_parser = count::<u64>, default_value_t = 100_000)]
    pub message_states_max: u64,
}

/// An address that requests are sent to. A secret in it would be logged.
fn webhook_url(text: &str) -> Result<Uri, String> {
    let advice =
        || "give a URL with http: or https:, without a user, as in https://example.org/hooks/pushnote";
    let uri: Uri = text.parse().map_err(|_| advice())?;
    let of_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    if of_web && host { Ok(uri) } else { Err(advice().to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_an_address_of_the_web() {
        for good in ["http://127.0.0.1:8000/hook?a=b", "https://example.org"] {
            assert_eq!(webhook_url(good).unwrap(), good.parse::<Uri>().unwrap());
        }
        for wrong in ["example.org", "ftp://a/", "http://user:secret@a/", "/hook", ""] {
            assert!(webhook_url(wrong).is_err(), "{wrong}");
        }
    }
}
