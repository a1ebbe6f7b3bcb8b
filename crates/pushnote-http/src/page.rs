//! Fixed pages, such as the demo, and what they ask of the server.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};

/// A page that never changes while the server runs.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path, for example `/`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What it holds.
    pub body: Bytes,
    /// Pages of other origins may read it, too: it is the same for all, and holds no secret.
    pub shared: bool,
}

/// Does what was asked with this body, without blocking; or says why not.
pub type Take = dyn Fn(&Bytes) -> Result<(), String> + Send + Sync;

/// What a page's script may ask of the server: a POST with JSON. Only pages of this very server, opened on this machine,
/// are heard: a page of the Internet can send requests here, too, and call itself what it likes.
#[derive(Clone)]
pub struct Action {
    /// Its path, for example `/publish`.
    pub path: &'static str,
    /// Does it.
    pub take: Arc<Take>,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Longest body of an [`Action`].
pub(crate) const ACTION_BYTES_MAX: u64 = 128 * 1024;

/// Whether a request comes from a page of this server, opened by a name that cannot be another machine's.
pub(crate) fn is_from_own_page(request: &HeaderMap) -> bool {
    let text = |name| request.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text(header::HOST);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost")
        && text(header::ORIGIN).strip_prefix("http://") == Some(host)
        && text(header::CONTENT_TYPE) == "application/json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_are_heard() {
        for (host, origin, content_type, heard) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", "application/json", true),
            ("localhost:8080", "http://localhost:8080", "application/json", true),
            ("localhost", "http://localhost", "application/json", true),
            ("127.0.0.1:8080", "http://evil.example", "application/json", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8081", "application/json", false),
            ("127.0.0.1:8080", "null", "application/json", false),
            ("127.0.0.1:8080", "", "application/json", false),
            ("evil.example:8080", "http://evil.example:8080", "application/json", false),
            ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", "application/json", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8080", "text/plain", false),
        ] {
            let mut request = HeaderMap::new();
            for (name, value) in
                [(header::HOST, host), (header::ORIGIN, origin), (header::CONTENT_TYPE, content_type)]
            {
                request.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_from_own_page(&request), heard, "{host} {origin} {content_type}");
        }
    }
}
