//! The settings for people: a file with all defaults, the manual's page, what is in force now.

use std::fmt::Write;

use clap::Arg;

use crate::file::File;
use crate::layers::{ConfigError, matches, origin};
use crate::schema::{
    Schema, defaults, flag, is_list, is_switch, is_table, key, raw, settings, tables, variable,
};

/// Columns of a comment.
const WIDTH: usize = 100;

/// A program's table of a file, each setting with its description, and commented out with its default.
#[must_use]
pub fn default_file<S: Schema>() -> String {
    let mut out = format!(
        "[{}]\n# {}, its settings. Each is also a flag and an environment variable.\n",
        S::TABLE,
        S::PROGRAM
    );
    for arg in settings::<S>() {
        out.push('\n');
        for line in wrapped(&help(&arg)) {
            let _ = writeln!(out, "# {line}");
        }
        let defaults = defaults(&arg);
        if defaults.is_empty() && !is_switch(&arg) {
            let _ = writeln!(out, "# {} = {}  # not set", key(&arg), placeholder(&arg));
        } else {
            let _ = writeln!(out, "#{} = {}", key(&arg), written(&arg, &defaults));
        }
    }
    out
}

/// A program's section of the manual's page.
#[must_use]
pub fn manual<S: Schema>() -> String {
    let mut out = format!(
        "## `{}`: table `[{}]`\n\n| setting | environment | default | |\n|---|---|---|---|\n",
        S::PROGRAM,
        S::TABLE
    );
    for arg in settings::<S>() {
        let default = match defaults(&arg).as_slice() {
            [] if is_switch(&arg) => "`false`".to_owned(),
            [] if arg.is_required_set() => "required".to_owned(),
            [] => String::new(),
            [one] if one.is_empty() => "`\"\"`".to_owned(),
            values => format!("`{}`", values.join(",")),
        };
        let variable = variable(&arg).map_or_else(String::new, |name| format!("`{name}`"));
        let help = help(&arg).replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {variable} | {default} | {help} |", key(&arg));
    }
    for tables in settings::<S>().iter().filter_map(tables) {
        let _ = write!(out, "\n`{}` in a file:\n\n```toml\n{}```\n", tables.key, tables.file);
    }
    out
}

/// A program's settings as they are in force, each with where it comes from; `file` as for
/// [`load`](crate::load). No setting holds a secret: those are in files of their own, or in the environment.
///
/// # Errors
/// What is wrong with the file or the environment.
pub fn print<S: Schema>(file: Option<&File>) -> Result<String, ConfigError> {
    let (_, matches, made) = matches::<S>(file)?;
    let mut out = format!("[{}]\n", S::TABLE);
    for arg in settings::<S>() {
        let values = raw(&arg, &matches);
        if values.is_empty() && !is_switch(&arg) {
            let need = if arg.is_required_set() { ", and must be" } else { "" };
            let _ = writeln!(out, "# {}: not set{need}", key(&arg));
        } else {
            let origin = origin(&arg, &matches, file.map(File::path), &made);
            let _ = writeln!(out, "{} = {}  # {origin}", key(&arg), written(&arg, &values));
        }
    }
    Ok(out)
}

/// A value as TOML has it.
fn written(arg: &Arg, values: &[String]) -> String {
    let one = |value: &String| match value.parse::<u64>() {
        Ok(_) => value.clone(),
        Err(_) => toml::Value::String(value.clone()).to_string(),
    };
    match values {
        // Tables are TOML as they are.
        _ if is_table(arg) => {
            format!("[{}]", values.iter().map(|tables| bare(tables)).collect::<Vec<_>>().join(", "))
        }
        _ if is_list(arg) => format!("[{}]", values.iter().map(one).collect::<Vec<_>>().join(", ")),
        [] => "false".to_owned(),
        [value] if is_switch(arg) => value.clone(),
        values => values.iter().map(one).collect(),
    }
}

/// Tables without the brackets of a list, which a flag and a variable may have around them.
fn bare(tables: &str) -> &str {
    let inner = tables.strip_prefix('[').and_then(|tables| tables.strip_suffix(']')).unwrap_or(tables);
    inner.trim().trim_end_matches(',')
}

fn placeholder(arg: &Arg) -> String {
    if let Some(tables) = tables(arg) {
        return format!("[{}]", tables.example);
    }
    let names = arg.get_value_names().unwrap_or_default();
    let name = names.first().map_or_else(|| key(arg).to_uppercase(), ToString::to_string);
    if is_list(arg) { format!("[\"{name}\"]") } else { format!("\"{name}\"") }
}

/// The whole description on one line, with the values it may have if those are few.
fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let possible: Vec<_> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !possible.is_empty() && !is_switch(arg) {
        let _ = write!(help, " ({})", possible.join(", "));
    }
    let short = arg.get_short().map_or_else(String::new, |short| format!(", -{short}"));
    // The key is the flag's name, but for a dash.
    if short.is_empty() { help } else { format!("{help} ({}{short})", flag(arg)) }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
