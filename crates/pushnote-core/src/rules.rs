//! What holds for a channel: the application's rules, by the beginnings of channels' names.

use crate::subject::{CHANNEL_NAME_BYTES_MAX, ChannelName};

/// What holds for a channel. The default is a channel that wants a token, whose history is as long as the log is, and
/// where nobody learns who else is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRule {
    /// Whether anybody may subscribe, without a token.
    pub public: bool,
    /// How much of what was published is kept for those who come later.
    pub history: HistoryRule,
    /// Whether subscribers may ask who is there.
    pub presence: bool,
    /// What becomes of a subscriber that was slower than the history is long.
    pub slow: SlowPolicy,
}

/// How much of a channel is kept: each bound is `None` for as much as the server's log holds. A message is kept as long
/// as it is within all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryRule {
    /// Bytes of messages.
    pub bytes: Option<usize>,
    /// Messages; 0 for no history at all.
    pub count: Option<usize>,
    /// Their age, in seconds.
    pub age_s: Option<u64>,
}

/// What becomes of a subscriber that was slower than a channel's history is long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is told that messages are missing, and goes on.
    #[default]
    Gap,
    /// It gets only the newest message: for prices, positions, and what else outdates itself.
    Latest,
    /// Its connection is closed.
    Disconnect,
}

/// The rules of all channels, each for the names that begin with its prefix. Of several the longest prefix wins; where
/// none fits, [`ChannelRule::default`] holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRules {
    /// The longest prefix first.
    rules: Vec<(Box<str>, ChannelRule)>,
    fallback: ChannelRule,
}

/// Why rules cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelRulesError {
    /// One of the two would never count.
    #[error("prefix {prefix:?} has two rules; make one of them")]
    Twice {
        /// Theirs.
        prefix: String,
    },
    /// No name is as long.
    #[error("prefix of {len} bytes fits no channel: their names have {CHANNEL_NAME_BYTES_MAX} bytes at most")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// No name has one.
    #[error("prefix {prefix:?} fits no channel: their names have no control characters")]
    ControlCharacter {
        /// Which.
        prefix: String,
    },
    /// It would keep more than there is.
    #[error(
        "the rule of prefix {prefix:?} has a history that is longer than the log: raise {setting}, or leave that to the log"
    )]
    BeyondLog {
        /// Whose rule.
        prefix: String,
        /// The log's limit.
        setting: &'static str,
    },
    /// A pattern where a prefix was wanted.
    #[error("prefix {prefix:?} ends in *, which a prefix does without; leave it away")]
    Pattern {
        /// Which.
        prefix: String,
    },
}

impl ChannelRules {
    /// Of prefixes and what holds for names that begin with them; the empty one fits all.
    ///
    /// # Errors
    ///
    /// [`ChannelRulesError`] if two have the same prefix, or if one can fit no channel.
    pub fn new(rules: impl IntoIterator<Item = (String, ChannelRule)>) -> Result<Self, ChannelRulesError> {
        let mut sorted: Vec<(Box<str>, ChannelRule)> = Vec::new();
        for (prefix, rule) in rules {
            if prefix.len() > CHANNEL_NAME_BYTES_MAX {
                return Err(ChannelRulesError::TooLong { len: prefix.len() });
            }
            if prefix.contains(char::is_control) {
                return Err(ChannelRulesError::ControlCharacter { prefix });
            }
            if prefix.ends_with('*') {
                return Err(ChannelRulesError::Pattern { prefix });
            }
            if sorted.iter().any(|(other, _)| **other == *prefix) {
                return Err(ChannelRulesError::Twice { prefix });
            }
            sorted.push((prefix.into(), rule));
        }
        sorted.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { rules: sorted, fallback: ChannelRule::default() })
    }

    /// The same, if the log is so long that each can keep what it says.
    ///
    /// # Errors
    ///
    /// [`ChannelRulesError::BeyondLog`].
    pub fn within(self, log: &HistoryRule) -> Result<Self, ChannelRulesError> {
        for (prefix, rule) in &self.rules {
            let HistoryRule { bytes, count, age_s } = rule.history;
            let checks = [
                (bytes > log.bytes, "log_bytes_max"),
                (count > log.count, "log_messages_max"),
                (age_s > log.age_s, "log_age"),
            ];
            if let Some((_, setting)) = checks.into_iter().find(|(is_beyond, _)| *is_beyond) {
                return Err(ChannelRulesError::BeyondLog { prefix: prefix.to_string(), setting });
            }
        }
        Ok(self)
    }

    /// What holds for `channel`.
    #[must_use]
    pub fn of(&self, channel: &ChannelName) -> &ChannelRule {
        let fits = |(prefix, _): &&(Box<str>, ChannelRule)| channel.as_str().starts_with(&**prefix);
        self.rules.iter().find(fits).map_or(&self.fallback, |(_, rule)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(count: usize) -> ChannelRule {
        let history = HistoryRule { count: Some(count), ..HistoryRule::default() };
        ChannelRule { history, ..ChannelRule::default() }
    }

    fn rules(prefixes: &[&str]) -> Result<ChannelRules, ChannelRulesError> {
        ChannelRules::new(prefixes.iter().enumerate().map(|(n, prefix)| ((*prefix).to_owned(), rule(n))))
    }

    #[test]
    fn the_longest_prefix_wins() {
        let rules = rules(&["news.", "", "news.sport.", "news.sport"]).unwrap();
        for (name, which) in [
            ("news.a", 0),
            ("news", 1),
            ("x", 1),
            ("news.sport.ski", 2),
            ("news.sport", 3),
            ("news.sports", 3),
        ] {
            assert_eq!(rules.of(&ChannelName::new(name).unwrap()), &rule(which), "{name}");
        }
    }

    #[test]
    fn where_no_rule_fits_a_channel_wants_a_token_and_has_the_whole_log() {
        let default = ChannelRule {
            public: false,
            history: HistoryRule { bytes: None, count: None, age_s: None },
            presence: false,
            slow: SlowPolicy::Gap,
        };
        for rules in [ChannelRules::default(), rules(&["b"]).unwrap()] {
            assert_eq!(rules.of(&ChannelName::new("a").unwrap()), &default);
        }
    }

    #[test]
    fn a_history_is_no_longer_than_the_log() {
        let log = HistoryRule { bytes: Some(10), count: Some(10), age_s: Some(10) };
        let of = |history| {
            let rule = ChannelRule { history, ..ChannelRule::default() };
            ChannelRules::new([("a".to_owned(), rule)]).unwrap().within(&log)
        };
        assert!(of(log).is_ok() && of(HistoryRule::default()).is_ok());
        for (history, setting) in [
            (HistoryRule { bytes: Some(11), ..log }, "log_bytes_max"),
            (HistoryRule { count: Some(11), ..log }, "log_messages_max"),
            (HistoryRule { age_s: Some(11), ..log }, "log_age"),
        ] {
            assert!(of(history).unwrap_err().to_string().contains(setting), "{setting}");
        }
    }

    #[test]
    fn rules_that_cannot_count_are_refused() {
        let said = |prefixes: &[&str]| rules(prefixes).unwrap_err().to_string();
        assert_eq!(said(&["a", "b", "a"]), "prefix \"a\" has two rules; make one of them");
        assert_eq!(said(&["", ""]), "prefix \"\" has two rules; make one of them");
        let long = said(&[&"x".repeat(256)]);
        assert_eq!(long, "prefix of 256 bytes fits no channel: their names have 255 bytes at most");
        assert!(rules(&[&"x".repeat(255)]).is_ok());
        assert!(said(&["a\n"]).ends_with("fits no channel: their names have no control characters"));
        assert_eq!(
            said(&["news.*"]),
            "prefix \"news.*\" ends in *, which a prefix does without; leave it away"
        );
    }
}
