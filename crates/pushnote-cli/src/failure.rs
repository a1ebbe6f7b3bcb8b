//! Why a binary ends early, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// A failure with its exit code as `sysexits.h` has it, and one line for a person: what is wrong, where, and
/// what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Flags or arguments that cannot be (64, `EX_USAGE`).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 64, message: message.into() }
    }

    /// Input data that cannot be (65, `EX_DATAERR`).
    pub fn data(message: impl Into<String>) -> Self {
        Self { code: 65, message: message.into() }
    }

    /// A service or address that is not to be had (69, `EX_UNAVAILABLE`).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: 69, message: message.into() }
    }

    /// A fault of this program (70, `EX_SOFTWARE`).
    pub fn software(message: impl Into<String>) -> Self {
        Self { code: 70, message: message.into() }
    }

    /// Something of the system's failed (71, `EX_OSERR`).
    pub fn system(message: impl Into<String>) -> Self {
        Self { code: 71, message: message.into() }
    }

    /// A setting that is missing or wrong (78, `EX_CONFIG`).
    pub fn config(message: impl Into<String>) -> Self {
        Self { code: 78, message: message.into() }
    }

    /// Ctrl-C, before the program was done (130, as shells report a death by SIGINT).
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { code: 130, message: message.into() }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
