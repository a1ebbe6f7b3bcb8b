//! How everything is looked at.

use std::time::Duration;

use pushnote_zmtp::Options;
use pushnote_zmtp::curve::PublicKey;

/// How everything is looked at.
pub(super) struct Look {
    pub(super) options: Options,
    /// Our own public key, with CURVE.
    pub(super) key: Option<PublicKey>,
    /// For each step.
    pub(super) timeout: Duration,
}
