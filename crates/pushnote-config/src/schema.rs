//! What is common to the settings of all programs.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use crate::given::Given;

/// A setting whose values are tables.
pub(crate) struct Tables {
    /// Its key.
    pub(crate) key: &'static str,
    /// What one of them is called.
    pub(crate) one: &'static str,
    /// What one may look like in one line.
    pub(crate) example: &'static str,
    /// What they look like in a file.
    pub(crate) file: &'static str,
}

/// Those there are.
pub(crate) const ALL_TABLES: [&Tables; 2] = [&CHANNELS, &LOCATIONS];

/// Rules of channels.
pub(crate) const CHANNELS: Tables = Tables {
    key: "channels",
    one: "rule",
    example: r#"{ prefix = "news.", public = true, history_count = 100, history_age = "10m" }"#,
    file: r#"[[server.channels]]
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
"#,
};

/// Locations of the push relay protocol.
pub(crate) const LOCATIONS: Tables = Tables {
    key: "locations",
    one: "location",
    example: r#"{ type = "subscriber", url = "/updates/([^/]+)", create_on_get = true }"#,
    file: r#"[[server.locations]]
type = "subscriber"     # pages ask here for messages
url = "/updates/([^/]+)" # a regular expression for the whole path, its first group the channel; or prefix = "/updates/"
#prefix = "/updates"    # instead of url: a path, and what follows it is the channel
#parameter = "id"       # with a prefix, or a url without a group: the parameter of the query that is the channel
#store = "relay"        # its channel "a" is the channel "relay/a" of the log; locations of one store have theirs in common
polling = "long"        # a request waits for a message; with "interval" it is told that there is none
concurrency = "broadcast" # several wait on one channel; with "lifo" only the last to come, with "filo" only the first
create_on_get = true    # asking for a channel that is not there creates it; by default that is a 404
subscriber_timeout = 0  # how long a request waits at most; 0 is the default, and five minutes
allow_origin = "http://127.0.0.1:8000" # pages of this origin may ask; by default "*", all
allow_credentials = true # and send cookies; by default false
passthrough = "http://127.0.0.1:8000/passthrough" # who comes and goes is told there; by default nobody is told

[[server.locations]]
type = "publisher"      # the application sends messages here
url = "/send-update/([^/]+)"
create_on_post = true   # a message for a channel that is not there creates it: the default
allow_network = ["127.0.0.0/8", "::1"] # where it may come from: by default this machine
#allow_origin = "https://admin.example.org" # pages of this origin may publish, from there; by default none
store_messages = true   # messages are kept for who asks later; the following are the store's, and one of its locations says them
min_messages = 0        # so many are kept, however old
max_messages = 100      # at most so many are; 0 is the default, and as many as the log has
message_timeout = 10    # how long they are; 0 is the default, and as long as the log has them
"#,
};

/// The settings of one program: clap's flags, whose names are the keys of a table in the file.
pub trait Schema: Parser {
    /// The table's name.
    const TABLE: &'static str;

    /// The program's name.
    const PROGRAM: &'static str;

    /// What of these settings somebody has set, as far as they were loaded or checked.
    fn given(&mut self) -> &mut Given;
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

/// Of a setting whose values are tables, what they are.
pub(crate) fn tables(arg: &Arg) -> Option<&'static Tables> {
    ALL_TABLES.into_iter().find(|tables| arg.get_id() == tables.key)
}

/// Whether its values are tables.
pub(crate) fn is_table(arg: &Arg) -> bool {
    tables(arg).is_some()
}

/// Whether its values are paths of files.
pub(crate) fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// Whether it may have several values.
pub(crate) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Its values as they are in force, each as somebody has written it.
pub(crate) fn raw(arg: &Arg, matches: &ArgMatches) -> Vec<String> {
    let values = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
    let values: Vec<String> = values.map(|value| value.to_string_lossy().trim().to_owned()).collect();
    match is_switch(arg) {
        true => vec![matches.get_flag(arg.get_id().as_str()).to_string()],
        false => values,
    }
}

/// Its values if nobody sets it; of what is on or off, none.
pub(crate) fn defaults(arg: &Arg) -> Vec<String> {
    if is_switch(arg) {
        return Vec::new();
    }
    let values = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    values.collect()
}
