//! htmlfile: a page that never ends, in a hidden frame.

use http::Method;
use pushnote_sockjs_proto::{
    callback::Callback,
    frame::{self, Framing},
};

use super::{
    endpoint::{Descriptor, Endpoint, Path, Receive, Role, Wrapping},
    xhr_send::XHR_SEND,
};
use crate::response::HTML;

/// Real ones have some ten bytes.
const CALLBACK_BYTES_MAX: usize = 128;

pub(super) static HTMLFILE: Descriptor = Descriptor {
    name: "htmlfile",
    tells_origin: false,
    endpoints: &[
        Endpoint {
            path: Path::Session("htmlfile"),
            methods: &[Method::GET],
            cors: false,
            role: Role::Receive(Receive {
                content_type: HTML,
                polls: false,
                nosniff: false,
                wrapping: |query| {
                    let callback = Callback::from_query(query, CALLBACK_BYTES_MAX)?;
                    let prelude = Some(frame::htmlfile_prelude(&callback));
                    Ok(Wrapping { prelude, framing: Framing::HtmlFile })
                },
            }),
        },
        XHR_SEND,
    ],
};
