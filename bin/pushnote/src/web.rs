//! What the tool asks over HTTP.

use std::io::ErrorKind;
use std::time::Duration;

use pushnote_cli::Failure;
use serde_json::Value;
use ureq::Agent;

/// For the connection, and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks; answers that refuse are answers, too.
pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .http_status_as_error(false)
        .user_agent(concat!("pushnote/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// An address as a flag has it, without what its paths begin with.
pub(crate) fn base(url: &str) -> Result<&str, String> {
    let url = url.trim_end_matches('/');
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(url)
    } else {
        Err(format!("give a URL, as in http://{url}"))
    }
}

/// What an answer that refuses says, in words.
pub(crate) fn refusal(status: u16, body: &str) -> String {
    let detail = serde_json::from_str::<Value>(body).ok();
    let detail = detail.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or(body.trim());
    format!("the server answered {status}: {detail}")
}

/// Nobody answers, or not as HTTP has it.
pub(crate) fn unanswered(url: &str, error: &ureq::Error) -> Failure {
    let advice = match error {
        ureq::Error::Protocol(_) => {
            "; does something else than HTTP listen there? The API has the address of --api, pages that of --port"
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            "; nothing listens there: is the server started, and is this its port?"
        }
        _ => "",
    };
    Failure::unavailable(format!("{url}: {error}{advice}"))
}
