//! Defaults, file, environment, flags: each over the one before.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use thiserror::Error;

use crate::fault::fault_of;
use crate::file::{File, FileError, Made};
use crate::given::{Given, GivenSetting, Layer};
use crate::nearest::nearest;
use crate::schema::{Schema, defaults, flag, is_switch, key, raw, settings, variable};

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A flag is wrong or missing, or help is asked for.
    #[error(transparent)]
    Flag(#[from] clap::Error),
    /// An environment variable is wrong.
    #[error("{name}={value}: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with that.
        why: String,
    },
}

impl ConfigError {
    /// All that is wrong, as far as it was looked for: one text for each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.faults().collect(),
            error => vec![error.to_string()],
        }
    }
}

/// The settings that the command line, the environment and the file make together; `arguments` begins with the
/// program's name.
///
/// # Errors
/// [`ConfigError`], which names the file and line, the variable or the flag.
pub fn load<S: Schema>(arguments: impl IntoIterator<Item = OsString>) -> Result<S, ConfigError> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let file = named_file::<S>(&arguments).map(|path| File::read(&path)).transpose()?;
    let (command, made) = command::<S>(file.as_ref())?;
    let matches = command.try_get_matches_from(&arguments).map_err(|error| blamed::<S>(error))?;
    made_of(&matches, file.as_ref(), &made)
}

/// What a file makes of a program's settings, which may lack some that it needs.
///
/// # Errors
/// [`FileError`] with the line.
pub fn check<S: Schema>(file: &File) -> Result<S, ConfigError> {
    let (_, matches, made) = matches::<S>(Some(file))?;
    made_of(&matches, Some(file), &made)
}

fn made_of<S: Schema>(matches: &ArgMatches, file: Option<&File>, made: &[Made]) -> Result<S, ConfigError> {
    let mut settings = S::from_arg_matches(matches)?;
    *settings.given() = given::<S>(matches, file, made);
    Ok(settings)
}

fn given<S: Schema>(matches: &ArgMatches, file: Option<&File>, made: &[Made]) -> Given {
    let is_default = |arg: &Arg, values: &[String]| match is_switch(arg) {
        true => values == ["false"],
        false => values == defaults(arg),
    };
    let set = settings::<S>().into_iter().filter(|arg| !is_default(arg, &raw(arg, matches)));
    let all = set.map(|arg| {
        let layer = match matches.value_source(key(&arg)) {
            Some(ValueSource::CommandLine) => Layer::Flag,
            Some(ValueSource::EnvVariable) => Layer::Variable,
            _ => Layer::File,
        };
        GivenSetting {
            key: key(&arg).to_owned(),
            flag: flag(&arg),
            origin: origin(&arg, matches, file.map(File::path), made),
            layer,
            is_of_both: variable(&arg).is_some_and(|name| OF_BOTH.contains(&name.as_str())),
        }
    });
    Given(all.collect())
}

/// All settings with their values and where these come from, whether or not something is missing.
pub(crate) fn matches<S: Schema>(
    file: Option<&File>,
) -> Result<(Command, ArgMatches, Vec<Made>), ConfigError> {
    let (command, made) = command::<S>(file)?;
    let command = command.mut_args(|arg| arg.required(false));
    let matches = command.clone().try_get_matches_from([S::PROGRAM]).map_err(|error| blamed::<S>(error))?;
    Ok((command, matches, made))
}

/// Where a value comes from, for people.
pub(crate) fn origin(arg: &Arg, matches: &ArgMatches, file: Option<&Path>, made: &[Made]) -> String {
    let id = arg.get_id().as_str();
    match (matches.value_source(id), made.iter().find(|made| made.key == id), file) {
        (Some(ValueSource::EnvVariable), ..) => variable(arg).unwrap_or_default(),
        (Some(ValueSource::CommandLine), ..) => flag(arg),
        (_, Some(made), Some(path)) => format!("{}, line {}", path.display(), made.line),
        _ => "default".to_owned(),
    }
}

/// The file that a flag or the environment names.
fn named_file<S: Schema>(arguments: &[OsString]) -> Option<std::path::PathBuf> {
    // What is wrong with the rest is said when all of it is read.
    let lenient = S::command().mut_args(|arg| arg.required(false)).ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments).ok()?;
    matches.try_get_one::<std::path::PathBuf>("config").ok().flatten().cloned()
}

/// The program's flags, with what the file says for defaults.
fn command<S: Schema>(file: Option<&File>) -> Result<(Command, Vec<Made>), FileError> {
    let made = file.map_or_else(|| Ok(Vec::new()), |file| file.settings(S::TABLE, &settings::<S>()))?;
    let command = made.iter().fold(S::command(), |command, Made { key, values, .. }| {
        let values = values.clone();
        command.mut_arg(key, |arg| arg.default_values(values).required(false))
    });
    Ok((command, made))
}

/// clap names the flag; when the value comes from the environment, that is where to look.
fn blamed<S: Schema>(error: clap::Error) -> ConfigError {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return error.into();
    }
    let named = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    for arg in S::command().get_arguments() {
        let Some(name) = variable(arg).filter(|_| named.starts_with(&flag(arg))) else { continue };
        let Ok(value) = std::env::var(&name) else { continue };
        let invalid = error.get(ContextKind::InvalidValue).map(ToString::to_string).unwrap_or_default();
        if (value == invalid || value.split(',').any(|one| one == invalid))
            && let Some(why) = fault_of(arg, std::slice::from_ref(&value))
        {
            return ConfigError::Variable { name, value, why };
        }
    }
    error.into()
}

/// Variables that both programs read.
const OF_BOTH: [&str; 9] = [
    "PUSHNOTE_ACK",
    "PUSHNOTE_ALLOW_NETWORK",
    "PUSHNOTE_ALLOW_PLAINTEXT",
    "PUSHNOTE_CURVE_CLIENTS",
    "PUSHNOTE_CURVE_SECRET_KEY_FILE",
    "PUSHNOTE_HEARTBEAT_INTERVAL",
    "PUSHNOTE_MESSAGE_BYTES_MAX",
    "PUSHNOTE_METRICS",
    "PUSHNOTE_PEERS_MAX",
];

/// What programs of ours read. A program knows the settings of the others, too: they may share an environment.
pub(crate) const KNOWN_VARIABLES: [&str; 90] = [
    "PUSHNOTE_ACK",
    "PUSHNOTE_ACK_SOCKET",
    "PUSHNOTE_ADDRESS",
    "PUSHNOTE_ALLOWED_ORIGINS",
    "PUSHNOTE_ALLOW_NETWORK",
    "PUSHNOTE_ALLOW_PLAINTEXT",
    "PUSHNOTE_API",
    "PUSHNOTE_API_KEY",
    "PUSHNOTE_API_KEYS",
    "PUSHNOTE_BODY_BYTES_MAX",
    "PUSHNOTE_CHANNELS",
    "PUSHNOTE_CHANNELS_PER_CONNECTION_MAX",
    "PUSHNOTE_COALESCING_WINDOW",
    "PUSHNOTE_CONFIG",
    "PUSHNOTE_CONNECTIONS_MAX",
    "PUSHNOTE_CONNECTIONS_PER_IP_MAX",
    "PUSHNOTE_CONNECTIONS_PER_USER_MAX",
    "PUSHNOTE_COOKIE_NEEDED",
    "PUSHNOTE_CURVE_CLIENTS",
    "PUSHNOTE_CURVE_SECRET_KEY_FILE",
    "PUSHNOTE_CURVE_SERVER_KEY",
    "PUSHNOTE_DATA_DIR",
    "PUSHNOTE_DISCONNECT_DELAY",
    "PUSHNOTE_DRAIN_DEADLINE",
    "PUSHNOTE_FALLBACK",
    "PUSHNOTE_FALLBACK_REQUESTS_MAX",
    "PUSHNOTE_FALLBACK_TIMEOUT",
    "PUSHNOTE_FSYNC",
    "PUSHNOTE_HANDSHAKE_TIMEOUT",
    "PUSHNOTE_HEADER_BYTES_MAX",
    "PUSHNOTE_HEARTBEAT_DELAY",
    "PUSHNOTE_HEARTBEAT_INTERVAL",
    "PUSHNOTE_HISTORY_BYTES",
    "PUSHNOTE_JWT_KEYS",
    "PUSHNOTE_KEEP_ALIVE",
    "PUSHNOTE_LEGACY_SALT",
    "PUSHNOTE_LEGACY_SALT_FILE",
    "PUSHNOTE_LIGHTPUSH_ADDRESS",
    "PUSHNOTE_LIGHTPUSH_KEY",
    "PUSHNOTE_LIGHTPUSH_KEY_FILE",
    "PUSHNOTE_LIGHTPUSH_PORT",
    "PUSHNOTE_LOCATIONS",
    "PUSHNOTE_LOG",
    "PUSHNOTE_LOG_AGE",
    "PUSHNOTE_LOG_BYTES_MAX",
    "PUSHNOTE_LOG_MESSAGES_MAX",
    "PUSHNOTE_LONG_POLL",
    "PUSHNOTE_MESSAGE_BYTES_MAX",
    "PUSHNOTE_MESSAGE_FORM",
    "PUSHNOTE_MESSAGE_STATES_AGE",
    "PUSHNOTE_MESSAGE_STATES_MAX",
    "PUSHNOTE_METRICS",
    "PUSHNOTE_MQ_SOCKET",
    "PUSHNOTE_PEERS_MAX",
    "PUSHNOTE_PORT",
    "PUSHNOTE_PUB",
    "PUSHNOTE_PUBLISH_ACK",
    "PUSHNOTE_PUBLISH_TO",
    "PUSHNOTE_PUSH_ALLOWED_HOSTS",
    "PUSHNOTE_PUSH_ALLOWED_NETS",
    "PUSHNOTE_PUSH_SUBSCRIPTIONS_PER_ADDRESS_MAX",
    "PUSHNOTE_PUSH_SUBSCRIPTIONS_PER_USER_MAX",
    "PUSHNOTE_REDIS",
    "PUSHNOTE_REDIS_PASSWORD",
    "PUSHNOTE_REDIS_PASSWORD_FILE",
    "PUSHNOTE_REDIS_PREFIX",
    "PUSHNOTE_REDIS_UNSUBSCRIBE_DELAY",
    "PUSHNOTE_RESPONSE_BYTES_MAX",
    "PUSHNOTE_ROUTE",
    "PUSHNOTE_SALT",
    "PUSHNOTE_SECRET",
    "PUSHNOTE_SECRET_FILE",
    "PUSHNOTE_SESSIONS_PER_SECOND_MAX",
    "PUSHNOTE_SINGLE",
    "PUSHNOTE_SLOW_SUBSCRIBER",
    "PUSHNOTE_SOCKJS_URL",
    "PUSHNOTE_SUB",
    "PUSHNOTE_TOKEN_BYTES_MAX",
    "PUSHNOTE_TOKEN_COOKIE",
    "PUSHNOTE_TOKEN_MAX_AGE",
    "PUSHNOTE_TRUSTED_PROXIES",
    "PUSHNOTE_UNIX_SOCKET",
    "PUSHNOTE_USERS_PER_CONNECTION_MAX",
    "PUSHNOTE_VAPID_KEY_FILE",
    "PUSHNOTE_VAPID_OLD_KEY_FILES",
    "PUSHNOTE_VAPID_SUBJECT",
    "PUSHNOTE_WEBHOOK_SECRET_FILE",
    "PUSHNOTE_WEBHOOK_URL",
    "PUSHNOTE_WRITE_TIMEOUT",
    "PUSHNOTE_ZMQ_FRAME_BYTES_MAX",
];

/// Environment variables whose names begin as ours do and that no program of ours reads, each with the one that may be
/// meant. Kubernetes sets some for a service that is called pushnote: those are left out.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<(String, Option<&'static str>)> {
    let unknown = names.into_iter().filter(|name| {
        name.starts_with("PUSHNOTE_") && !KNOWN_VARIABLES.contains(&name.as_str()) && !is_kubernetes(name)
    });
    unknown
        .map(|name| {
            // What all have in common would make all alike.
            let own = |name: &'static str| &name["PUSHNOTE_".len()..];
            let meant = nearest(&name["PUSHNOTE_".len()..], KNOWN_VARIABLES.map(own));
            let meant =
                meant.and_then(|meant| KNOWN_VARIABLES.into_iter().find(|&known| own(known) == meant));
            (name, meant)
        })
        .collect()
}

fn is_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_") || name.contains("_PORT_")
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Mq, Server};

    #[test]
    fn the_variables_of_both_programs_are_known() {
        fn variables<S: Schema>() -> BTreeSet<String> {
            settings::<S>().iter().filter_map(variable).collect()
        }
        let both: Vec<_> = variables::<Server>().intersection(&variables::<Mq>()).cloned().collect();
        assert_eq!(both, OF_BOTH);
    }
}
