//! `pushnote token`: a token for one user, or for one channel; and what one says.

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_cli::{Failure, read_secret, read_setting, say, secret_source};
use pushnote_core::{Access, ChannelName, JwtKeys, Keys, TokenError, Tokenizer, UserId, Verifier};

use crate::args::TokenArgs;

/// A file that is longer, in bytes, has something else in it.
const JWT_KEYS_BYTES_MAX: u64 = 1 << 20;

/// How long a server takes a token that says nothing of it.
const DAY_S: u64 = 24 * 60 * 60;

/// More than any server takes.
const TOKEN_BYTES_MAX: u64 = 1 << 16;

pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let secret = read_secret(args.secret_file.as_deref())?;
    let source = secret_source(args.secret_file.as_deref());
    let keys = Keys::parse(&secret).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    if args.ttl.is_some_and(|ttl| ttl < Duration::from_secs(1)) {
        return Err(Failure::usage(
            "--ttl: give a second at least, as in 1h; a token of less is void at once",
        ));
    }
    match (&args.channel, args.user.as_ref().or(args.user_flag.as_ref())) {
        _ if args.check.is_some() => return check(&keys, args),
        (Some(channel), _) => {
            let channel = ChannelName::new(channel);
            let channel = channel.map_err(|error| Failure::usage(format!("--channel: {error}")))?;
            say(Tokenizer::new(&keys).tokenize_channel(&channel, now(), args.ttl));
        }
        (None, user) => {
            let user = UserId::new(user.map_or("", String::as_str));
            let user = user.map_err(|error| Failure::usage(format!("user: {error}")))?;
            say(make(&keys, &user, args.ttl));
        }
    }
    Ok(())
}

/// Says what a token allows, as a server with this secret and `--token-max-age` as it is by default takes it.
fn check(keys: &Keys, args: &TokenArgs) -> Result<(), Failure> {
    let token = read_token(args.check.as_deref().unwrap_or_default())?;
    let mut public_keys = JwtKeys::default();
    for path in &args.jwt_keys {
        let text = read_setting("--jwt-keys", path, JWT_KEYS_BYTES_MAX)?;
        let read = JwtKeys::parse(&text)
            .map_err(|error| Failure::config(format!("--jwt-keys: {}: {error}", path.display())))?;
        public_keys = public_keys.and(read);
    }
    match allowed(keys, public_keys, &token) {
        Ok(Access { user, channels, expires_at, .. }) => {
            let user = user.map(|user| format!("user {user}"));
            let channels = channels.iter().map(|channel| format!("channel {channel}"));
            let allowed: Vec<_> = user.into_iter().chain(channels).collect();
            let until = expires_at.map_or_else(
                || "for ever".to_owned(),
                |at| format!("for another {} s", at.saturating_sub(now())),
            );
            say(format_args!("good {until}: {}", allowed.join(", ")));
            Ok(())
        }
        Err(TokenError::Invalid(flaw)) => Err(Failure::data(format!("the token is invalid: {flaw}"))),
        Err(error) => Err(Failure::data(error.to_string())),
    }
}

/// What a token allows now, to a server with this secret and `--token-max-age` as it is by default.
pub(crate) fn allowed(keys: &Keys, public_keys: JwtKeys, token: &str) -> Result<Access, TokenError> {
    // A server also takes a token in the second in which it is exactly a day old: that one is not counted.
    let verifier = Verifier::new(keys).with_jwt_keys(public_keys).with_age_max_s(Some(DAY_S - 1));
    verifier.access(token, now())
}

/// Arguments of programs can be seen by others on the machine: `-` reads standard input.
pub(crate) fn read_token(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut token = String::new();
    let read = std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut token);
    read.map_err(|error| Failure::data(format!("standard input: {error}")))?;
    Ok(token.trim().to_owned())
}

/// A token for `user`, made now.
pub(crate) fn make(keys: &Keys, user: &UserId, ttl: Option<Duration>) -> String {
    Tokenizer::new(keys).tokenize(user, now(), ttl)
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
