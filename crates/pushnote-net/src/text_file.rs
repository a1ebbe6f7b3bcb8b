//! Files that people write.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What some editors put in front of a text. It is invisible, and no part of a secret.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file of at most `bytes_max` bytes, without a byte-order mark.
///
/// # Errors
///
/// What the system says; a longer file, of which no more is read; one that is no UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    // With room for all of it: a secret leaves no copy behind in memory that was too small.
    let file = File::open(path)?;
    let mut text = String::with_capacity(file.metadata()?.len().min(bytes_max) as usize + 1);
    file.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        let too_long = format!("it has more than the {bytes_max} bytes that are allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, too_long));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}
