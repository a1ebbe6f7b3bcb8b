//! Settings of Web Push.

use std::path::{Path, PathBuf};

use pushnote_net::Network;
use pushnote_webpush::Subject;

use crate::values::{count, listed};

/// The file with the key, in the directory of what is kept, unless another is named.
const KEY_FILE: &str = "vapid.pem";

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Web Push")]
pub struct PushArgs {
    /// Switches Web Push on (docs/web-push.md): an address at which push services reach whoever runs this, as in
    /// mailto:ops@example.org or `https://example.org/contact`. It goes with --data-dir, where subscriptions are kept
    #[arg(long, env = "PUSHNOTE_VAPID_SUBJECT", value_name = "ADDRESS")]
    pub vapid_subject: Option<Subject>,

    /// File with the private key that browsers subscribe to (PEM, or base64url of 32 bytes); by default vapid.pem in
    /// --data-dir. It is made at the first start, and a copy is worth having: without it every browser subscribes anew
    #[arg(long, env = "PUSHNOTE_VAPID_KEY_FILE", value_name = "PATH")]
    pub vapid_key_file: Option<PathBuf>,

    /// File with a key that browsers subscribed to before; repeat for several. They get messages until they subscribe anew
    #[arg(long = "vapid-old-key-file", env = "PUSHNOTE_VAPID_OLD_KEY_FILES", value_name = "PATH", value_delimiter = ',', value_parser = listed::<PathBuf>)]
    pub vapid_old_key_files: Vec<PathBuf>,

    /// Host of a push service that may be asked, as in fcm.googleapis.com; names below it may be, too. Repeat for several; all
    /// hosts on the Internet without it
    #[arg(long = "push-allowed-host", env = "PUSHNOTE_PUSH_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',', value_parser = host)]
    pub push_allowed_hosts: Vec<String>,

    /// Addresses of push services of one's own, as in 10.1.0.0/16, which may be asked on any port and without TLS, too; repeat
    /// for several. Without it none is asked whose address is not one of the Internet
    #[arg(long = "push-allowed-net", env = "PUSHNOTE_PUSH_ALLOWED_NETS", value_name = "NETWORK", value_delimiter = ',', value_parser = listed::<Network>)]
    pub push_allowed_nets: Vec<Network>,

    /// Most browsers of one user that are subscribed to Web Push; one more is refused
    #[arg(long, env = "PUSHNOTE_PUSH_SUBSCRIPTIONS_PER_USER_MAX", value_name = "N", value_parser = count::<u32>, default_value_t = 20)]
    pub push_subscriptions_per_user_max: u32,

    /// Most browsers that subscribe to Web Push from one address, or from one /64 of IPv6; behind a proxy this is for all of
    /// them together, unless --trusted-proxy names it
    #[arg(long, env = "PUSHNOTE_PUSH_SUBSCRIPTIONS_PER_ADDRESS_MAX", value_name = "N", value_parser = count::<u32>, default_value_t = 100)]
    pub push_subscriptions_per_address_max: u32,
}

/// A host, which has no scheme, port or path; names below it are meant by it alone.
fn host(text: &str) -> Result<String, String> {
    let host = text.trim();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    match is_name && host.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        true => Ok(host.to_owned()),
        false => Err("give a host's name, without https://, as in fcm.googleapis.com".to_owned()),
    }
}

/// Settings of Web Push that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushArgsError {
    /// Subscriptions have no place.
    #[error(
        "--vapid-subject switches Web Push on, whose subscriptions are kept in --data-dir: give that, too"
    )]
    NothingKept,
}

impl PushArgs {
    /// The file with the key, if Web Push is on; `data_dir` is where the server keeps what it keeps.
    ///
    /// # Errors
    /// [`PushArgsError`]: settings that do not go together.
    pub fn key_file(&self, data_dir: Option<&Path>) -> Result<Option<PathBuf>, PushArgsError> {
        match (&self.vapid_subject, data_dir) {
            (Some(_), None) => Err(PushArgsError::NothingKept),
            (Some(_), Some(data_dir)) => {
                Ok(Some(self.vapid_key_file.clone().unwrap_or_else(|| data_dir.join(KEY_FILE))))
            }
            (None, _) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_alone() {
        for good in ["fcm.googleapis.com", " push.apple.com", "xn--bcher-kva.example", ".notify.windows.com"]
        {
            assert_eq!(host(good).as_deref(), Ok(good.trim()));
        }
        for wrong in [
            "https://push.apple.com/",
            "push.apple.com:443",
            "*.push.apple.com",
            "a/b",
            "bücher.example",
            "",
            ".",
        ] {
            let error = host(wrong).unwrap_err();
            assert!(error.contains("without https://"), "{wrong}: {error}");
        }
    }
}
