//! The Redis that is heard, if there is one.

use pushnote_cli::{Failure, SECRET_BYTES_MAX, read_setting};
use pushnote_config::{RedisArgs, Server};
use pushnote_core::{ChannelName, Limits};
use pushnote_http::{OpenedLog, RedisOptions, RedisServer};

pub(crate) const PASSWORD_VARIABLE: &str = "PUSHNOTE_REDIS_PASSWORD";

/// How it is heard.
pub(crate) fn options(
    args: &Server,
    limits: &Limits,
    log: Option<&OpenedLog>,
) -> Result<Option<RedisOptions>, Failure> {
    let RedisArgs { redis, redis_prefix: prefix, redis_unsubscribe_delay, .. } = &args.redis;
    let Some(url) = redis else { return Ok(None) };
    let server = server(url, args)?;
    ChannelName::new(&format!("{prefix}x")).map_err(|error| {
        Failure::usage(format!("--redis-prefix: no channel's name can begin with it: {error}"))
    })?;
    Ok(Some(RedisOptions {
        server,
        prefix: prefix.clone(),
        unsubscribe_delay: *redis_unsubscribe_delay,
        data_bytes_max: limits.message_bytes_max,
        told_at_first: !args.single || log.is_some_and(|log| !log.is_new()),
    }))
}

fn server(url: &str, args: &Server) -> Result<RedisServer, Failure> {
    RedisServer::new(url, password(args)?.as_deref())
        .map_err(|error| Failure::usage(format!("--redis: {error}")))
}

fn password(args: &Server) -> Result<Option<String>, Failure> {
    let Some(path) = &args.redis.redis_password_file else {
        return Ok(std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()));
    };
    let text = read_setting("--redis-password-file", path, SECRET_BYTES_MAX)?;
    match text.trim() {
        "" => Err(Failure::config(format!("--redis-password-file: {} is empty", path.display()))),
        password => Ok(Some(password.to_owned())),
    }
}
