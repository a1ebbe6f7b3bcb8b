//! A message by way of the HTTP API.

use pushnote_cli::{Failure, say};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::args::PublishArgs;
use crate::web::{agent, api_key, base, refusal, unanswered};

pub(crate) fn publish(url: &str, message: &RawValue, args: &PublishArgs) -> Result<(), Failure> {
    let url = base(url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let url = format!("{url}/v1/publish");
    let key = api_key(args.api_key_file.as_deref())?;
    let everyone = args.user.is_empty() && args.channel.is_empty();
    let mut body = json!({
        "data": message, "users": args.user, "channels": args.channel, "everyone": everyone,
    });
    if let Some(event) = &args.event {
        body["event"] = json!(event);
    }
    args.push.add_to(&mut body);
    let request = agent().post(&url).header("authorization", format!("Bearer {key}"));
    let mut answer = request.send(body.to_string()).map_err(|error| unanswered(&url, &error))?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().map_err(|error| unanswered(&url, &error))?;
    match status {
        202 => {
            let receipt: Value = serde_json::from_str(&text)
                .map_err(|error| Failure::data(format!("{url}: this is no pushnote's answer: {error}")))?;
            let id = receipt["id"].as_str().unwrap_or_default();
            say(format_args!("{id}: for {} connections of that server", receipt["connections"]));
            if let Some(warning) = receipt["warning"].as_str() {
                say(format_args!("{warning}"));
            }
            Ok(())
        }
        400..=499 => Err(Failure::data(refusal(status, &text))),
        _ => Err(Failure::unavailable(refusal(status, &text))),
    }
}
