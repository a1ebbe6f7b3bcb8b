//! Which SockJS URL a path is. Matching is on the raw, undecoded path; the query plays no part.

/// The longest session id taken, in bytes. Clients make 8 to 36; more would only be memory for an attacker to fill.
pub const SESSION_ID_BYTES_MAX: usize = 256;

/// A URL of a SockJS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `BASE` and `BASE/`: "Welcome to SockJS!".
    Greeting,
    /// `BASE/info`.
    Info,
    /// `BASE/iframe.html`, `BASE/iframe-<version>.html`.
    Iframe,
    /// `BASE/<endpoint>`: a transport without sessions, such as `websocket`, if there is one of that name.
    Base(&'a str),
    /// `BASE/<server>/<session>/<endpoint>`. The server part only serves load balancers and is dropped here.
    Session {
        /// The session's id, as it stands in the path.
        id: &'a str,
        /// What is wanted of the session, such as `xhr_send`; whether there is such a thing is for transports to say.
        endpoint: &'a str,
    },
}

impl<'a> Route<'a> {
    /// The route of `rest`, the path behind the prefix (see [`under_prefix`]). `None` is a 404.
    pub fn parse(rest: &'a str) -> Option<Self> {
        if rest.is_empty() || rest == "/" {
            return Some(Self::Greeting);
        }
        let path = rest.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(""), None, ..) => None,
            (Some("info"), None, ..) => Some(Self::Info),
            (Some(page), None, ..) if is_iframe(page) => Some(Self::Iframe),
            (Some(endpoint), None, ..) => Some(Self::Base(endpoint)),
            (Some(server), Some(id), Some(endpoint), None) if is_id(server) && is_id(id) => {
                Some(Self::Session { id, endpoint })
            }
            _ => None,
        }
    }
}

/// What follows `prefix` in `path`: empty or beginning with `/`. `None` when the path is not the service's at all
/// (`/echoX` is not under `/echo`). The prefix begins with `/` and does not end with one; the root is the empty string.
pub fn under_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_iframe(page: &str) -> bool {
    let version = page.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    version.is_some_and(|version| version.bytes().all(allowed))
}

fn is_id(part: &str) -> bool {
    !part.is_empty() && part.len() <= SESSION_ID_BYTES_MAX && !part.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(under_prefix("/echo", "/echo"), Some(""));
        assert_eq!(under_prefix("/echo/info", "/echo"), Some("/info"));
        assert_eq!(under_prefix("/info", ""), Some("/info"));
        assert_eq!(under_prefix("/echoX", "/echo"), None);
        assert_eq!(under_prefix("/ech", "/echo"), None);
        assert_eq!(under_prefix("/%65cho/info", "/echo"), None);
    }

    #[test]
    fn pages() {
        for (rest, route) in [
            ("", Route::Greeting),
            ("/", Route::Greeting),
            ("/info", Route::Info),
            ("/info/", Route::Info),
            ("/websocket", Route::Base("websocket")),
            ("/iframe.html", Route::Iframe),
            ("/iframe-.html", Route::Iframe),
            ("/iframe-a.html", Route::Iframe),
            ("/iframe-0.1.2abc-dirty.2144.html", Route::Iframe),
        ] {
            assert_eq!(Route::parse(rest), Some(route), "{rest}");
        }
    }

    #[test]
    fn sessions() {
        for (rest, id) in [
            ("/000/abc/xhr", "abc"),
            ("/a/a/xhr/", "a"),
            ("/_/_/xhr", "_"),
            ("/abc%20/d%20e/xhr", "d%20e"),
            ("/iframe/xhr/xhr", "xhr"),
        ] {
            assert_eq!(Route::parse(rest), Some(Route::Session { id, endpoint: "xhr" }), "{rest}");
        }
    }

    #[test]
    fn other_names_are_left_to_the_transports() {
        for name in [
            "a",
            "a.html",
            "xhr",
            "iframe",
            "iframe.htm",
            "IFRAME.HTML",
            "iframexhtml",
            "iframe-A.html",
            "iframe%2e.html",
        ] {
            assert_eq!(Route::parse(&format!("/{name}")), Some(Route::Base(name)), "{name}");
        }
        for endpoint in ["c", "XHR", "xhr_"] {
            let path = format!("/a/b/{endpoint}");
            assert_eq!(Route::parse(&path), Some(Route::Session { id: "b", endpoint }), "{path}");
        }
    }

    #[test]
    fn everything_else_is_not_found() {
        for rest in [
            "//",
            "///",
            "/a/a",
            "/a/a/",
            "/a/b/c/d",
            "///xhr",
            "//a/xhr",
            "/a//xhr",
            "/a./a/xhr",
            "/a/a./xhr",
            "/././xhr",
            "//xhr",
            "/a/b/xhr//",
            "/a/b//xhr",
            "/a/xhr",
            "/info//",
            "/iframe-/.html",
            "info",
            "x",
        ] {
            assert_eq!(Route::parse(rest), None, "{rest}");
        }
        let long = format!("/0/{}/xhr", "x".repeat(SESSION_ID_BYTES_MAX + 1));
        assert_eq!(Route::parse(&long), None);
    }
}
