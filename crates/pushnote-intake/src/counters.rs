//! What the intake counts.

use pushnote_hub::Counter;

/// Running totals since the start, of all sources together.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages refused because they were not a well-formed envelope.
    pub envelopes_refused: Counter,
    /// Recipient tokens that did not verify, in envelopes that were otherwise accepted.
    pub recipients_refused: Counter,
    /// Messages that had come before, over another connection or because a publisher sent them again.
    pub duplicates: Counter,
    /// Messages that had not come when later ones of their publisher had waited for them long enough.
    pub missed: Counter,
    /// Times that a publisher whose name was known began to number its messages anew.
    pub new_runs: Counter,
}
