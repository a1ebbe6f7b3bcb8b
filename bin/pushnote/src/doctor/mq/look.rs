//! How everything is looked at.

use std::time::Duration;

use pushnote_zmtp::Options;
use pushnote_zmtp::curve::PublicKey;

/// How everything is looked at.
pub(in crate::doctor) struct Look {
    pub(in crate::doctor) options: Options,
    /// Our own public key, with CURVE.
    pub(in crate::doctor) key: Option<PublicKey>,
    /// For each step.
    pub(in crate::doctor) timeout: Duration,
}
