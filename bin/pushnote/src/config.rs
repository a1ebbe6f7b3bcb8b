//! `pushnote config`: the settings of the servers, checked, explained and shown.

use std::path::Path;

use pushnote_cli::{Failure, Places, say, unknown_variables};
use pushnote_config::{ConfigError, File, FileError, Mq, Schema, Server, check, default_file, manual, print};

use crate::args::ConfigArgs;

const FILE_HEAD: &str = "\
# Settings of pushnote-server and pushnote-mq: name this file by --config or PUSHNOTE_CONFIG. What is commented out is the
# default, or an example where nothing is set. The environment goes before this file, and a flag before both. Secrets are in files of their own.
# A relative path is seen from the folder that this file is in.
";

const MANUAL_HEAD: &str = "\
# Configuration

<!-- Made by `pushnote config --manual`: change crates/pushnote-config, not this page. -->

`pushnote-server` and `pushnote-mq` take each setting from four places, each before the next: a flag, an environment
variable, a TOML file, the default. A setting `heartbeat_delay` is the flag `--heartbeat-delay`, and the key
`heartbeat_delay` in the program's table of the file that `--config` or `PUSHNOTE_CONFIG` names. A key that does not exist
is an error, as is a value that makes no sense, and a setting that can do nothing, as `fsync` without `data_dir`; an environment
variable that does not exist is a warning. `--check` looks as well where the programs are to listen and to write, without doing so:
run it as the user that they run as. What is in use there, by a server that runs already, is a note.

```
pushnote config --default > pushnote.toml   # every setting explained, commented out
pushnote config --check pushnote.toml       # what is wrong with it, and what would keep the programs from starting
pushnote config --print --config pushnote.toml   # what is in force, and where each value comes from
```

A relative path in a file is seen from the folder that the file is in, whatever program reads it from wherever; in a flag or a
variable, from where the program was started. Endpoints (`ipc://…`) are taken as they are.

Lists are TOML lists, or in flags and variables texts with commas. Times are seconds, or texts as in `1m 30s`; sizes are
bytes, or texts as in `64KiB`. On and off is `true` and `false`.

The secret that tokens are signed with is no setting: it comes from `secret_file` or `PUSHNOTE_SECRET`, and
`PUSHNOTE_LEGACY_SALT` may stand for `legacy_salt_file`. `PUSHNOTE_LOG` sets what is logged (`info`).
";

pub(crate) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let action = &args.action;
    match &action.check {
        Some(path) => checked(path),
        None if action.print => printed(args.config.as_deref()),
        None if action.default => {
            say(format_args!(
                "{FILE_HEAD}\n{}\n{}",
                default_file::<Server>(),
                default_file::<Mq>().trim_end()
            ));
            Ok(())
        }
        None => {
            say(format_args!("{MANUAL_HEAD}\n{}\n{}", manual::<Server>(), manual::<Mq>().trim_end()));
            Ok(())
        }
    }
}

fn checked(path: &Path) -> Result<(), Failure> {
    let (file, error) = File::read_what_can_be(path).map_err(|error| Failure::config(error.to_string()))?;
    let mut found = Found { faults: error.iter().flat_map(FileError::faults).collect(), ..Found::default() };
    {
        use pushnote_server::{faults, places, warnings};
        found.look_at(&file, &Program { faults, places, warnings });
    }
    {
        use pushnote_mq::{faults, places, warnings};
        found.look_at(&file, &Program { faults, places, warnings });
    }
    if !found.faults.is_empty() {
        return Err(Failure::config(found.faults.join("\n")));
    }
    found.words.iter().for_each(say);
    say(format_args!("{}: sound", path.display()));
    Ok(())
}

/// What a check has found.
#[derive(Default)]
struct Found {
    faults: Vec<String>,
    /// What keeps no program from starting.
    words: Vec<String>,
}

impl Found {
    /// What is wrong with a program's table: with each setting for itself, or else with all together.
    fn look_at<S: Schema>(&mut self, file: &File, program: &Program<S>) {
        let settings = match check::<S>(file) {
            // One that sets nothing is not this program's file.
            Ok(_) if !file.sets_something::<S>() => return,
            Ok(settings) => settings,
            Err(error) => return self.faults.extend(error.faults()),
        };
        let named = |what: &str| format!("{}: [{}]: {what}", file.path().display(), S::TABLE);
        let places = (program.places)(&settings);
        let faults = (program.faults)(&settings).into_iter().chain(places.faults);
        self.faults.extend(faults.map(|fault| named(&fault.to_string())));
        let warnings = (program.warnings)(&settings).into_iter().map(|warning| format!("warning: {warning}"));
        let in_use = places.in_use.into_iter().map(|place| format!("note: {place}"));
        self.words.extend(warnings.chain(in_use).map(|word| named(&word)));
    }
}

/// What a program knows of its settings.
struct Program<S> {
    faults: fn(&S) -> Vec<Failure>,
    places: fn(&S) -> Places,
    warnings: fn(&S) -> Vec<String>,
}

fn printed(path: Option<&Path>) -> Result<(), Failure> {
    let file = path.map(File::read).transpose();
    let file = file.map_err(|error| Failure::config(error.to_string()))?;
    let (server, mq) =
        (print::<Server>(file.as_ref()).map_err(wrong)?, print::<Mq>(file.as_ref()).map_err(wrong)?);
    say(format_args!("{server}\n{}", mq.trim_end()));
    for unknown in unknown_variables() {
        say(format_args!("\n# {unknown}"));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: ConfigError) -> Failure {
    Failure::config(error.to_string())
}
