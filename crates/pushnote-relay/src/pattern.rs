//! Which paths are a location's, and which channel each names.

use percent_encoding::percent_decode_str;
use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;

/// What a compiled pattern may take, in bytes of memory.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// What makes an expression one for a whole path.
const BEGIN: &str = "^(?:";
const END: &str = ")$";

/// Which paths are a location's.
#[derive(Debug, Clone)]
pub struct Pattern {
    path: Regex,
    /// The parameter of the query that names the channel, if the path does not.
    parameter: Option<Box<str>>,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression, or none that is taken.
    #[error("it is no regular expression: {0}")]
    Malformed(String),
    /// It is too long.
    #[error("it has {len} bytes, {PATTERN_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// It does not say where the channel's name is.
    #[error(
        "it has no group for the channel's name: write one, as in /updates/([^/]+), or say which parameter of the query names it"
    )]
    NoGroup,
    /// It says so twice.
    #[error("it has a group, and parameter is set: the channel's name comes from one of them")]
    GroupAndParameter,
}

/// A request for a location that names no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoChannel {
    /// There is none.
    #[error("No channel id provided.")]
    Missing,
    /// It is no text.
    #[error("the channel's name is no UTF-8 text")]
    NoText,
}

impl Pattern {
    /// A regular expression that the whole path matches; its first group is the channel's name, or, without groups, the
    /// query's `parameter` is.
    ///
    /// # Errors
    ///
    /// [`PatternError`].
    pub fn new(expression: &str, parameter: Option<&str>) -> Result<Self, PatternError> {
        if expression.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { len: expression.len() });
        }
        let path = RegexBuilder::new(&format!("{BEGIN}{expression}{END}"))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| PatternError::Malformed(reason(&error)))?;
        match (path.captures_len() > 1, parameter) {
            (false, None) => Err(PatternError::NoGroup),
            (true, Some(_)) => Err(PatternError::GroupAndParameter),
            _ => Ok(Self { path, parameter: parameter.map(Box::from) }),
        }
    }

    /// All paths that begin so; what follows is the channel's name, or the query's `parameter` is, of this path.
    ///
    /// # Errors
    ///
    /// [`PatternError`].
    pub fn prefix(prefix: &str, parameter: Option<&str>) -> Result<Self, PatternError> {
        let rest = if parameter.is_some() { "" } else { "(.+)" };
        Self::new(&format!("{}{rest}", regex::escape(prefix)), parameter)
    }

    /// The expression for whole paths.
    pub(crate) fn expression(&self) -> &str {
        let whole = self.path.as_str();
        whole.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).unwrap_or(whole)
    }

    /// Whether a path is its own.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        self.path.is_match(path)
    }

    /// The id, decoded, of the channel that a request for a path of its own names.
    ///
    /// # Errors
    ///
    /// [`NoChannel`].
    pub fn channel(&self, path: &str, query: Option<&str>) -> Result<String, NoChannel> {
        if let Some(parameter) = &self.parameter {
            let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            let found = pairs.find(|(name, _)| **name == **parameter);
            let id = found.map(|(_, id)| id.into_owned()).filter(|id| !id.is_empty());
            return id.ok_or(NoChannel::Missing);
        }
        let captures = self.path.captures(path);
        let group = captures.as_ref().and_then(|captures| captures.get(1));
        let raw = group.map(|group| group.as_str()).filter(|id| !id.is_empty()).ok_or(NoChannel::Missing)?;
        let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| NoChannel::NoText)?;
        Ok(decoded.into_owned())
    }
}

/// The last line of what the parser of expressions says: the others draw where, with our own part in it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_names_the_channel() {
        let pattern = Pattern::new("/updates/([^/]+)", None).unwrap();
        assert!(pattern.takes("/updates/a"));
        for other in ["/updates/", "/updates/a/b", "/x/updates/a"] {
            assert!(!pattern.takes(other), "{other:?}");
        }
        assert_eq!(pattern.channel("/updates/some_channel_id", None).as_deref(), Ok("some_channel_id"));
        assert_eq!(pattern.channel("/updates/%C4%8De%20%2F", None).as_deref(), Ok("če /"));
        assert_eq!(pattern.channel("/updates/%FF", None), Err(NoChannel::NoText));
        let named = Pattern::new("/(?P<id>a*)/x", None).unwrap();
        assert_eq!(named.channel("//x", None), Err(NoChannel::Missing));
        let either = Pattern::new("/a/(.+)|/b", None).unwrap();
        assert!(either.takes("/b") && !either.takes("/bc") && !either.takes("x/b"));
    }

    #[test]
    fn a_prefix_is_no_expression() {
        let pattern = Pattern::prefix("/a.b/", None).unwrap();
        assert_eq!(pattern.channel("/a.b/c/d", None).as_deref(), Ok("c/d"));
        assert!(!pattern.takes("/aXb/c") && !pattern.takes("/a.b/"));
    }

    #[test]
    fn a_parameter_names_the_channel_of_one_path() {
        let pattern = Pattern::prefix("/activity", Some("id")).unwrap();
        assert!(pattern.takes("/activity") && !pattern.takes("/activity/"));
        assert_eq!(pattern.channel("/activity", Some("x=1&id=a+%C3%A4&id=b")).as_deref(), Ok("a ä"));
        for query in [None, Some(""), Some("id="), Some("Id=1")] {
            assert_eq!(pattern.channel("/activity", query), Err(NoChannel::Missing), "{query:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        assert_eq!(Pattern::new("/a", None).unwrap_err(), PatternError::NoGroup);
        assert_eq!(Pattern::new("/(a)", Some("id")).unwrap_err(), PatternError::GroupAndParameter);
        let error = Pattern::new("/a([^/]+", None).unwrap_err().to_string();
        assert_eq!(error, "it is no regular expression: unclosed group");
        assert!(Pattern::new("/(a{1000}{1000})", None).is_err());
        assert_eq!(Pattern::new(&"a".repeat(1025), None).unwrap_err(), PatternError::TooLong { len: 1025 });
    }
}
