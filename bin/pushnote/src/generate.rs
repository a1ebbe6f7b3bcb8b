//! `pushnote generate`: manual pages and what shells complete, made of the command lines themselves.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use pushnote_cli::Failure;
use pushnote_config::{Mq, Server};

use crate::args::{Args, GenerateArgs};

pub(crate) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let programs = [Args::command(), Server::command(), Mq::command()];
    programs
        .into_iter()
        .try_for_each(|program| write(program, &args.folder))
        .map_err(|error| Failure::config(format!("{}: cannot be written to: {error}", args.folder.display())))
}

fn write(mut program: Command, folder: &Path) -> io::Result<()> {
    let pages = folder.join("man");
    std::fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(program.clone(), pages)?;
    let name = program.get_name().to_owned();
    for (shell, below) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let below = folder.join(below);
        std::fs::create_dir_all(&below)?;
        let file = clap_complete::generate_to(shell, &mut program, &name, below)?;
        // bash looks for a file that is named as the program is.
        if shell == Shell::Bash {
            std::fs::rename(&file, file.with_extension(""))?;
        }
    }
    Ok(())
}
