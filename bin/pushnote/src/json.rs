//! JSON that a command is given.

use std::io::Read;

use pushnote_cli::Failure;
use serde_json::value::RawValue;

/// A JSON value as an argument, or on standard input for `-`.
pub(crate) fn read_json(argument: &str) -> Result<Box<RawValue>, Failure> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::data(format!("standard input: {error}")))?;
    }
    RawValue::from_string(text.trim().to_owned()).map_err(|error| {
        Failure::data(format!("the message is not JSON ({error}); quote it, as in '\"hello\"'"))
    })
}
