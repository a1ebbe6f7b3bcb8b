//! `pushnote tail`: prints what is published, as a page gets it.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

use pushnote_cli::{Failure, read_secret, say, secret_source};
use pushnote_core::{ChannelName, Keys, Tokenizer, UserId};

use crate::args::TailArgs;
use crate::token::now;
use crate::web::{agent, base, refusal, unanswered};

/// Before it asks again.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &TailArgs) -> Result<(), Failure> {
    let url = base(&args.url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let url = format!("{url}/events");
    let keys = keys(args)?;
    let mut place = Place::default();
    let mut said_why = false;
    loop {
        match follow(&url, args, keys.as_ref(), &mut place) {
            Ok(()) => said_why = false,
            // Whom it never reached, it says so; later it waits for the server to come back.
            Err(Ended::Unreachable(failure)) if place.id.is_none() => return Err(failure),
            Err(Ended::Refused(failure)) => return Err(failure),
            Err(Ended::Unreachable(failure)) => {
                if !std::mem::replace(&mut said_why, true) {
                    eprintln!("{failure}; trying again");
                }
            }
        }
        sleep(PAUSE);
    }
}

/// Why there is no stream.
enum Ended {
    Refused(Failure),
    Unreachable(Failure),
}

/// Where it is.
#[derive(Default)]
struct Place {
    id: Option<String>,
}

/// Prints events until the stream ends.
fn follow(url: &str, args: &TailArgs, keys: Option<&Keys>, place: &mut Place) -> Result<(), Ended> {
    let mut request = agent().get(url).header("accept", "text/event-stream");
    for channel in &args.channel {
        request = request.query("channel", channel);
    }
    for token in tokens(args, keys).map_err(Ended::Refused)? {
        request = request.query("token", token);
    }
    if let Some(id) = &place.id {
        request = request.header("last-event-id", id);
    }
    let mut answer = request.call().map_err(|error| Ended::Unreachable(unanswered(url, &error)))?;
    let status = answer.status().as_u16();
    if status != 200 {
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let refusal = Failure::data(format!("{url}: {}", refusal(status, &text)));
        return Err(if status >= 500 { Ended::Unreachable(refusal) } else { Ended::Refused(refusal) });
    }
    let mut event = Event::default();
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let Ok(line) = line else { break };
        if let Some(event) = event.take_line(&line) {
            event.print();
            place.id = event.id.or(place.id.take());
        }
    }
    Ok(())
}

/// An event as far as it has come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<String>,
    name: Option<String>,
    data: Vec<String>,
}

impl Event {
    /// Takes a line; gives the event when it is whole.
    fn take_line(&mut self, line: &str) -> Option<Self> {
        if line.is_empty() {
            let whole = std::mem::take(self);
            return (whole != Self::default()).then_some(whole);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "id" => self.id = Some(value),
            "event" => self.name = Some(value),
            "data" => self.data.push(value),
            _ => {}
        }
        None
    }

    fn print(&self) {
        match self.name.as_deref() {
            Some("gap") => eprintln!("some messages are missing here"),
            Some("expired") => eprintln!("a token has expired"),
            _ if self.data.is_empty() => {}
            _ => say(self.data.join("\n")),
        }
    }
}

/// The server's secret, where a token is to be made.
fn keys(args: &TailArgs) -> Result<Option<Keys>, Failure> {
    let has_secret = args.secret_file.is_some() || std::env::var_os(pushnote_cli::SECRET_VARIABLE).is_some();
    if !has_secret && args.user.is_empty() {
        return Ok(None);
    }
    let secret = read_secret(args.secret_file.as_deref())?;
    let source = secret_source(args.secret_file.as_deref());
    let keys = Keys::parse(&secret).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    Ok(Some(keys))
}

/// New ones, for each try. Without a secret only public channels can be heard.
fn tokens(args: &TailArgs, keys: Option<&Keys>) -> Result<Vec<String>, Failure> {
    let Some(keys) = keys else { return Ok(Vec::new()) };
    let tokenizer = Tokenizer::new(keys);
    let mut tokens = Vec::new();
    for user in &args.user {
        let user = UserId::new(user).map_err(|error| Failure::usage(format!("--user: {error}")))?;
        tokens.push(tokenizer.tokenize(&user, now(), None));
    }
    for channel in &args.channel {
        let channel =
            ChannelName::new(channel).map_err(|error| Failure::usage(format!("--channel: {error}")))?;
        tokens.push(tokenizer.tokenize_channel(&channel, now(), None));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line() {
        let mut event = Event::default();
        let lines = [": a comment", "", "id: 1", "event:rain", "data: a", "data:b", "retry: 7"];
        assert!(lines.iter().all(|line| event.take_line(line).is_none()));
        let whole = event.take_line("").unwrap();
        let expected = Event {
            id: Some("1".to_owned()),
            name: Some("rain".to_owned()),
            data: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!((whole, event), (expected, Event::default()));
    }
}
