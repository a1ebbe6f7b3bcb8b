//! `pushnote publish`: one message from the command line.

mod http;
mod push;

use pushnote::{AckError, Message, Obstacle, Publisher, PublisherBuilder, Receipt};
use pushnote_cli::{Failure, client_keys, say};
use serde_json::value::RawValue;

use crate::args::PublishArgs;
use crate::json::read_json;
pub(crate) use push::PushArgs;

pub(crate) fn run(args: &PublishArgs) -> Result<(), Failure> {
    let json = read_json(&args.json)?;
    if let Some(url) = &args.url {
        return http::publish(url, &json, args);
    }
    let mut builder = Publisher::builder().subscriber_timeout(args.timeout);
    if let Some((server, secret)) = client_keys(&args.connect, &args.key)? {
        builder = builder.curve(server, secret);
    }
    if let Some(ack) = &args.ack {
        builder = builder.ack_endpoint(ack).map_err(|error| Failure::usage(format!("--ack: {error}")))?;
    }
    let publisher = builder
        .endpoint(&args.mq_socket)
        .and_then(PublisherBuilder::build)
        .map_err(|error| Failure::usage(format!("--mq_socket: {error}")))?;
    if args.ack.is_some() {
        return acknowledged(&publisher, &json, args);
    }
    message(&publisher, &json, args).send().map_err(|error| Failure::data(error.to_string()))?;
    publisher.flush(args.timeout).map_err(|error| {
        let advice = match error.obstacle {
            Obstacle::NotConnected => "; is pushnote-mq, pushnote-server --single or pushnote dev there?",
            _ => "",
        };
        Failure::unavailable(format!("{error}{advice}"))
    })
}

/// For whom the arguments name, or for everyone.
fn message<'p, 'j>(
    publisher: &'p Publisher,
    json: &'j RawValue,
    args: &PublishArgs,
) -> Message<'p, &'j RawValue> {
    let mut message = publisher.publish(json).users(&args.user);
    for channel in &args.channel {
        message = message.channel(channel);
    }
    if args.user.is_empty() && args.channel.is_empty() {
        message = message.everyone();
    }
    if let Some(push) = args.push.push() {
        message = message.push(push);
    }
    match &args.event {
        Some(event) => message.event(event),
        None => message,
    }
}

fn acknowledged(publisher: &Publisher, json: &RawValue, args: &PublishArgs) -> Result<(), Failure> {
    match message(publisher, json, args).send_acked(args.timeout) {
        Ok(Receipt { id, servers, of }) => {
            say(format_args!("{id}: taken by {servers} of {of} servers"));
            if servers > 0 { Ok(()) } else { Err(Failure::unavailable("no server has taken the message")) }
        }
        Err(AckError::NoAnswer { within, endpoints, obstacle: Some(Obstacle::NotConnected) }) => {
            Err(Failure::unavailable(format!(
                "--ack: not connected to {endpoints} within {within:?}: does a pushnote-mq or pushnote-server --single listen \
                 there, with this --ack?"
            )))
        }
        Err(error @ (AckError::NoAnswer { .. } | AckError::NotTaken(_) | AckError::TooMany)) => {
            Err(Failure::unavailable(error.to_string()))
        }
        Err(error) => Err(Failure::data(error.to_string())),
    }
}
