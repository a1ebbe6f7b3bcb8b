//! Why a connection ends.

use std::fmt;

/// Why the server ends a connection, as the browser is told: in a WebSocket close frame (RFC 6455 §7.4) and
/// in SockJS's `c[code,"reason"]`.
///
/// The code's range decides what a client does: from 3000 to 3499 it connects again (with back-off), from
/// 3500 to 3999 it does not, because the same would happen again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 3001: this server stops; another, or its successor, takes over.
    Shutdown,
    /// 3008: the client reads more slowly than its messages come, and its outbox is full.
    SlowConsumer,
    /// 3012: no answer to a ping.
    NoPong,
    /// 3013: by this server's clock the token was made in the future, or is not good before its `nbf`.
    TokenFromFuture,
    /// 3500: the token was not made with this server's secret.
    TokenInvalid,
    /// 3501: a message from the client that is not the client protocol.
    BadRequest,
    /// 3502: the token was good once; the page needs a new one.
    TokenExpired,
    /// 3503: the user has its share of connections already.
    TooManyConnections,
    /// 3505: the application has ended the user's connections.
    Disconnected,
    /// 3504: the connection has its share of subscriptions already.
    TooManySubscriptions,
}

/// Everything there is to say about a close code.
struct Row {
    code: u16,
    reason: &'static str,
    reconnect: bool,
    label: &'static str,
}

impl CloseCode {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Shutdown,
        Self::SlowConsumer,
        Self::NoPong,
        Self::TokenFromFuture,
        Self::TokenInvalid,
        Self::BadRequest,
        Self::TokenExpired,
        Self::TooManyConnections,
        Self::TooManySubscriptions,
        Self::Disconnected,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self.row().code
    }

    /// The sentence that goes with it: ASCII, short enough for a close frame (123 bytes, RFC 6455 §5.5).
    pub const fn reason(self) -> &'static str {
        self.row().reason
    }

    /// Whether the client is expected to connect again.
    pub const fn reconnect(self) -> bool {
        self.row().reconnect
    }

    /// Its name in metrics and logs.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    const fn row(self) -> Row {
        let (code, reason, reconnect, label) = match self {
            Self::Shutdown => (3001, "server is shutting down, connect again", true, "shutdown"),
            Self::SlowConsumer => (3008, "messages came faster than you read them", true, "slow_consumer"),
            Self::NoPong => (3012, "no answer to a ping", true, "no_pong"),
            Self::TokenFromFuture => {
                (3013, "token is not good yet: check the clocks, or its nbf", true, "token_from_future")
            }
            Self::TokenInvalid => (3500, "token is invalid", false, "token_invalid"),
            Self::BadRequest => (3501, "message is not the client protocol", false, "bad_request"),
            Self::TokenExpired => (3502, "token has expired, get a new one", false, "token_expired"),
            Self::TooManyConnections => {
                (3503, "too many connections of this user", false, "too_many_connections")
            }
            Self::TooManySubscriptions => (3504, "too many subscriptions", false, "too_many_subscriptions"),
            Self::Disconnected => (3505, "disconnected by the application", false, "disconnected"),
        };
        Row { code, reason, reconnect, label }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_range_tells_whether_to_come_back() {
        for code in CloseCode::ALL {
            assert!((3000..4000).contains(&code.code()), "{code}");
            assert_eq!(code.reconnect(), code.code() < 3500, "{code}");
        }
    }

    /// What people read is what comes.
    #[test]
    fn the_readme_has_this_table() {
        let readme = include_str!("../../../README.md");
        let rows: Vec<_> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| 3")?.split_once(" | ")?.1.split_once(" | "))
            .collect();
        let reasons: Vec<_> = rows.iter().map(|(reason, _)| *reason).collect();
        assert_eq!(reasons, CloseCode::ALL.map(CloseCode::reason));
        for ((_, back), code) in rows.into_iter().zip(CloseCode::ALL) {
            assert_eq!(back.starts_with("yes"), code.reconnect(), "{code}");
        }
    }

    #[test]
    fn codes_reasons_and_labels_are_distinct_and_fit() {
        assert!(CloseCode::ALL.is_sorted_by_key(|code| code.code()));
        assert_eq!(
            CloseCode::ALL.map(CloseCode::code).into_iter().collect::<HashSet<_>>().len(),
            CloseCode::ALL.len()
        );
        assert_eq!(
            CloseCode::ALL.map(CloseCode::reason).into_iter().collect::<HashSet<_>>().len(),
            CloseCode::ALL.len()
        );
        assert_eq!(
            CloseCode::ALL.map(CloseCode::label).into_iter().collect::<HashSet<_>>().len(),
            CloseCode::ALL.len()
        );
        for code in CloseCode::ALL {
            assert!(code.reason().is_ascii() && code.reason().len() <= 123, "{code}");
        }
    }
}
