//! `pushnote-mq`: the ZeroMQ forwarder between applications and servers.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushnote_mq::main()
}
