//! What is wrong with settings, without a server.

use std::path::Path;

use pushnote_cli::{Failure, InheritedSockets, SECRET_VARIABLE, overruled_variable};
use pushnote_config::Server;
use pushnote_core::Limits;
use pushnote_http::{Locations, Route};

use crate::lightpush::KEY_VARIABLE;
use crate::redis::PASSWORD_VARIABLE;
use crate::settings::LEGACY_SALT_VARIABLE;
use crate::{lightpush, listening, mq, push, redis, settings, webhook};

/// What would keep a server with these settings from starting, as far as that is known before it listens: what does not go
/// together, and files that are missing or hold something else. How many files may be open, and what is in the log on disk,
/// the server itself sees, and which sockets a supervisor gives it.
#[must_use]
pub fn faults(args: &Server) -> Vec<Failure> {
    let limits = args.limits(usize::MAX).map_err(|error| Failure::usage(error.to_string()));
    let (sound, limits) = match limits {
        Ok(limits) => (Ok(()), limits),
        Err(failure) => (Err(failure), Limits::default()),
    };
    let route = settings::route(args);
    let locations = locations(args, route.as_ref().ok());
    let none = InheritedSockets::default();
    let all = [
        mq::ways_in(args),
        mq::forwarders(args),
        listening::apart(args, &none),
        sound,
        settings::channel_rules(args).map(drop),
        route.map(drop),
        locations.map(drop),
        settings::fsync(args),
        listening::fallback(args, &none),
        args.data_dir.as_deref().map_or(Ok(()), data_dir),
        mq::options(args, &limits).map(drop),
        mq::publisher(args, &limits).map(drop),
        redis::options(args, &limits, None).map(drop),
        settings::verifier(args, &limits).map(drop),
        settings::api_keys(args).map(drop),
        lightpush::key(args).map(drop),
        push::check(args),
        webhook::options(args).map(drop),
    ];
    let mut faults: Vec<Failure> = all.into_iter().filter_map(Result::err).collect();
    // A key that cannot be read is so for all who connect with it.
    faults.dedup();
    faults
}

/// What keeps no server from starting, and is most likely not what was meant: a secret in a file, and another in the
/// environment.
#[must_use]
pub fn warnings(args: &Server) -> Vec<String> {
    let pairs = [
        ("--secret-file", &args.secret_file, SECRET_VARIABLE),
        ("--legacy-salt-file", &args.legacy_salt_file, LEGACY_SALT_VARIABLE),
        ("--redis-password-file", &args.redis.redis_password_file, PASSWORD_VARIABLE),
        ("--lightpush-key-file", &args.lightpush.lightpush_key_file, KEY_VARIABLE),
    ];
    pairs
        .into_iter()
        .filter_map(|(flag, file, name)| overruled_variable(flag, file.as_deref(), name))
        .collect()
}

/// Where the route is wrong, what it is without one.
fn locations(args: &Server, route: Option<&Route>) -> Result<Option<Locations>, Failure> {
    route.map(|route| settings::locations(args, route)).transpose()
}

/// It is made where it is not there yet.
fn data_dir(directory: &Path) -> Result<(), Failure> {
    match directory.ancestors().find(|path| path.exists()) {
        Some(path) if !path.is_dir() => {
            Err(Failure::config(format!("--data-dir: {} is not a directory", path.display())))
        }
        _ => Ok(()),
    }
}
