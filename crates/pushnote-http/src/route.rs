//! Where SockJS is mounted.

use std::fmt;
use std::str::FromStr;

/// A path prefix such as `/sockjs`: begins with a slash, ends with none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(String);

/// Why a text is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No slash in front.
    #[error("a route begins with a slash, as in /sockjs, but {0:?} does not")]
    NoSlash(String),
    /// A character that cannot stand in a URL's path.
    #[error("a route holds letters, digits, '-', '_', '.', '~' and '/', but {route:?} holds {character:?}")]
    Character {
        /// The text that was given.
        route: String,
        /// Its first wrong character.
        character: char,
    },
    /// A part without a name, as in `/a//b`.
    #[error("a route has a name between its slashes, as in /sockjs, but {0:?} has none")]
    EmptyPart(String),
}

impl Route {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path is the prefix, or below it.
    pub(crate) fn has(&self, path: &str) -> bool {
        path.strip_prefix(self.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let Some(rest) = text.strip_prefix('/') else { return Err(RouteError::NoSlash(text.to_owned())) };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/');
        if let Some(character) = rest.chars().find(|&c| !allowed(c)) {
            return Err(RouteError::Character { route: text.to_owned(), character });
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.split('/').any(str::is_empty) {
            return Err(RouteError::EmptyPart(text.to_owned()));
        }
        Ok(Self(format!("/{rest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_dropped() {
        assert_eq!("/sockjs/".parse::<Route>().unwrap().as_str(), "/sockjs");
        assert_eq!("/a/b-c".parse::<Route>().unwrap().as_str(), "/a/b-c");
    }

    #[test]
    fn what_is_no_route_is_named() {
        assert!(matches!("sockjs".parse::<Route>(), Err(RouteError::NoSlash(_))));
        assert!(matches!("".parse::<Route>(), Err(RouteError::NoSlash(_))));
        assert!(matches!("/a b".parse::<Route>(), Err(RouteError::Character { character: ' ', .. })));
        assert!(matches!("/a//b".parse::<Route>(), Err(RouteError::EmptyPart(_))));
        assert!(matches!("/".parse::<Route>(), Err(RouteError::EmptyPart(_))));
    }

    #[test]
    fn what_is_below_it_is_its_own() {
        let route: Route = "/v1/sockjs".parse().unwrap();
        for (path, has) in
            [("/v1/sockjs", true), ("/v1/sockjs/info", true), ("/v1/sockjs2", false), ("/v1/", false)]
        {
            assert_eq!(route.has(path), has, "{path}");
        }
    }
}
