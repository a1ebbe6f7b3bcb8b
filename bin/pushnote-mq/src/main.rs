//! The ZeroMQ forwarder between applications and servers.

use clap::Parser;
use pushnote_forwarder::{End, Forwarder, Settings, StartError, Way};
use pushnote_zmtp::Endpoint;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Exit codes as sysexits.h has them.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const OS_ERROR: u8 = 71;
const NO_PERMISSION: u8 = 77;

/// Passes messages from applications on to pushnote servers.
///
/// Applications connect to --sub and publish there; servers connect to --pub. PUSHNOTE_LOG sets what is logged
/// (default: info).
#[derive(Parser)]
#[command(name = "pushnote-mq", version)]
struct Flags {
    /// Where applications connect to, as in tcp://127.0.0.1:8002. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_SUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    sub: Vec<Endpoint>,
    /// Where servers connect to, as in tcp://127.0.0.1:8001. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_PUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    r#pub: Vec<Endpoint>,
}

impl Flags {
    fn settings(self) -> Settings {
        Settings {
            sub: self.sub.into_iter().map(Way::Listen).collect(),
            r#pub: self.r#pub.into_iter().map(Way::Listen).collect(),
            ..Settings::default()
        }
    }
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) if !error.use_stderr() => error.exit(), // --help, --version
        Err(error) => return fail(USAGE, &format!("{}; see pushnote-mq --help", one_line(&error))),
    };
    let filter = EnvFilter::try_from_env("PUSHNOTE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let color = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(std::io::stderr).init();
    // One thread moves millions of messages a second; more would only wait for each other.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(flags.settings())),
        Err(error) => fail(OS_ERROR, &format!("cannot start: {error}")),
    }
}

async fn run(settings: Settings) -> ExitCode {
    let forwarder = match Forwarder::bind(settings).await {
        Ok(forwarder) => forwarder,
        Err(error) => return fail(exit_code(&error), &format!("--{}: {}", error.end, error.source)),
    };
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        return fail(OS_ERROR, "cannot listen for signals");
    };
    for (end, endpoints) in [(End::Sub, forwarder.sub_endpoints()), (End::Pub, forwarder.pub_endpoints())] {
        for endpoint in endpoints {
            // Whoever closed our output does not want to know.
            let _ = writeln!(std::io::stdout(), "pushnote-mq: {end} listening on {endpoint}");
        }
    }
    forwarder
        .run(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    ExitCode::SUCCESS
}

fn exit_code(error: &StartError) -> u8 {
    match error.source.source.kind() {
        ErrorKind::PermissionDenied => NO_PERMISSION,
        _ => UNAVAILABLE,
    }
}

fn fail(code: u8, what: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "pushnote-mq: {what}");
    ExitCode::from(code)
}

/// The first paragraph of clap's message.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}
