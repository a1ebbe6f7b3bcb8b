//! Secret keys in files: one key in Z85 each.

use pushnote_net::read_text;
use pushnote_zmtp_proto::curve::{KeyError, SecretKey};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// No file with a key is longer, whatever is written around it.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A secret key that cannot be read or kept.
#[derive(Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no key in it.
    #[error("{}: {source}", .path.display())]
    Key {
        /// Which one.
        path: PathBuf,
        /// What is wrong with what it holds.
        source: KeyError,
    },
    /// There is a file of this name already.
    #[error("{} exists, and the key in it may be in use: choose another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// The file cannot be made.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Keeps a [`SecretKey`] in a file.
pub trait KeyFile: Sized {
    /// The key in a file, with or without an end of line.
    ///
    /// # Errors
    /// [`KeyFileError::Read`], [`KeyFileError::Key`].
    fn from_file(path: &Path) -> Result<Self, KeyFileError>;

    /// Writes it to a new file that its owner alone can read.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Write`].
    fn to_new_file(&self, path: &Path) -> Result<(), KeyFileError>;
}

impl KeyFile for SecretKey {
    fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_text(path, FILE_BYTES_MAX).map(Zeroizing::new);
        let text = text.map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
        text.trim().parse().map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
    }

    fn to_new_file(&self, path: &Path) -> Result<(), KeyFileError> {
        new_key_file(path, &self.to_z85())
    }
}

/// Writes a key of any kind to a new file that its owner alone can read.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Write`].
pub fn new_key_file(path: &Path, key: &str) -> Result<(), KeyFileError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(key.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Write { path: path.to_owned(), source },
    })
}
