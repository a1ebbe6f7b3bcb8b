//! Where the iframe page gets sockjs-client from.

use std::{fs, io, path::Path};

use bytes::Bytes;
use md5::{Digest, Md5};

/// The sockjs-client script of the iframe page. It must be the version that the embedding pages use.
#[derive(Clone, Debug)]
pub enum ClientScript {
    /// A URL, beginning with `/` or `http`.
    Url(String),
    /// The script itself, which the service then serves next to the iframe page, under a name that changes with it.
    Content(Bytes),
}

impl ClientScript {
    /// A local file, read now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        fs::read(path).map(|content| Self::Content(content.into()))
    }
}

impl From<&str> for ClientScript {
    fn from(url: &str) -> Self {
        Self::Url(url.to_owned())
    }
}

impl From<String> for ClientScript {
    fn from(url: String) -> Self {
        Self::Url(url)
    }
}

/// MD5 in lower-case hexadecimal, as the protocol wants it for the page's `ETag`. It guards nothing.
pub(crate) fn md5_hex(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file name under which [`ClientScript::Content`] is served.
pub(crate) fn file_name(content: &[u8]) -> String {
    format!("sockjs-{}.js", md5_hex(content))
}
