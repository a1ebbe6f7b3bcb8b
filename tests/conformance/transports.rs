//! The receiving URLs of a session, each with its way of wrapping a frame.

use crate::client::{Request, Response, Server, Wire};

/// A way to receive over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    method: &'static str,
    /// The last part of the URL, with the query it needs.
    pub(crate) name: &'static str,
}

pub(crate) const XHR: Transport = Transport { method: "POST", name: "xhr" };
pub(crate) const JSONP: Transport = Transport { method: "GET", name: "jsonp?c=callback" };
pub(crate) const XHR_STREAMING: Transport = Transport { method: "POST", name: "xhr_streaming" };
pub(crate) const EVENTSOURCE: Transport = Transport { method: "GET", name: "eventsource" };
pub(crate) const HTMLFILE: Transport = Transport { method: "GET", name: "htmlfile?c=callback" };

pub(crate) const POLLING: [Transport; 2] = [XHR, JSONP];
pub(crate) const STREAMING: [Transport; 3] = [XHR_STREAMING, EVENTSOURCE, HTMLFILE];
pub(crate) const ALL: [Transport; 5] = [XHR, JSONP, XHR_STREAMING, EVENTSOURCE, HTMLFILE];

impl Transport {
    pub(crate) fn request(self, session: &str) -> Request {
        let request = Request::new(self.method, &format!("{session}/{}", self.name));
        if self.method == "POST" { request.body("") } else { request }
    }

    /// A frame as this transport wraps it.
    pub(crate) fn wrapped(self, frame: &str) -> String {
        let quoted = serde_json::to_string(frame).expect("a string");
        match self.name {
            "eventsource" => format!("data: {frame}\r\n\r\n"),
            "htmlfile?c=callback" => format!("<script>\np({quoted});\n</script>\r\n"),
            "jsonp?c=callback" => format!("/**/callback({quoted});\r\n"),
            _ => format!("{frame}\n"),
        }
    }

    /// Whether a chunk stands before the first frame.
    pub(crate) fn has_prelude(self) -> bool {
        STREAMING.iter().any(|transport| transport.name == self.name)
    }

    /// One whole answer, which must hold this frame and no other.
    #[track_caller]
    pub(crate) fn gets_only(self, server: &Server, session: &str, frame: &str) -> Response {
        let response = server.ask(&self.request(session));
        assert_eq!(response.status, 200, "{response:?}");
        let (text, wrapped) = (response.text(), self.wrapped(frame));
        assert!(text.ends_with(&wrapped), "{self:?}: {wrapped:?} is not at the end of {text:?}");
        if !self.has_prelude() {
            assert_eq!(text, wrapped);
        }
        response
    }

    /// Attaches a stream to a session; what comes next is its first frame.
    #[track_caller]
    pub(crate) fn attach(self, server: &Server, session: &str) -> Wire {
        let (_, mut wire) = server.stream(&self.request(session));
        wire.chunk().expect("a prelude");
        wire
    }

    /// A stream that has opened a session.
    #[track_caller]
    pub(crate) fn open(self, server: &Server, session: &str) -> Wire {
        let mut wire = self.attach(server, session);
        self.next_is(&mut wire, "o");
        wire
    }

    /// The next chunk of a stream must be this frame, whole and alone.
    #[track_caller]
    pub(crate) fn next_is(self, wire: &mut Wire, frame: &str) {
        assert_eq!(wire.chunk(), Some(self.wrapped(frame)), "{self:?}");
    }
}
