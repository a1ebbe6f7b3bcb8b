//! Locations: sets of paths at which publishers or subscribers ask.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Uri};
use pushnote_core::{ChannelName, ChannelNameError};
use pushnote_net::Network;

use crate::pattern::Pattern;
use crate::registry::Concurrency;

/// A set of paths, and what is done there.
#[derive(Debug, Clone)]
pub struct Location {
    /// Which paths.
    pub pattern: Pattern,
    /// What the names of its channels begin with in the log, before a `/`; empty for nothing. Locations of one store have
    /// their channels in common.
    pub store: Box<str>,
    /// What is stored of each channel; the same for all locations of a store.
    pub buffer: Buffer,
    /// What pages of other origins may do.
    pub cors: Option<Cors>,
    /// Who asks.
    pub kind: Kind,
}

/// Who asks at a location.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Publishers.
    Publisher(Publishing),
    /// Subscribers.
    Subscriber(Subscribing),
}

/// What publishers may.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// Whether a message for a channel that is not there creates it.
    pub create_on_post: bool,
    /// Where they may ask from; if none is named, from this machine.
    pub allow_network: Vec<Network>,
}

/// What subscribers get.
#[derive(Debug, Clone)]
pub struct Subscribing {
    /// What becomes of one that has had all there is.
    pub polling: Polling,
    /// What becomes of several on one channel.
    pub concurrency: Concurrency,
    /// Whether asking for a channel that is not there creates it.
    pub create_on_get: bool,
    /// How long a request is held; `None` for as long as it takes.
    pub timeout: Option<Duration>,
    /// What is told when a request begins to be held, and when it is held no more.
    pub passthrough: Option<Uri>,
}

/// What becomes of a subscriber that has had all there is (protocol, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polling {
    /// Its request is held until there is more.
    Long,
    /// It is told so.
    Interval,
}

/// What is stored of each channel, within what the log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Messages that are kept though they are too old.
    pub messages_min: usize,
    /// The most messages that are kept.
    pub messages_max: usize,
    /// How long others are kept; `None` for as long as the log has them.
    pub age_max: Option<Duration>,
}

/// What one location says of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BufferArgs {
    /// Messages that are kept though they are too old.
    pub min_messages: Option<usize>,
    /// The most messages that are kept; 0 for any number.
    pub max_messages: Option<usize>,
    /// How long others are kept, in seconds; 0 for as long as the log has them.
    pub message_timeout_s: Option<u64>,
    /// Whether any are.
    pub store_messages: Option<bool>,
}

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origin, or `*`.
    pub allow_origin: HeaderValue,
    /// Whether they may send cookies.
    pub allow_credentials: bool,
}

/// What is wrong with what pages of other origins may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// It is no origin.
    #[error("give an origin, as in https://example.org, or *")]
    Origin,
    /// Browsers refuse the two together.
    #[error("browsers send no cookies where allow_origin is *: name the origin")]
    EveryOrigin,
}

impl Location {
    /// The channel in the log that an id of this location's names.
    ///
    /// # Errors
    ///
    /// [`ChannelNameError`]: no channel has such a name.
    pub fn channel(&self, id: &str) -> Result<ChannelName, ChannelNameError> {
        if self.store.is_empty() { ChannelName::new(id) } else { format!("{}/{id}", self.store).parse() }
    }
}

impl Publishing {
    /// Whether a client at this address may publish; one whose address nobody knows may not.
    #[must_use]
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        let Some(client) = client.map(|client| client.to_canonical()) else { return false };
        if self.allow_network.is_empty() {
            return client.is_loopback();
        }
        self.allow_network.iter().any(|network| network.contains(client))
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self { messages_min: 0, messages_max: usize::MAX, age_max: None }
    }
}

impl BufferArgs {
    /// What it comes to.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        let messages_max = match (self.store_messages, self.max_messages) {
            (Some(false), _) => 0,
            (_, None | Some(0)) => usize::MAX,
            (_, Some(max)) => max,
        };
        Buffer {
            messages_min: self.min_messages.unwrap_or_default(),
            messages_max,
            age_max: self.message_timeout_s.filter(|age_s| *age_s > 0).map(Duration::from_secs),
        }
    }
}

impl Cors {
    /// For pages of an origin.
    ///
    /// # Errors
    ///
    /// [`CorsError`].
    pub fn new(allow_origin: &str, allow_credentials: bool) -> Result<Self, CorsError> {
        if allow_origin == "*" {
            let any = Self { allow_origin: HeaderValue::from_static("*"), allow_credentials };
            return if allow_credentials { Err(CorsError::EveryOrigin) } else { Ok(any) };
        }
        let uri: Uri = allow_origin.parse().map_err(|_| CorsError::Origin)?;
        let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
        // `Uri` makes a path of none.
        let bare = uri.path_and_query().is_none_or(|path| path == "/") && !allow_origin.ends_with('/');
        if !scheme || !bare || uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(CorsError::Origin);
        }
        let allow_origin = HeaderValue::from_str(allow_origin).map_err(|_| CorsError::Origin)?;
        Ok(Self { allow_origin, allow_credentials })
    }

    /// Whether pages of this origin may ask.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        self.allow_origin == "*" || self.allow_origin == origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_are_on_this_machine_or_where_it_is_said() {
        let publishing = |networks: &[&str]| Publishing {
            create_on_post: true,
            allow_network: networks.iter().map(|network| network.parse().unwrap()).collect(),
        };
        let may = |publishing: &Publishing, address: &str| publishing.allows(Some(address.parse().unwrap()));
        let own = publishing(&[]);
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(may(&own, address), allowed, "{address}");
        }
        assert!(!own.allows(None));
        let named = publishing(&["10.0.0.0/8"]);
        assert!(may(&named, "10.1.2.3") && !may(&named, "127.0.0.1") && !named.allows(None));
    }

    #[test]
    fn an_origin_is_one_or_all() {
        for origin in ["*", "http://127.0.0.1:8000", "https://example.org"] {
            assert!(Cors::new(origin, false).is_ok(), "{origin}");
        }
        for origin in [
            "",
            "example.org",
            "https://example.org/",
            "https://a/b",
            "ftp://a",
            "https://u@a",
            "https://a?b",
        ] {
            assert_eq!(Cors::new(origin, false), Err(CorsError::Origin), "{origin}");
        }
        assert_eq!(Cors::new("*", true), Err(CorsError::EveryOrigin));
        let one = Cors::new("http://a", true).unwrap();
        assert!(
            one.allows(&HeaderValue::from_static("http://a"))
                && !one.allows(&HeaderValue::from_static("http://b"))
        );
    }

    #[test]
    fn nothing_said_of_a_buffer_is_all_that_the_log_has() {
        assert_eq!(BufferArgs::default().buffer(), Buffer::default());
        let zeros = BufferArgs { max_messages: Some(0), message_timeout_s: Some(0), ..BufferArgs::default() };
        assert_eq!(zeros.buffer(), Buffer::default());
        let none = BufferArgs { max_messages: Some(5), store_messages: Some(false), ..BufferArgs::default() };
        assert_eq!(none.buffer().messages_max, 0);
    }
}
