//! `pushnote publish`: one message from the command line.

mod http;
mod push;

use pushnote::{AckError, Message, Obstacle, Publisher, PublisherBuilder, Push, Receipt};
use pushnote_cli::{Failure, client_keys, say};
use serde_json::value::RawValue;

use crate::args::PublishArgs;
use crate::json::read_json;
use crate::mq_socket::MQ_SOCKET;
use crate::web::base;
pub(crate) use push::PushArgs;

pub(crate) fn run(args: &PublishArgs) -> Result<(), Failure> {
    let json = read_json(&args.json)?;
    if let Some(url) = &args.url {
        return http::publish(url, &json, args);
    }
    let publisher = publisher(args)?;
    let push = args.push.push().map(with_id).transpose()?;
    let message = message(&publisher, &json, args, push.clone());
    if ack(args).is_some() {
        acknowledged(message, args)?;
    } else {
        message.send().map_err(|error| Failure::data(error.to_string()))?;
        publisher.flush(args.timeout).map_err(|error| {
            let advice = match error.obstacle {
                Obstacle::NotConnected => "; is pushnote-mq, pushnote-server --single or pushnote dev there?",
                _ => "",
            };
            Failure::unavailable(format!("{error}{advice}"))
        })?;
    }
    if let Some(id) = push.and_then(|push| push.id) {
        say(format_args!("what becomes of the push: GET /v1/messages/{id}"));
    }
    Ok(())
}

fn publisher(args: &PublishArgs) -> Result<Publisher, Failure> {
    let mut builder = Publisher::builder().subscriber_timeout(args.timeout);
    if let Some((server, secret)) = client_keys(&args.connect, &args.key)? {
        builder = builder.curve(server, secret);
    }
    if let Some(ack) = ack(args) {
        builder = builder.ack_endpoint(&ack).map_err(|error| Failure::usage(format!("--ack: {error}")))?;
    }
    let mq_socket = args.mq_socket.clone().or_else(|| variable("PUSHNOTE_MQ_SOCKET"));
    let mq_socket = mq_socket.as_deref().unwrap_or(MQ_SOCKET);
    // As an application in Python may have it in its environment.
    if base(mq_socket).is_ok() {
        return Err(Failure::usage(format!(
            "--mq_socket: {mq_socket} is no ZeroMQ endpoint: use --url {mq_socket}"
        )));
    }
    let builder = builder.endpoint(mq_socket).and_then(PublisherBuilder::build);
    builder.map_err(|error| Failure::usage(format!("--mq_socket: {error}")))
}

fn ack(args: &PublishArgs) -> Option<String> {
    args.ack.clone().or_else(|| variable("PUSHNOTE_ACK_SOCKET"))
}

/// Read here, since to clap a flag conflicts with a variable as with a flag.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Without an id of its own, a push has one that nobody is told.
fn with_id(push: Push) -> Result<Push, Failure> {
    if push.id.is_some() {
        return Ok(push);
    }
    let id = getrandom::u64().map_err(|error| Failure::system(format!("no randomness: {error}")))?;
    Ok(Push { id: Some(format!("{id:016x}").into()), ..push })
}

/// For whom the arguments name, or for everyone.
fn message<'p, 'j>(
    publisher: &'p Publisher,
    json: &'j RawValue,
    args: &PublishArgs,
    push: Option<Push>,
) -> Message<'p, &'j RawValue> {
    let mut message = publisher.publish(json).users(&args.user);
    for channel in &args.channel {
        message = message.channel(channel);
    }
    if args.user.is_empty() && args.channel.is_empty() {
        message = message.everyone();
    }
    if let Some(push) = push {
        message = message.push(push);
    }
    match &args.event {
        Some(event) => message.event(event),
        None => message,
    }
}

fn acknowledged(message: Message<'_, &RawValue>, args: &PublishArgs) -> Result<(), Failure> {
    match message.send_acked(args.timeout) {
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
