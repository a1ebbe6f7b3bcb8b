//! `pushnote token`: a token for one user, or for one channel.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_cli::{Failure, read_secret, say, secret_source};
use pushnote_core::{ChannelName, Keys, Tokenizer, UserId};

use crate::args::TokenArgs;

pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let secret = read_secret(args.secret_file.as_deref())?;
    let source = secret_source(args.secret_file.as_deref());
    let keys = Keys::parse(&secret).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    if args.ttl.is_some_and(|ttl| ttl < Duration::from_secs(1)) {
        return Err(Failure::usage(
            "--ttl: give a second at least, as in 1h; a token of less is void at once",
        ));
    }
    match (&args.channel, &args.user) {
        (Some(channel), _) => {
            let channel = ChannelName::new(channel);
            let channel = channel.map_err(|error| Failure::usage(format!("--channel: {error}")))?;
            say(Tokenizer::new(&keys).tokenize_channel(&channel, now(), args.ttl));
        }
        (None, user) => {
            let user = UserId::new(user.as_deref().unwrap_or_default());
            let user = user.map_err(|error| Failure::usage(format!("user: {error}")))?;
            say(make(&keys, &user, args.ttl));
        }
    }
    Ok(())
}

/// A token for `user`, made now.
pub(crate) fn make(keys: &Keys, user: &UserId, ttl: Option<Duration>) -> String {
    Tokenizer::new(keys).tokenize(user, now(), ttl)
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
