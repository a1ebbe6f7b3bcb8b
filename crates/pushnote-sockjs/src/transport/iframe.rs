//! The iframe page, and the script it loads when that is served from here.

use bytes::Bytes;
use http::{HeaderValue, Response as HttpResponse, StatusCode, header};
use pushnote_sockjs_proto::iframe;
use warp::reply::{Reply, Response};

use crate::{
    client_script::{self, ClientScript},
    filter::{Mount, Request, not_found},
    handler::Handler,
    headers,
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
        let mut response = HttpResponse::new(content.clone()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, headers::JAVASCRIPT);
        headers::long_cached(response.headers_mut());
        Some(response)
    }
}

pub(crate) fn answer<H: Handler>(mount: &Mount<H>, request: &Request) -> Response {
    let Some(page) = &mount.iframe else {
        if let Some(unlogged) = mount.service.log.due("iframe_page") {
            tracing::warn!(
                prefix = mount.prefix,
                unlogged,
                "a browser asks for the iframe page, which is off: set sockjs_url to a URL of sockjs-client or to a local \
                 copy of it (with allowed origins, the page is always off)"
            );
        }
        return not_found();
    };
    let mut response = if headers::none_match(&request.headers, &page.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = HttpResponse::new(page.body.clone()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, headers::HTML);
        response
    };
    response.headers_mut().insert(header::ETAG, page.etag.clone());
    headers::long_cached(response.headers_mut());
    response
}
