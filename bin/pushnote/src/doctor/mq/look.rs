//! How everything is looked at.

use std::time::Duration;

use pushnote_zmtp::Options;
use pushnote_zmtp::curve::PublicKey;

/// How everything is looked at.
pub(crate) struct Look {
    pub(crate) options: Options,
    /// Our own public key, with CURVE.
    pub(crate) key: Option<PublicKey>,
    /// For each step.
    pub(crate) timeout: Duration,
}
