//! What is wrong with settings, without a server.

use pushnote_cli::{
    Failure, InheritedSockets, Places, SECRET_VARIABLE, idle_faults, idle_warnings, overruled_variable,
};
use pushnote_config::Server;
use pushnote_core::Limits;
use pushnote_http::{Locations, Route};

use crate::lightpush::KEY_VARIABLE;
use crate::redis::PASSWORD_VARIABLE;
use crate::settings::LEGACY_SALT_VARIABLE;
use crate::{idle, lightpush, listening, mq, push, redis, settings, webhook};

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
        listening::fallback(args, &none),
        mq::options(args, &limits).map(drop),
        mq::publisher(args, &limits).map(drop),
        redis::options(args, &limits, None).map(drop),
        settings::verifier(args, &limits).map(drop),
        settings::api_keys(args).map(drop),
        lightpush::key(args).map(drop),
        push::check(args),
        webhook::options(args).map(drop),
    ];
    let mut faults = idle_faults(args, &args.given, idle::TABLE);
    faults.extend(all.into_iter().filter_map(Result::err));
    // A key that cannot be read is so for all who connect with it.
    faults.dedup();
    faults
}

/// What else only the start would find: where it may listen and write, if the user who asks is the one who would start it.
#[must_use]
pub fn places(args: &Server) -> Places {
    let mut places = Places::default();
    places.listening(&listening::all(args, &InheritedSockets::default()));
    if let Some(directory) = &args.data_dir {
        places.directory("--data-dir", directory);
    }
    if let Some(file) = &args.push.vapid_key_file {
        places.file("--vapid-key-file", file);
    }
    places
}

/// What keeps no server from starting, and is most likely not what was meant: a secret in a file, and another in the
/// environment; and there, what does nothing.
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
        .chain(idle_warnings(args, &args.given, idle::TABLE))
        .collect()
}

/// Where the route is wrong, what it is without one.
fn locations(args: &Server, route: Option<&Route>) -> Result<Option<Locations>, Failure> {
    route.map(|route| settings::locations(args, route)).transpose()
}
