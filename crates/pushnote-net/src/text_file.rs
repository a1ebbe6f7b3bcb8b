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
/// What the system says, and what to do; a longer file, of which no more is read; one that is no UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    read(path, bytes_max).map_err(|error| explained(path, error))
}

fn read(path: &Path, bytes_max: u64) -> io::Result<String> {
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

fn explained(path: &Path, error: io::Error) -> io::Error {
    use io::ErrorKind::{InvalidData, IsADirectory, NotFound, PermissionDenied};
    let what = match error.kind() {
        NotFound => match std::path::absolute(path) {
            Ok(whole) if path.is_relative() => {
                format!("no such file: it is looked for at {}", whole.display())
            }
            _ => "no such file: correct the path".to_owned(),
        },
        IsADirectory => "it is a directory: name a file in it".to_owned(),
        PermissionDenied => {
            "permission denied: this user may not read it, or not enter its folder".to_owned()
        }
        InvalidData => "it is no text in UTF-8: another file is meant".to_owned(),
        _ => return error,
    };
    io::Error::new(error.kind(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let said = |path: &Path| read_text(path, 10).unwrap_err().to_string();
        let file = std::env::temp_dir().join(format!("pushnote-net-{}-text", std::process::id()));
        std::fs::write(&file, b"\xff\xfe").unwrap();
        assert_eq!(said(&file), "it is no text in UTF-8: another file is meant");
        std::fs::write(&file, "12345678901").unwrap();
        assert!(said(&file).contains("more than the 10 bytes"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(said(&file), "no such file: correct the path");
        assert_eq!(said(&std::env::temp_dir()), "it is a directory: name a file in it");
        let whole = std::env::current_dir().unwrap().join("nowhere/secret");
        let at = format!("no such file: it is looked for at {}", whole.display());
        assert_eq!(said(Path::new("nowhere/secret")), at);
    }
}
