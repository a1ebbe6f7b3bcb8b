//! What is wrong with a value, in words that do not depend on where it stands.

use clap::{Arg, Command};

use crate::schema::flag;

/// What is wrong with these values of a setting; `None`: nothing.
pub(crate) fn fault_of(arg: &Arg, values: &[String]) -> Option<String> {
    let lone = Command::new("setting").no_binary_name(true).arg(arg.clone().required(false));
    let given = values.iter().map(|value| format!("{}={value}", flag(arg)));
    let error = lone.try_get_matches_from(given).err()?;
    let possible = arg.get_possible_values();
    match std::error::Error::source(&error) {
        Some(source) => Some(source.to_string()),
        None if possible.is_empty() => Some(reason(&error)),
        None => {
            let names: Vec<_> = possible.iter().map(|value| value.get_name().to_owned()).collect();
            Some(format!("give {}", names.join(" or ")))
        }
    }
}

/// clap's own words, without what stands before and after them.
fn reason(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let text: Vec<_> =
        rendered.lines().map(str::trim).take_while(|line| !line.starts_with("For more")).collect();
    text.join(" ").trim_start_matches("error: ").trim().to_owned()
}
