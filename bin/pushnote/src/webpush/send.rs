//! `pushnote webpush send`: `POST /v1/push`, and how far it is.

use std::time::Duration;

use pushnote_cli::{Failure, say};
use pushnote_webpush::Urgency;
use serde_json::{Map, Value, json};

use super::progress;
use crate::json::read_json;
use crate::web::{Api, ApiArgs};

/// A message to very many is on disk for all of them before it is answered for.
const ENQUEUE_PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("whom").required(true)))]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(super) struct SendArgs {
    /// To all browsers that have subscribed
    #[arg(long, group = "whom")]
    all: bool,

    /// To those in this group
    #[arg(long, value_name = "NAME", group = "whom")]
    group: Option<String>,

    /// To those of this user; repeat for several, or put commas between them
    #[arg(short, long, value_delimiter = ',', group = "whom")]
    user: Vec<String>,

    /// But not to those of this user; repeat for several, or put commas between them
    #[arg(long, value_name = "USER", value_delimiter = ',')]
    except: Vec<String>,

    /// What stands at the top of the notification
    #[arg(long, value_name = "TEXT", group = "what")]
    title: Option<String>,

    /// What it says below
    #[arg(long, value_name = "TEXT", requires = "title")]
    body: Option<String>,

    /// The page that it opens: a path, or a URL
    #[arg(long, value_name = "URL", requires = "title")]
    url: Option<String>,

    /// Its picture: likewise
    #[arg(long, value_name = "URL", requires = "title")]
    icon: Option<String>,

    /// Of two notifications with the same tag, the later takes the place of the other
    #[arg(long, value_name = "NAME", requires = "title")]
    tag: Option<String>,

    /// In place of all these, what a service worker of your own reads; - reads it from standard input
    #[arg(long, value_name = "JSON", group = "what")]
    payload: Option<String>,

    /// How long services keep it for a browser that is off, as in 1h
    #[arg(long, value_name = "TIME", value_parser = pushnote_config::duration)]
    ttl: Option<Duration>,

    /// What a device that saves power waits with: very-low, low, normal or high
    #[arg(long)]
    urgency: Option<Urgency>,

    /// What it replaces while a service keeps that
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,

    /// The message's id: one that is known is not sent again, and its progress is shown
    #[arg(long)]
    id: Option<String>,

    /// Does not wait until all is sent
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &SendArgs) -> Result<(), Failure> {
    let api = Api::new(&args.api)?;
    let sent = api.post("/v1/push", &request(args)?, ENQUEUE_PATIENCE)?;
    let (Some(id), Some(devices)) = (sent["id"].as_str(), sent["devices"].as_u64()) else {
        return Err(Failure::data("this is no pushnote's answer: it has no id and no number of devices"));
    };
    say(format_args!("{id}: for {devices} browsers"));
    if args.no_wait || devices == 0 { Ok(()) } else { progress::follow(&api, id) }
}

/// What the API is asked. It says itself what is wrong with it.
fn request(args: &SendArgs) -> Result<Value, Failure> {
    let mut request = Map::new();
    if args.all {
        request.insert("everyone".to_owned(), json!(true));
    }
    for (name, users) in [("users", &args.user), ("except", &args.except)] {
        if !users.is_empty() {
            request.insert(name.to_owned(), json!(users));
        }
    }
    let texts = [
        ("group", &args.group),
        ("title", &args.title),
        ("body", &args.body),
        ("url", &args.url),
        ("icon", &args.icon),
        ("tag", &args.tag),
        ("topic", &args.topic),
        ("id", &args.id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            request.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(payload) = &args.payload {
        request.insert("payload".to_owned(), json!(read_json(payload)?));
    }
    if let Some(ttl) = args.ttl {
        request.insert("ttl_s".to_owned(), json!(ttl.as_secs()));
    }
    if let Some(urgency) = args.urgency {
        request.insert("urgency".to_owned(), json!(urgency.as_str()));
    }
    Ok(Value::Object(request))
}
