//! `pushnote health`: whether a program says that it is well, for supervisors that ask by a command.

use pushnote_cli::{Failure, say};

use crate::args::HealthArgs;
use crate::web::{agent, base, refusal, unanswered};

pub(crate) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let url = base(&args.url).map_err(Failure::usage)?;
    let mut answer = agent().get(url).call().map_err(|error| unanswered(url, &error))?;
    let text = answer.body_mut().read_to_string().map_err(|error| unanswered(url, &error))?;
    match answer.status().as_u16() {
        200 => {
            say(text.trim_end());
            Ok(())
        }
        status => Err(Failure::unavailable(refusal(status, &text))),
    }
}
