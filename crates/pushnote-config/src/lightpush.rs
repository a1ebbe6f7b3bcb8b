//! Settings of the listener that speaks as lightpush does.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::values::{ip_address, port};

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "lightpush")]
pub struct LightpushArgs {
    /// TCP port for pages and publishers of lightpush (its own was 8086); 0 takes a free one; not served without it
    #[arg(long, env = "PUSHNOTE_LIGHTPUSH_PORT", value_name = "PORT", value_parser = port)]
    pub lightpush_port: Option<u16>,

    /// IP address for them; whoever can connect there gets every message
    #[arg(long, env = "PUSHNOTE_LIGHTPUSH_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = address)]
    pub lightpush_address: IpAddr,

    /// File with the key that publishers of lightpush show; or set PUSHNOTE_LIGHTPUSH_KEY
    #[arg(long, env = "PUSHNOTE_LIGHTPUSH_KEY_FILE", value_name = "PATH")]
    pub lightpush_key_file: Option<PathBuf>,
}

fn address(text: &str) -> Result<IpAddr, String> {
    ip_address(text).ok_or_else(|| "give an IP address of this machine's, as in 127.0.0.1".to_owned())
}
