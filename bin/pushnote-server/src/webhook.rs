//! Where the application hears how far messages have come, if it does.

use pushnote_cli::{Failure, SECRET_BYTES_MAX, read_setting};
use pushnote_config::{Server, WebhookArgs};
use pushnote_http::{WebhookOptions, WebhookSecret};

/// Where, and what it is signed with.
pub(crate) fn options(args: &Server) -> Result<Option<WebhookOptions>, Failure> {
    let WebhookArgs { webhook_url, webhook_secret_file, .. } = &args.webhook;
    let (url, file) = match (webhook_url, webhook_secret_file) {
        (Some(url), Some(file)) => (url, file),
        (None, _) => return Ok(None),
        (Some(_), None) => {
            return Err(Failure::usage(
                "--webhook-url: its requests are signed: give --webhook-secret-file, too; `openssl rand -base64 32` makes a secret",
            ));
        }
    };
    let text = read_setting("--webhook-secret-file", file, SECRET_BYTES_MAX)?;
    let secret = WebhookSecret::parse(text.trim())
        .map_err(|error| Failure::config(format!("--webhook-secret-file: {}: {error}", file.display())))?;
    Ok(Some(WebhookOptions { url: url.clone(), secret }))
}
