//! The iframe page, and the script it loads when that is served from here.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pushnote_sockjs_proto::iframe;

use crate::{
    client_script::{self, ClientScript},
    headers,
    response::{self, HTML, JAVASCRIPT, Response},
};

/// The page as it is served under one prefix.
#[derive(Debug)]
pub(crate) struct IframePage {
    body: Bytes,
    etag: HeaderValue,
    /// Path under the prefix, and content.
    script: Option<(String, Bytes)>,
}

impl IframePage {
    pub(crate) fn new(script: &ClientScript, prefix: &str) -> Self {
        let (url, script) = match script {
            ClientScript::Url(url) => (url.clone(), None),
            ClientScript::Content(content) => {
                let path = format!("/{}", client_script::file_name(content));
                (format!("{prefix}{path}"), Some((path, content.clone())))
            }
        };
        let body = iframe::page(&url);
        let etag = format!("\"{}\"", client_script::md5_hex(body.as_bytes()));
        let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { body: body.into(), etag, script }
    }

    /// The script, if that is its path under the prefix.
    pub(crate) fn script_at(&self, rest: &str) -> Option<Response> {
        let (_, content) = self.script.as_ref().filter(|(path, _)| path == rest)?;
        let mut response = response::ok(content.clone(), JAVASCRIPT);
        headers::long_cached(response.headers_mut());
        Some(response)
    }

    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let mut response = if headers::none_match(request, &self.etag) {
            response::empty(StatusCode::NOT_MODIFIED)
        } else {
            response::ok(self.body.clone(), HTML)
        };
        response.headers_mut().insert(header::ETAG, self.etag.clone());
        headers::long_cached(response.headers_mut());
        response
    }
}
