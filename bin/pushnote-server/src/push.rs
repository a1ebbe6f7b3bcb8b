//! Web Push, if it is on.

use std::path::{Path, PathBuf};

use pushnote_cli::Failure;
use pushnote_config::{PushArgs, Server};
use pushnote_http::{
    Guard, Key, KeyFileError, Keys, OpenedLog, PushOptions, StateBounds, SubscriptionOptions,
};

use crate::webhook;

/// How it is served, with what an earlier run has left. Makes the key at the first start, in a directory that is there.
pub(crate) async fn options(args: &Server, log: Option<&OpenedLog>) -> Result<Option<PushOptions>, Failure> {
    let PushArgs {
        vapid_subject,
        push_allowed_hosts,
        push_allowed_nets,
        push_subscriptions_per_user_max: per_user_max,
        push_subscriptions_per_address_max: per_address_max,
        ..
    } = &args.push;
    let (Some(subject), Some(file)) = (vapid_subject, key_file(args)?) else { return Ok(None) };
    let webhook = webhook::options(args)?;
    let old = old_keys(args)?;
    let key = key(args, &file, &old, log).await?;
    Ok(Some(PushOptions {
        subject: subject.clone(),
        keys: Keys::new(key, old),
        guard: Guard { allowed_hosts: push_allowed_hosts.clone(), allowed_nets: push_allowed_nets.clone() },
        subscriptions: SubscriptionOptions { per_user_max: *per_user_max, per_address_max: *per_address_max },
        states: StateBounds {
            age_max_ms: args.webhook.message_states_age.saturating_mul(1000),
            users_max: args.webhook.message_states_max,
        },
        webhook,
    }))
}

/// The key in this file, which is made if it is missing. One that is named and missing is not, if browsers have subscribed with
/// a key that is not here: the name may be wrong.
async fn key(args: &Server, file: &Path, old: &[Key], log: Option<&OpenedLog>) -> Result<Key, Failure> {
    let is_new = !file.exists();
    let current = if is_new { None } else { Some(open(file)?) };
    let here = current.iter().chain(old).map(Key::id).collect();
    let lost = match log {
        Some(log) => log.subscriptions_without_key(here).await,
        None => Ok(0),
    };
    let lost = lost.map_err(|error| Failure::system(format!("--data-dir: {error}")))?;
    let shown = file.display();
    if is_new && lost > 0 && args.push.vapid_key_file.is_some() {
        return Err(Failure::config(format!(
            "--vapid-key-file: {shown} is missing, and {lost} browsers have subscribed with a key that is not here: name the \
             file with that, or put its copy back; a new key is made there when --vapid-old-key-file names the old one"
        )));
    }
    let key = current.map_or_else(|| open(file), Ok)?;
    if is_new {
        tracing::info!(file = %shown, "made the key of Web Push; keep a copy: without it every browser subscribes anew");
    }
    if lost > 0 {
        tracing::warn!(
            subscriptions = lost,
            "the key that browsers have subscribed with is not here: they get nothing until they subscribe anew; if there is a \
             copy, name it with --vapid-old-key-file"
        );
    }
    Ok(key)
}

fn open(file: &Path) -> Result<Key, Failure> {
    Key::open(file).map_err(|error| failure("--vapid-key-file", &error))
}

/// Whether it can be, without making a key.
pub(crate) fn check(args: &Server) -> Result<(), Failure> {
    let Some(file) = key_file(args)? else { return Ok(()) };
    if file.exists() {
        Key::from_file(&file).map_err(|error| failure("--vapid-key-file", &error))?;
    }
    old_keys(args).map(drop)
}

fn key_file(args: &Server) -> Result<Option<PathBuf>, Failure> {
    let file = args.push.key_file(args.data_dir.as_deref());
    file.map_err(|error| Failure::usage(error.to_string()))
}

fn old_keys(args: &Server) -> Result<Vec<Key>, Failure> {
    let keys = args.push.vapid_old_key_files.iter().map(|file| Key::from_file(file));
    keys.collect::<Result<_, _>>().map_err(|error| failure("--vapid-old-key-file", &error))
}

fn failure(flag: &str, error: &KeyFileError) -> Failure {
    let text = format!("{flag}: {error}");
    match error {
        KeyFileError::Key { .. } => Failure::config(text),
        KeyFileError::Read { .. } | KeyFileError::Write { .. } => Failure::system(text),
    }
}
