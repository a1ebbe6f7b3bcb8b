//! What the benches sign with, and when.

use pushnote_core::{Keys, Secret};

/// Unix seconds.
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) fn keys() -> Keys {
    Keys::new(Secret::new("a secret for benches only, not for use").expect("long enough"))
}
