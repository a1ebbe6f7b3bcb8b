//! Starts what is measured, keeps it on its core, and writes down what came of it.

use std::path::Path;
use std::process::Command;

use pushnote_cli::Failure;
use pushnote_load::{Limit, Measurement, Plan};

use super::args::BenchArgs;
use super::failure::failure;
use super::progress::ProgressLine;

/// Starts this program as the bare limit.
pub(super) fn start_limit() -> Result<Limit, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::system(format!("cannot start the bare limit: {error}")))?;
    let mut command = Command::new(program);
    command.args(["bench", "--serve-limit"]);
    Limit::start(command).map_err(failure)
}

pub(super) fn measure(plan: &Plan, args: &BenchArgs) -> Result<Measurement, Failure> {
    pin_server(plan, args)?;
    let mut line = ProgressLine::new(&plan.label);
    pushnote_load::run(plan, &mut |progress| line.show(progress)).map_err(failure)
}

pub(super) fn pin_server(plan: &Plan, args: &BenchArgs) -> Result<(), Failure> {
    args.pin_server.map_or(Ok(()), |core| plan.server.pin(core)).map_err(failure)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::system(format!("{}: {error}", path.display())))
}
