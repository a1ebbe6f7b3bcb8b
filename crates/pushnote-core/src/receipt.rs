//! The answer to a message that was sent to be acknowledged.

use serde::{Deserialize, Serialize};

/// What `pushnote-mq` or a single `pushnote-server` answers: `{"id":"…","servers":2,"of":2}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What the message is known by there: the epoch of its run, a slash and a number.
    pub id: String,
    /// Servers that have said that they have the message.
    pub servers: u64,
    /// Servers there were.
    pub of: u64,
}

/// An answer: the receipt, or why there is none (`{"error":"…"}`, with `"retry":true` where asking again can help).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The message was taken.
    Receipt(Receipt),
    /// It was not.
    Refused {
        /// What is wrong with it, or what stands in its way.
        error: String,
        /// Whether the same message may be taken when it is sent again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_told_apart() {
        for (text, answer) in [
            (
                r#"{"id":"00ff/7","servers":1,"of":2}"#,
                Answer::Receipt(Receipt { id: "00ff/7".into(), servers: 1, of: 2 }),
            ),
            (r#"{"error":"no"}"#, Answer::Refused { error: "no".into(), retry: false }),
            (r#"{"error":"not yet","retry":true}"#, Answer::Refused { error: "not yet".into(), retry: true }),
        ] {
            assert_eq!(serde_json::from_str::<Answer>(text).unwrap(), answer);
            assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        }
    }
}
