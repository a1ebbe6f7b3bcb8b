//! `pushnote-server`: serves browsers by SockJS and WebSocket with what applications publish.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushnote_server::main()
}
