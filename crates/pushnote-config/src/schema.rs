//! What is common to the settings of all programs.

use clap::{Arg, ArgAction, Command, Parser};

/// The one setting whose values are tables.
pub(crate) const TABLES_KEY: &str = "channels";

/// What a table of it may look like.
pub(crate) const TABLE_EXAMPLE: &str =
    r#"{ prefix = "news.", public = true, history_count = 100, history_age = "10m" }"#;

/// What they look like in a file.
pub(crate) const TABLES_FILE: &str = r#"[[server.channels]]
prefix = "news."        # for all channels whose names begin so; "" is for all there are
public = true           # nobody needs a token; by default false: everybody does
presence = true         # subscribers may ask who is there; by default false
history_count = 100     # most messages that are kept, 0 for none; by default as many as the log has (log_messages_max)
history_age = "10m"     # how long they are; by default as long as the log has them (log_age)
history_bytes = "1MiB"  # most bytes of them; by default as many as the log has (log_bytes_max)
slow = "latest"         # or "disconnect"; by default "gap"

[[server.channels]]
prefix = "game."        # with a token; who is there is told, and all that the log has is kept
presence = true
"#;

/// The settings of one program: clap's flags, whose names are the keys of a table in the file.
pub trait Schema: Parser {
    /// The table's name.
    const TABLE: &'static str;

    /// The program's name.
    const PROGRAM: &'static str;
}

/// The settings among a program's flags, in the order of its help.
pub(crate) fn settings<S: Schema>() -> Vec<Arg> {
    let command = S::command();
    // Built, so that each has its value's name and number.
    let command = built(command);
    command.get_arguments().filter(|arg| is_setting(arg)).cloned().collect()
}

fn built(mut command: Command) -> Command {
    command.build();
    command
}

/// `--help`, `--version` and `--config` itself are none.
fn is_setting(arg: &Arg) -> bool {
    let shown = !matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    shown && arg.get_id() != "config"
}

/// Its key in a file.
pub(crate) fn key(arg: &Arg) -> &str {
    arg.get_id().as_str()
}

/// Its flag, as it is given.
pub(crate) fn flag(arg: &Arg) -> String {
    format!("--{}", arg.get_long().unwrap_or_default())
}

/// Its environment variable.
pub(crate) fn variable(arg: &Arg) -> Option<String> {
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// Whether it is on or off.
pub(crate) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Whether its values are tables.
pub(crate) fn is_table(arg: &Arg) -> bool {
    arg.get_id() == TABLES_KEY
}

/// Whether it may have several values.
pub(crate) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}
