//! Settings of what is heard from Redis.

use std::path::PathBuf;
use std::time::Duration;

use pushnote_core::ChannelRule;

use crate::values::seconds;

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisArgs {
    /// Redis whose pub/sub is heard, as flask-sse publishes there: redis://HOST:PORT, redis://USER@HOST:PORT or
    /// redis+unix:///PATH. Its channel `news` is the channel `redis:news` here, and GET /stream?channel=news. The password
    /// comes by --redis-password-file or PUSHNOTE_REDIS_PASSWORD
    #[arg(long, env = "PUSHNOTE_REDIS", value_name = "URL")]
    pub redis: Option<String>,

    /// File with the password of Redis
    #[arg(long, env = "PUSHNOTE_REDIS_PASSWORD_FILE", value_name = "PATH")]
    pub redis_password_file: Option<PathBuf>,

    /// What a channel of Redis has before its name here. Channels with it are public, as they were in flask-sse, unless a
    /// rule in --channels says what they are; with an empty one, only rules make a channel public
    #[arg(long, env = "PUSHNOTE_REDIS_PREFIX", value_name = "PREFIX", default_value = "redis:")]
    pub redis_prefix: String,

    /// How long a channel of Redis stays subscribed to when nobody listens any more: who comes back within that time has
    /// missed nothing
    #[arg(long, env = "PUSHNOTE_REDIS_UNSUBSCRIBE_DELAY", value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub redis_unsubscribe_delay: Duration,
}

impl RedisArgs {
    /// What holds for its channels where no rule of the operator's is for the same prefix.
    pub(crate) fn rule(&self) -> Option<(String, ChannelRule)> {
        let prefix = self.redis.as_ref().map(|_| self.redis_prefix.clone());
        let prefix = prefix.filter(|prefix| !prefix.is_empty())?;
        Some((prefix, ChannelRule { public: true, ..ChannelRule::default() }))
    }
}
