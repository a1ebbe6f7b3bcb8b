//! `pushnote`: the operator's tool.

mod args;
mod bench;
mod config;
mod dev;
mod doctor;
mod keygen;
mod mq_socket;
mod publish;
mod token;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    pushnote_shell::main(|args: Args| match args.command {
        Command::Bench(args) => bench::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Token(args) => token::run(&args),
    })
}
