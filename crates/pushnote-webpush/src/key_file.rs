//! Keys in files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pushnote_net::read_text;
use zeroize::Zeroizing;

use crate::key::{Key, KeyError};

/// No file with a key is longer, whatever is written around it.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A key that cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no key in it, or none could be made for it.
    #[error("{}: {source}", path.display())]
    Key {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// The file cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Key {
    /// The key in a file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Read`], [`KeyFileError::Key`].
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_text(path, FILE_BYTES_MAX).map(Zeroizing::new);
        let text = text.map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
    }

    /// The key in a file, which is made with a new one, for its owner alone to read, if it is missing. Keep a copy of it:
    /// without the key, every browser has to subscribe anew.
    ///
    /// # Errors
    ///
    /// See [`KeyFileError`]; its directory has to be there.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        match Self::from_file(path) {
            Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let key_error = |source| KeyFileError::Key { path: path.to_owned(), source };
        let pem = Self::generate().and_then(|key| key.to_pem()).map_err(key_error)?;
        match make(path, &pem) {
            // Somebody else made it meanwhile: theirs is the key.
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(KeyFileError::Write { path: path.to_owned(), source })
            }
            _ => Self::from_file(path),
        }
    }
}

/// Makes a file that is there with all its text or not at all, and never in place of another.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{:016x}", u64::from_ne_bytes(random)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    };
    let written = write();
    // Nothing else can be done about a draft that stays.
    let _ = fs::remove_file(&draft);
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vapid.pem");
        let keys = std::thread::scope(|scope| {
            [(); 4]
                .map(|()| scope.spawn(|| Key::open(&path).unwrap().id()))
                .map(|thread| thread.join().unwrap())
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no drafts stay");
        assert_eq!(Key::open(&path).unwrap().id(), keys[0]);
    }

    #[test]
    fn a_file_without_a_key_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vapid.pem");
        fs::write(&path, "").unwrap();
        let error = Key::open(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Key { source: KeyError::Unknown, .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"");
        let error = Key::open(&dir.path().join("missing/vapid.pem")).unwrap_err();
        assert!(matches!(error, KeyFileError::Write { .. }), "{error}");
    }
}
