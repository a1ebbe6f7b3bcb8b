//! Exit codes of loads that could not be made.

use pushnote_cli::Failure;
use pushnote_load::LoadError;

/// A load's error with the flag that it is about, and its exit code.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
pub(super) fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::NoCore(_) => Failure::usage(error.to_string()),
        LoadError::Publish(_) => Failure::unavailable(format!("--publish: {error}")),
        LoadError::PublishAnswer(_) => Failure::data(format!("--publish: {error}")),
        LoadError::Server(_) => Failure::unavailable(error.to_string()),
        LoadError::System(_) => Failure::system(error.to_string()),
    }
}
