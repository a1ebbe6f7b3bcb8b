//! Where secrets come from: a file or the environment, never a flag, which every user of the machine can read.

use std::path::Path;

use pushnote_net::read_text;

use crate::Failure;

/// Environment variable with the secret that user tokens are signed with.
pub const SECRET_VARIABLE: &str = "PUSHNOTE_SECRET";

/// A file that is longer, in bytes, is no secret: somebody named the wrong one.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The text of `file` (given by `--secret-file`), or else of [`SECRET_VARIABLE`].
pub fn read_secret(file: Option<&Path>) -> Result<String, Failure> {
    match (file, std::env::var(SECRET_VARIABLE)) {
        (Some(path), _) => read_setting("--secret-file", path, SECRET_BYTES_MAX),
        (None, Ok(secret)) => Ok(secret),
        (None, Err(_)) => Err(Failure::config(format!(
            "no secret for user tokens: set {SECRET_VARIABLE} or --secret-file to your Django SECRET_KEY, \
             or to the output of 'openssl rand -base64 32'"
        ))),
    }
}

/// Where [`read_secret`] took a secret from, for messages about it.
pub fn secret_source(file: Option<&Path>) -> &'static str {
    if file.is_some() { "--secret-file" } else { SECRET_VARIABLE }
}

/// The text of the file that `flag` names, of at most `bytes_max` bytes.
pub fn read_setting(flag: &str, path: &Path, bytes_max: u64) -> Result<String, Failure> {
    read_text(path, bytes_max)
        .map_err(|error| Failure::config(format!("{flag}: cannot read {}: {error}", path.display())))
}
