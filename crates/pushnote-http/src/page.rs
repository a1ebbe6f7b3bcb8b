//! Fixed pages, such as the demo.

use bytes::Bytes;

/// A page that never changes while the server runs.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path, for example `/`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What it holds.
    pub body: Bytes,
}
