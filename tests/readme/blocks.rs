//! What the README and the pages of docs/ print.

const README: &str = include_str!("../../README.md");

/// The fenced block of the README below `heading` that contains `part`.
///
/// # Panics
///
/// If there is none, or more than one.
pub(crate) fn block(heading: &str, part: &str) -> String {
    block_of(README, heading, part)
}

/// The same of another page.
pub(crate) fn block_of(page: &str, heading: &str, part: &str) -> String {
    let (_, section) = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let section = section.split("\n## ").next().unwrap_or(section);
    // Fences divide a section: text, block, text, block …
    let blocks = section.split("```").skip(1).step_by(2);
    let mut found = blocks
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, block)| block)
        .filter(|block| block.contains(part));
    let block = found.next().unwrap_or_else(|| panic!("no block with {part:?} below {heading:?}"));
    assert_eq!(found.next(), None, "blocks with {part:?} below {heading:?}");
    block.to_owned()
}
