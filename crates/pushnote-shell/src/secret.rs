//! Where secrets come from: a file or the environment, never a flag, which every user of the machine can read.

use std::path::Path;

use crate::Failure;

/// Environment variable with the secret that user tokens are signed with.
pub const SECRET_VARIABLE: &str = "PUSHNOTE_SECRET";

/// The text of `file` (given by `--secret-file`), or else of [`SECRET_VARIABLE`].
pub fn read_secret(file: Option<&Path>) -> Result<String, Failure> {
    match (file, std::env::var(SECRET_VARIABLE)) {
        (Some(path), _) => read_setting("--secret-file", path),
        (None, Ok(secret)) => Ok(secret),
        (None, Err(_)) => Err(Failure::config(format!(
            "no secret for user tokens: set {SECRET_VARIABLE} or --secret-file to your Django SECRET_KEY, \
             or to the output of 'openssl rand -base64 32'"
        ))),
    }
}

/// The text of the file that `flag` names.
pub fn read_setting(flag: &str, path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::config(format!("{flag}: cannot read {}: {error}", path.display())))
}
