//! What the pushnote binaries share at their edge: flags, logs, signals, exit codes.
//!
//! Used by `bin/*` alone; libraries return errors and take a shutdown future instead.

mod failure;
mod files;
mod hangup;
mod idle;
mod inherited;
mod journal;
mod listening;
mod logs;
mod metrics;
mod places;
mod secret;
mod security;
mod signals;
mod supervisor;

use std::io::Write;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use pushnote_config::{ConfigError, Schema};

pub use failure::Failure;
pub use files::raise_open_files_limit;
pub use hangup::{Reread, reread_on_hangup};
pub use idle::{
    CLIENTS_WITHOUT_KEY, Idle, NETWORKS_WITHOUT_TCP, PLAINTEXT_WITH_KEY, idle_faults, idle_warnings,
};
pub use inherited::InheritedSockets;
pub use listening::{Listening, listening_apart};
pub use logs::{LOG_VARIABLE, Logs, log_lines_lost, panics, start_logs};
pub use metrics::{listen_for_monitors, say_metrics};
pub use places::Places;
pub use secret::{
    SECRET_BYTES_MAX, SECRET_VARIABLE, overruled_variable, read_secret, read_setting, secret_source,
};
pub use security::{client_keys, listen_options, reread_clients};
pub use signals::shutdown_signal;
pub use supervisor::tell_ready;

/// Parses the command line and runs the program: a failure is one line on stderr and its exit code.
pub fn main<A: Parser>(run: impl FnOnce(A) -> Result<(), Failure>) -> ExitCode {
    let args = A::try_parse().or_else(|error| refused(&error));
    finish(A::command().get_name(), args.and_then(|args| to_the_end(|| run(args))))
}

/// As [`main`], for a program whose settings may also be in a file.
pub fn main_with_settings<S: Schema>(run: impl FnOnce(S) -> Result<(), Failure>) -> ExitCode {
    let settings = pushnote_config::load::<S>(std::env::args_os()).or_else(|error| match error {
        // What is missing may be there under another name.
        ConfigError::Flag(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            let said = iter::once(one_line(&error.render().to_string())).chain(unknown_variables());
            Err(Failure::usage(said.collect::<Vec<_>>().join("; ")))
        }
        ConfigError::Flag(error) => refused(&error),
        error => Err(Failure::config(error.to_string())),
    });
    finish(S::PROGRAM, settings.and_then(|settings| to_the_end(|| run(settings))))
}

/// Warns of environment variables that nobody reads, misspelt most likely, and of what else there is to be said at the start.
pub fn warn_at_start(warnings: Vec<String>) {
    unknown_variables().into_iter().chain(warnings).for_each(|warning| tracing::warn!("{warning}"));
}

/// What to say of the environment variables that nobody reads, one line each.
pub fn unknown_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let said = pushnote_config::unknown_variables(names).into_iter().map(|(name, meant)| match meant {
        Some(meant) => format!("there is no setting {name}; is {meant} meant?"),
        None => format!("there is no setting {name}"),
    });
    said.collect()
}

fn finish(program: &str, ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{program}: {failure}");
            failure.exit_code()
        }
    }
}

/// A panic comes here from whatever part of the program the rest cannot do without. It is in the log by then, and the
/// last of that is written.
fn to_the_end(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Failure::software("a part of it that it cannot do without has crashed; the log says where"))
    })
}

/// Prints one line on stdout. Whoever closed our output does not want to know.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn refused<A>(error: &clap::Error) -> Result<A, Failure> {
    match error.kind() {
        // Clap's own way out: the text on stdout, exit code 0.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Err(Failure::usage("a command is missing"))
        }
        _ => Err(Failure::usage(one_line(&error.render().to_string()))),
    }
}

/// Clap's message without its usage section, on one line.
fn one_line(rendered: &str) -> String {
    let text: Vec<_> = rendered
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    format!("{} (see --help)", text.join(" ").trim_start_matches("error: ").replace(" tip: ", "; tip: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_a_failure_that_says_so() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended = to_the_end(|| runtime.block_on(async { panic!("a fault of ours") }));
        let failure = ended.unwrap_err();
        assert_eq!(failure.exit_code(), ExitCode::from(70));
        assert!(failure.to_string().contains("has crashed; the log says where"), "{failure}");
    }
}
