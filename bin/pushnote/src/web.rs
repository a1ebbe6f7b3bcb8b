//! What the tool asks over HTTP.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pushnote_cli::{Failure, read_setting};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

/// For the connection, and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

const KEY_VARIABLE: &str = "PUSHNOTE_API_KEY";
/// A file that is longer, in bytes, has something else in it.
const KEY_BYTES_MAX: u64 = 4096;

/// A server's API, for commands that know no other way.
#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    /// Where the server has its API
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    api_url: String,

    /// File with the key of the API; the environment variable PUSHNOTE_API_KEY does as well
    #[arg(long, value_name = "PATH")]
    api_key_file: Option<PathBuf>,
}

/// See [`ApiArgs`].
pub(crate) struct Api {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Api {
    pub(crate) fn new(args: &ApiArgs) -> Result<Self, Failure> {
        let base = base(&args.api_url).map_err(|error| Failure::usage(format!("--api-url: {error}")))?;
        let authorization = format!("Bearer {}", api_key(args.api_key_file.as_deref())?);
        Ok(Self { agent: agent(), base: base.to_owned(), authorization })
    }

    /// What it answers to a `POST`, for which it may take so long.
    pub(crate) fn post(&self, path: &str, body: &Value, patience: Duration) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.post(&url).header("authorization", &self.authorization);
        let request = request.config().timeout_recv_response(Some(patience)).build();
        answered(&url, request.send(body.to_string()))
    }

    /// What it answers to a `GET`.
    pub(crate) fn look(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        answered(&url, self.agent.get(&url).header("authorization", &self.authorization).call())
    }
}

fn answered(url: &str, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
    let mut answer = answer.map_err(|error| unanswered(url, &error))?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().map_err(|error| unanswered(url, &error))?;
    match status {
        200..=299 => serde_json::from_str(&text)
            .map_err(|error| Failure::data(format!("{url}: this is no pushnote's answer: {error}"))),
        400..=499 => Err(Failure::data(refusal(status, &text))),
        _ => Err(Failure::unavailable(refusal(status, &text))),
    }
}

/// The key of an API, which no command line may show.
pub(crate) fn api_key(file: Option<&Path>) -> Result<String, Failure> {
    let key = match file {
        Some(path) => read_setting("--api-key-file", path, KEY_BYTES_MAX)?,
        None => std::env::var(KEY_VARIABLE).map_err(|_| {
            Failure::config(format!(
                "there is no key: set {KEY_VARIABLE}, or give --api-key-file; pushnote keygen --api makes one"
            ))
        })?,
    };
    let key = key.trim();
    if key.is_empty() || key.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(Failure::config("the API key is empty, or more than one word"));
    }
    Ok(key.to_owned())
}

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
