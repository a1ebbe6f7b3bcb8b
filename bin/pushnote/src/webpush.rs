//! `pushnote webpush`: what an operator does with Web Push by hand.

mod import;
mod progress;
mod send;

use pushnote_cli::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct WebPushArgs {
    #[command(subcommand)]
    command: WebPushCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WebPushCommand {
    /// Takes over the subscriptions that solidwebpush has stored, while no server runs
    Import(import::ImportArgs),
    /// Sends a notification by the API of a server, and shows how far it is
    Send(Box<send::SendArgs>),
}

pub(crate) fn run(args: &WebPushArgs) -> Result<(), Failure> {
    match &args.command {
        WebPushCommand::Import(args) => import::run(args),
        WebPushCommand::Send(args) => send::run(args),
    }
}
