//! Which Redis is heard, how, and what is counted of it.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pushnote_hub::Counter;
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _};

/// A Redis server. Shows no password.
#[derive(Clone)]
pub struct RedisServer {
    info: ConnectionInfo,
}

/// A URL that names no Redis server. It quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// It is none, or of a kind that is not supported.
    #[error("{0}; give redis://HOST:PORT, redis://USER@HOST:PORT or redis+unix:///PATH")]
    Malformed(String),
    /// A setting is no place for it.
    #[error(
        "a URL with a password is shown to others: give the password by --redis-password-file or PUSHNOTE_REDIS_PASSWORD"
    )]
    Password,
}

impl RedisServer {
    /// The server that `url` names: `redis://host:port`, with `user@` before the host if it wants one, or
    /// `redis+unix:///path`.
    ///
    /// # Errors
    ///
    /// [`RedisUrlError`]; a URL with a password is one, too.
    pub fn new(url: &str, password: Option<&str>) -> Result<Self, RedisUrlError> {
        if !url.contains("://") {
            return Err(RedisUrlError::Malformed("it does not begin with redis://".to_owned()));
        }
        let info = url.into_connection_info().map_err(|error| RedisUrlError::Malformed(error.to_string()))?;
        let mut settings = info.redis_settings().clone();
        if settings.password().is_some() {
            return Err(RedisUrlError::Password);
        }
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        Ok(Self { info: info.set_redis_settings(settings) })
    }

    pub(super) fn client(&self) -> redis::RedisResult<Client> {
        Client::open(self.info.clone())
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.addr().fmt(f)
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisServer({self})")
    }
}

/// How Redis is listened to.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where.
    pub server: RedisServer,
    /// What stands before the name of a channel in Redis to make our name of it.
    pub prefix: String,
    /// How long a channel stays subscribed to when nobody listens any more.
    pub unsubscribe_delay: Duration,
    /// Bytes of JSON that a message's data may have.
    pub data_bytes_max: usize,
    /// Somebody may come back who listened before this run, or at another server: whoever comes first to a channel is told
    /// that something may be missing.
    pub told_at_first: bool,
}

/// What is counted of it.
#[derive(Debug, Default)]
pub struct RedisCounters {
    /// Connections that were made.
    pub connections: Counter,
    /// Messages that came.
    pub messages: Counter,
    /// Messages that were dropped because too many waited.
    pub dropped: Counter,
    /// Channels subscribed to at the moment.
    pub channels: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_given_apart_and_never_shown() {
        let server = RedisServer::new("redis://app@localhost:6380/1", Some("hush")).unwrap();
        assert_eq!(format!("{server} {server:?}"), "localhost:6380 RedisServer(localhost:6380)");
        assert_eq!(RedisServer::new("redis://:hush@localhost", None).unwrap_err(), RedisUrlError::Password);
        let bare = RedisServer::new("localhost:6379", None).unwrap_err().to_string();
        assert!(bare.starts_with("it does not begin with redis://; give redis://HOST"), "{bare}");
        for url in ["", "localhost:6379", "http://localhost", "rediss://localhost"] {
            let error = RedisServer::new(url, None).unwrap_err().to_string();
            assert!(error.contains("give redis://HOST:PORT"), "{url}: {error}");
        }
    }
}
