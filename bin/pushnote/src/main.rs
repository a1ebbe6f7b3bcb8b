//! `pushnote`: the operator's tool.

mod args;
mod bench;
mod config;
mod dev;
mod doctor;
mod generate;
mod health;
mod json;
mod keygen;
mod mq_socket;
mod publish;
mod tail;
mod token;
mod web;
mod webpush;

use std::process::ExitCode;

use crate::args::{Args, ToolCommand};

fn main() -> ExitCode {
    pushnote_cli::main(|args: Args| match args.command {
        ToolCommand::Bench(args) => bench::run(&args),
        ToolCommand::Config(args) => config::run(&args),
        ToolCommand::Dev(args) => dev::run(&args),
        ToolCommand::Doctor(args) => doctor::run(&args),
        ToolCommand::Generate(args) => generate::run(&args),
        ToolCommand::Health(args) => health::run(&args),
        ToolCommand::Keygen(args) => keygen::run(&args),
        ToolCommand::Publish(args) => publish::run(&args),
        ToolCommand::Tail(args) => tail::run(&args),
        ToolCommand::Token(args) => token::run(&args),
        ToolCommand::Webpush(args) => webpush::run(&args),
    })
}
