//! All locations, in the order in which they are tried.

use crate::location::{BufferArgs, Location};

/// All locations.
#[derive(Debug, Clone, Default)]
pub struct Locations(Vec<Location>);

/// Locations that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationsError {
    /// Two of a store say two things of what it keeps.
    #[error("{key}: two locations of the store {store:?} give it two values; a channel has one buffer")]
    TwoBuffers {
        /// The setting.
        key: &'static str,
        /// The store.
        store: Box<str>,
    },
    /// Of two for the same paths the second would never be asked.
    #[error(
        "two locations are for the same paths, {expression}: the first has them all; give the second a url of its own"
    )]
    SamePaths {
        /// Theirs.
        expression: Box<str>,
    },
    /// What is kept at least is more than what is kept at most.
    #[error("min_messages: it is more than max_messages, in the store {store:?}")]
    MinOverMax {
        /// The store.
        store: Box<str>,
    },
}

impl Locations {
    /// Locations, each with what it says of its store's buffer: one of a store's is enough to say it.
    ///
    /// # Errors
    ///
    /// [`LocationsError`].
    pub fn new(all: impl IntoIterator<Item = (Location, BufferArgs)>) -> Result<Self, LocationsError> {
        let all: Vec<_> = all.into_iter().collect();
        let expressions: Vec<_> = all.iter().map(|(location, _)| location.pattern.expression()).collect();
        let twice = (1..all.len()).find(|&at| expressions[..at].contains(&expressions[at]));
        if let Some(twice) = twice {
            return Err(LocationsError::SamePaths { expression: expressions[twice].into() });
        }
        let of = |store: &str| {
            let args = all.iter().filter(|(location, _)| *location.store == *store).map(|(_, args)| args);
            args.copied().try_fold(BufferArgs::default(), merged)
        };
        let located = all.iter().map(|(location, _)| {
            let store = &location.store;
            let args = of(store).map_err(|key| LocationsError::TwoBuffers { key, store: store.clone() })?;
            let buffer = args.buffer();
            if buffer.messages_min > buffer.messages_max && args.store_messages != Some(false) {
                return Err(LocationsError::MinOverMax { store: store.clone() });
            }
            Ok(Location { buffer, ..location.clone() })
        });
        located.collect::<Result<_, _>>().map(Self)
    }

    /// The location of a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Location> {
        self.0.iter().find(|location| location.pattern.takes(path))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Location> {
        self.0.iter()
    }
}

/// Both, or which key they disagree about.
fn merged(one: BufferArgs, other: BufferArgs) -> Result<BufferArgs, &'static str> {
    fn agreed<T: PartialEq>(
        key: &'static str,
        one: Option<T>,
        other: Option<T>,
    ) -> Result<Option<T>, &'static str> {
        match (one, other) {
            (Some(one), Some(other)) if one != other => Err(key),
            (one, other) => Ok(one.or(other)),
        }
    }
    Ok(BufferArgs {
        min_messages: agreed("min_messages", one.min_messages, other.min_messages)?,
        max_messages: agreed("max_messages", one.max_messages, other.max_messages)?,
        message_timeout_s: agreed("message_timeout", one.message_timeout_s, other.message_timeout_s)?,
        store_messages: agreed("store_messages", one.store_messages, other.store_messages)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Buffer, Kind, Publishing};
    use crate::pattern::Pattern;

    fn location(prefix: &str, store: &str) -> Location {
        Location {
            pattern: Pattern::prefix(prefix, None).unwrap(),
            store: store.into(),
            buffer: Buffer::default(),
            cors: None,
            kind: Kind::Publisher(Publishing { create_on_post: true, allow_network: Vec::new() }),
        }
    }

    #[test]
    fn the_first_that_takes_a_path_has_it() {
        let all =
            [(location("/a/", "one"), BufferArgs::default()), (location("/", "two"), BufferArgs::default())];
        let locations = Locations::new(all).unwrap();
        assert_eq!(&*locations.find("/a/x").unwrap().store, "one");
        assert_eq!(&*locations.find("/b").unwrap().store, "two");
        assert!(locations.find("b").is_none());
    }

    #[test]
    fn one_that_an_earlier_one_leaves_nothing_to_is_refused() {
        let two = |one, other| {
            let all =
                [(location(one, "a"), BufferArgs::default()), (location(other, "b"), BufferArgs::default())];
            Locations::new(all).map(drop)
        };
        assert_eq!(two("/a/", "/b/"), Ok(()));
        assert_eq!(two("/a/", "/a/"), Err(LocationsError::SamePaths { expression: "/a/(.+)".into() }));
    }

    #[test]
    fn channels_of_a_store_are_behind_its_name() {
        assert_eq!(location("/", "relay").channel("a").unwrap().as_str(), "relay/a");
        assert_eq!(location("/", "").channel("a").unwrap().as_str(), "a");
        assert!(location("/", "").channel("").is_err() && location("/", "x").channel("a\n").is_err());
    }

    #[test]
    fn one_location_of_a_store_says_what_it_keeps() {
        let max = |max| BufferArgs { max_messages: Some(max), ..BufferArgs::default() };
        let pair = |one, other| Locations::new([(location("/a/", "s"), one), (location("/b/", "s"), other)]);
        let agreed = pair(max(5), BufferArgs { min_messages: Some(2), ..BufferArgs::default() }).unwrap();
        for location in agreed.iter() {
            assert_eq!((location.buffer.messages_min, location.buffer.messages_max), (2, 5));
        }
        let two = pair(max(5), max(6)).unwrap_err();
        assert_eq!(two, LocationsError::TwoBuffers { key: "max_messages", store: "s".into() });
        let over = pair(max(5), BufferArgs { min_messages: Some(6), ..BufferArgs::default() }).unwrap_err();
        assert_eq!(over, LocationsError::MinOverMax { store: "s".into() });
    }
}
