//! A service under one prefix.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    handler::{Handler, SessionInfo},
    iframe_page::IframePage,
    request::Request,
    service::Service,
    transport::Transport,
};

pub(crate) struct Site<H: Handler> {
    pub(crate) service: Arc<Service<H>>,
    /// Begins with a slash and does not end with one; empty for the root.
    pub(crate) prefix: String,
    pub(crate) iframe: Option<IframePage>,
}

impl<H: Handler> Site<H> {
    pub(crate) fn new(service: &Arc<Service<H>>, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        let iframe = service.options.client_script.as_ref().map(|script| IframePage::new(script, &prefix));
        Self { service: Arc::clone(service), prefix, iframe }
    }

    /// What the application is told of who sends a request.
    pub(crate) fn info(&self, request: &Request, transport: Transport) -> SessionInfo {
        let mut headers = HeaderMap::new();
        for name in &self.service.options.exposed_headers {
            for value in request.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        SessionInfo {
            remote_addr: request.client,
            transport,
            path: self.prefix.clone(),
            query: Some(request.query.clone()).filter(|query| !query.is_empty()),
            headers,
        }
    }
}
