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

/// What to say where `variable` holds something else than `file`, which `flag` names and which counts: who set the variable
/// may not know of the file. `None` also where the file cannot be read, which its reader says. Lines are compared, without
/// spaces around them: a file with a secret and those before it holds each of them.
#[must_use]
pub fn overruled_variable(flag: &str, file: Option<&Path>, variable: &str) -> Option<String> {
    let (file, value) = (file?, std::env::var(variable).ok()?);
    let text = read_text(file, SECRET_BYTES_MAX).ok()?;
    let differs = |line: &str| !line.is_empty() && text.lines().all(|other| other.trim() != line);
    value.lines().map(str::trim).any(differs).then(|| {
        format!(
            "{variable} is set, and {flag} names {}, which holds something else: the file is used, the variable is not; unset \
             the variable, or, if it is the right one, leave {flag} away",
            file.display()
        )
    })
}

/// The text of the file that `flag` names, of at most `bytes_max` bytes.
pub fn read_setting(flag: &str, path: &Path, bytes_max: u64) -> Result<String, Failure> {
    read_text(path, bytes_max)
        .map_err(|error| Failure::config(format!("{flag}: cannot read {}: {error}", path.display())))
}
