//! What pages print.

/// The fenced block of a page below `heading` that contains `part`.
///
/// # Panics
///
/// If there is none, or more than one.
pub fn block_of(page: &str, heading: &str, part: &str) -> String {
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
