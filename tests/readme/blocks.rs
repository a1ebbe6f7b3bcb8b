//! What the README prints, and the pages of docs/.

pub(crate) use pushnote_tests::block_of;

const README: &str = include_str!("../../README.md");

/// The fenced block of the README below `heading` that contains `part`.
///
/// # Panics
///
/// If there is none, or more than one.
pub(crate) fn block(heading: &str, part: &str) -> String {
    block_of(README, heading, part)
}
