//! Web Push, if it is on.

use std::path::PathBuf;

use pushnote_cli::Failure;
use pushnote_config::{PushArgs, Server};
use pushnote_http::{Guard, Key, KeyFileError, Keys, PushOptions, StateBounds, SubscriptionOptions};

use crate::webhook;

/// How it is served. Makes the key at the first start, in a directory that is there.
pub(crate) fn options(args: &Server) -> Result<Option<PushOptions>, Failure> {
    let PushArgs {
        vapid_subject,
        push_allowed_hosts,
        push_allowed_nets,
        push_subscriptions_per_user_max: per_user_max,
        push_subscriptions_per_address_max: per_address_max,
        ..
    } = &args.push;
    // What is of no use without Web Push is refused without it.
    let (webhook, file) = (webhook::options(args)?, key_file(args)?);
    let (Some(subject), Some(file)) = (vapid_subject, file) else { return Ok(None) };
    let is_new = !file.exists();
    let key = Key::open(&file).map_err(|error| failure("--vapid-key-file", &error))?;
    if is_new {
        let file = file.display();
        tracing::info!(%file, "made the key of Web Push; keep a copy: without it every browser subscribes anew");
    }
    Ok(Some(PushOptions {
        subject: subject.clone(),
        keys: Keys::new(key, old_keys(args)?),
        guard: Guard { allowed_hosts: push_allowed_hosts.clone(), allowed_nets: push_allowed_nets.clone() },
        subscriptions: SubscriptionOptions { per_user_max: *per_user_max, per_address_max: *per_address_max },
        states: StateBounds {
            age_max_ms: args.webhook.message_states_age.saturating_mul(1000),
            users_max: args.webhook.message_states_max,
        },
        webhook,
    }))
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
