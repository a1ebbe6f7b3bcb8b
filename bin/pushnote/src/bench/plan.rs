//! Flags to a load that can be made: every limit is checked here and nowhere else.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_cli::{Failure, read_secret};
use pushnote_core::{Keys, Tokenizer, UserId};
use pushnote_load::{
    MESSAGE_BYTES_MIN, Pace, Plan, Preset, Processes, Publish, Resumption, Url, user_id, zmq_address,
};

use super::args::BenchArgs;
use super::failure::failure;

const CONNECTIONS_MAX: usize = 100_000;
const IN_FLIGHT_MAX: u32 = 1024;
const PER_SECOND_MAX: f64 = 100_000.0;
const CHURN_MAX: u32 = 5000;
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// As many as the messages in the log of one server may well be.
const MISSED_MAX: u64 = 100_000;
const DURATION_MAX: Duration = Duration::from_secs(3600);

/// What the flags ask for beside the bare limit; `None` when they name no server.
pub(crate) fn of_server(args: &BenchArgs) -> Result<Option<Plan>, Failure> {
    if args.url.is_empty() {
        return if args.limit { Ok(None) } else { Err(Failure::usage("--url is missing, or --limit alone")) };
    }
    let parse = |text: &String| Url::parse(text, args.allow_remote);
    let targets = args.url.iter().map(parse).collect::<Result<Vec<_>, _>>();
    let targets = targets.map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let stalled = percentage(args.stalled_percent, args.connections)?;
    if args.stall && stalled == 0 {
        return Err(Failure::usage("--stalled-percent: with --stall one connection at least is to stall"));
    }
    if args.churn > CHURN_MAX {
        return Err(Failure::usage(format!("--churn: at most {CHURN_MAX} connections a second")));
    }
    let server = Processes::new(&args.pid).map_err(failure)?;
    Ok(Some(Plan {
        label: args.url.join(" "),
        targets,
        preset: args.preset.0,
        publish: publish(args)?,
        counted: args.connections - stalled,
        stalled,
        churn_per_second: args.churn,
        tokens: tokens(args)?,
        server,
        ..shared(args)?
    }))
}

/// The same load on the bare limit.
pub(crate) fn of_limit(args: &BenchArgs, address: SocketAddr, pid: u32) -> Result<Plan, Failure> {
    let idle = args.messages == Some(0);
    Ok(Plan {
        label: "bare send(2) loop".to_owned(),
        targets: vec![Url::of(address)],
        publish: (!idle).then_some(Publish::Lines(address)),
        server: Processes::new(&[pid]).map_err(failure)?,
        ..shared(args)?
    })
}

/// The same bytes on the bare limit as came to those who came back: all at once, to connections that are there.
pub(crate) fn of_resumed_limit(
    args: &BenchArgs,
    resumed: &Resumption,
    address: SocketAddr,
    pid: u32,
) -> Result<Plan, Failure> {
    let in_flight = resumed.messages.try_into().unwrap_or(u32::MAX);
    Ok(Plan {
        pace: Pace::Closed { in_flight },
        payload_bytes: resumed.limit_payload_bytes(),
        messages_max: resumed.messages,
        warmup: Duration::ZERO,
        ..of_limit(args, address, pid)?
    })
}

/// What the server and the limit have in common.
fn shared(args: &BenchArgs) -> Result<Plan, Failure> {
    within("--connections", args.connections, 1..=CONNECTIONS_MAX)?;
    within("--payload-bytes", args.payload_bytes, MESSAGE_BYTES_MIN..=PAYLOAD_BYTES_MAX)?;
    if args.resume {
        within("--messages", args.messages.unwrap_or(0), 1..=MISSED_MAX)?;
    }
    within("--in-flight", args.in_flight, 1..=IN_FLIGHT_MAX)?;
    within("--duration (seconds)", args.duration.as_secs(), 0..=DURATION_MAX.as_secs())?;
    within("--warmup (seconds)", args.warmup.as_secs(), 0..=DURATION_MAX.as_secs())?;
    let pace = match args.rate {
        None => Pace::Closed { in_flight: args.in_flight },
        Some(per_second) if per_second > 0.0 && per_second <= PER_SECOND_MAX => Pace::Open { per_second },
        Some(_) => {
            return Err(Failure::usage(format!("--rate: more than 0 and at most {PER_SECOND_MAX}")));
        }
    };
    Ok(Plan {
        label: String::new(),
        targets: Vec::new(),
        preset: Preset::Raw,
        publish: None,
        counted: args.connections,
        stalled: 0,
        churn_per_second: 0,
        tokens: Vec::new(),
        pace,
        payload_bytes: args.payload_bytes,
        messages_max: args.messages.unwrap_or(u64::MAX),
        duration: args.duration,
        warmup: args.warmup,
        timeout: args.timeout,
        server: Processes::default(),
    })
}

fn within<N: Copy + PartialOrd + std::fmt::Display>(
    flag: &str,
    value: N,
    range: std::ops::RangeInclusive<N>,
) -> Result<(), Failure> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Failure::usage(format!("{flag}: {value} is not between {} and {}", range.start(), range.end())))
}

fn percentage(percent: f64, connections: usize) -> Result<usize, Failure> {
    if !(0.0..100.0).contains(&percent) {
        return Err(Failure::usage("--stalled-percent: at least 0 and less than 100"));
    }
    Ok((connections as f64 * percent / 100.0) as usize)
}

fn publish(args: &BenchArgs) -> Result<Option<Publish>, Failure> {
    if args.messages == Some(0) {
        return Ok(None);
    }
    let Some(text) = &args.publish else {
        return Err(Failure::usage("--publish is missing; or give --messages 0 to measure idle connections"));
    };
    let usage = |error| Failure::usage(format!("--publish: {error}"));
    let endpoint = text.strip_prefix("zmq:").unwrap_or(text);
    if endpoint.starts_with("tcp://") {
        return Ok(Some(Publish::Zmq(zmq_address(endpoint, args.allow_remote).map_err(usage)?)));
    }
    if args.users.is_some() {
        return Err(Failure::usage("--user needs ZeroMQ: --publish tcp://HOST:PORT"));
    }
    let address = text.strip_prefix("http:").filter(|rest| rest.contains("://")).unwrap_or(text);
    let url = Url::parse(address, args.allow_remote).map_err(usage)?;
    let mut headers = String::new();
    for header in &args.publish_header {
        if !header.contains(':') || header.contains(['\r', '\n']) {
            return Err(Failure::usage(format!(
                "--publish-header: {header:?} is not of the form Name: value"
            )));
        }
        headers.push_str(header);
        headers.push_str("\r\n");
    }
    Ok(Some(Publish::Http { url, headers }))
}

fn tokens(args: &BenchArgs) -> Result<Vec<String>, Failure> {
    let Some(users) = args.users else { return Ok(Vec::new()) };
    within("--user", users, 1..=args.connections)?;
    if !args.preset.0.takes_users() {
        return Err(Failure::usage("--user: only the presets raw and sockjs-websocket can say who they are"));
    }
    let tokenizer = Tokenizer::new(&keys(args.secret_file.as_deref())?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let token = |number| {
        let user: UserId =
            user_id(number).parse().map_err(|error| Failure::usage(format!("--user: {error}")))?;
        Ok(tokenizer.tokenize(&user, now, None))
    };
    (0..users).map(token).collect()
}

fn keys(secret_file: Option<&Path>) -> Result<Keys, Failure> {
    Keys::parse(&read_secret(secret_file)?).map_err(|error| Failure::config(format!("secret: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn plan(line: &str) -> Result<Option<Plan>, String> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        of_server(&line.bench).map_err(|failure| failure.to_string())
    }

    fn refusal(line: &str) -> String {
        plan(line).err().unwrap_or_default()
    }

    #[test]
    fn a_load_is_what_the_flags_say() {
        let line =
            "--url ws://127.0.0.1:1/ --publish zmq:tcp://127.0.0.1:2 -n 200 --stalled-percent 10 --rate 20";
        let plan = plan(line).unwrap().unwrap();
        assert_eq!((plan.counted, plan.stalled, plan.connections()), (180, 20, 200));
        assert_eq!(plan.pace, Pace::Open { per_second: 20.0 });
        assert!(matches!(plan.publish, Some(Publish::Zmq(address)) if address.port() == 2));
    }

    #[test]
    fn both_ways_to_write_where_to_publish_are_understood() {
        for publish in ["http://127.0.0.1:2/pub", "http:http://127.0.0.1:2/pub"] {
            let line = format!("--url ws://127.0.0.1:1/ --publish {publish}");
            let plan = plan(&line).unwrap().unwrap();
            assert!(
                matches!(plan.publish, Some(Publish::Http { url, .. }) if url.path == "/pub"),
                "{publish}"
            );
        }
    }

    #[test]
    fn those_who_come_back_and_those_who_stall_have_loads_of_their_own() {
        let base = "--url ws://127.0.0.1:1/ --publish tcp://127.0.0.1:2";
        let resume = plan(&format!("{base} --resume")).unwrap().unwrap();
        assert_eq!((resume.messages_max, resume.payload_bytes, resume.stalled), (1000, 200, 0));
        let stall = plan(&format!("{base} --stall -n 50")).unwrap().unwrap();
        assert_eq!((stall.pace, stall.payload_bytes), (Pace::Open { per_second: 100.0 }, 200));
        assert_eq!((stall.counted, stall.stalled), (45, 5));
        let stall = plan(&format!("{base} --stall --rate 20 --stalled-percent 50 --payload-bytes 44 -n 50"));
        let stall = stall.unwrap().unwrap();
        assert_eq!((stall.pace, stall.payload_bytes), (Pace::Open { per_second: 20.0 }, 44));
        assert_eq!(stall.stalled, 25);
    }

    #[test]
    fn idle_connections_need_no_publisher() {
        assert!(plan("--url ws://127.0.0.1:1/ --messages 0").unwrap().unwrap().publish.is_none());
        assert!(plan("--limit").unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let base = "--url ws://127.0.0.1:1/ --publish tcp://127.0.0.1:2";
        for (flags, part) in [
            ("", "--url is missing"),
            ("--url ws://127.0.0.1:1/", "--publish is missing"),
            ("--url ws://192.0.2.1:1/ --publish tcp://127.0.0.1:2", "not this machine"),
            ("--url ws://127.0.0.1:1/ --publish tcp://192.0.2.1:2", "not this machine"),
            (&format!("{base} -n 0"), "--connections"),
            (&format!("{base} --payload-bytes 43"), "between 44"),
            (&format!("{base} --in-flight 0"), "--in-flight"),
            (&format!("{base} --rate 0"), "--rate"),
            (&format!("{base} --rate NaN"), "--rate"),
            (&format!("{base} --duration 2h"), "--duration"),
            (&format!("{base} --stalled-percent 100"), "--stalled-percent"),
            (&format!("{base} --in-flight 2 --rate 5"), "cannot be used with"),
            (&format!("{base} --resume --rate 5"), "cannot be used with"),
            (&format!("{base} --resume --messages 0"), "--messages"),
            (&format!("{base} --resume --stall"), "cannot be used with"),
            (&format!("{base} --stall --stalled-percent 0"), "--stalled-percent"),
            (&format!("{base} --user 5 --preset socketio"), "presets raw and sockjs-websocket"),
            ("--url ws://127.0.0.1:1/ --publish http://127.0.0.1:2/ --user 5", "needs ZeroMQ"),
        ] {
            assert!(refusal(flags).contains(part), "{flags}: {}", refusal(flags));
        }
    }
}
