//! A request as a browser sends it, on a connection of its own, and its answer.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, HeaderMap, ORIGIN, SET_COOKIE, USER_AGENT};
use http::request::Builder;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::site::Site;
use super::trouble::{Step, Trouble};

/// Of a head. Hyper takes no less.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Of an answer that is read as a whole. What is longer is none of SockJS's.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Of a page that is another's, in characters.
const EXCERPT_CHARS_MAX: usize = 60;

/// Cookies, as a browser keeps them.
#[derive(Debug, Clone, Default)]
pub(super) struct Jar(Vec<Cookie>);

#[derive(Debug, Clone)]
pub(super) struct Cookie {
    pub(super) name: String,
    value: String,
    /// Whether a page of another site brings it.
    pub(super) crosses_sites: bool,
}

impl Jar {
    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        const COOKIES_MAX: usize = 20;
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let attributes: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
            let has = |wanted: &str| attributes.iter().any(|attribute| attribute == wanted);
            let crosses_sites = has("samesite=none") && has("secure");
            self.0.retain(|known| known.name != name);
            if self.0.len() < COOKIES_MAX {
                self.0.push(Cookie { name: name.to_owned(), value: value.to_owned(), crosses_sites });
            }
        }
    }

    pub(super) fn cookies(&self) -> &[Cookie] {
        &self.0
    }

    fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<_> =
            self.0.iter().map(|Cookie { name, value, .. }| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| HeaderValue::from_str(&pairs.join("; ")).ok()).flatten()
    }
}

impl Site {
    /// A request of a page's.
    pub(super) fn request(&self, method: Method, path: &str, jar: &Jar) -> Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority())
            .header(ORIGIN, &self.origin)
            .header(ACCEPT, "*/*")
            .header(USER_AGENT, concat!("pushnote-doctor/", env!("CARGO_PKG_VERSION")));
        if let Some(cookies) = jar.header() {
            request = request.header(COOKIE, cookies);
        }
        request
    }

    /// The head of the answer, which comes within the time of a step.
    pub(super) async fn send(
        &self,
        request: Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<Response<Incoming>, Trouble> {
        // Paths and headers are made of a URL that was parsed, and of text without control characters.
        let request = request.map_err(|_| Trouble::NotHttp)?;
        let io = TokioIo::new(self.connect().await?);
        let answer = async {
            let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(io).await;
            let (mut sender, connection) = handshake.map_err(|error| trouble(&error))?;
            tokio::spawn(connection.with_upgrades());
            sender.send_request(request).await.map_err(|error| trouble(&error))
        };
        timeout_at(Instant::now() + self.timeout, answer).await.map_err(|_| Trouble::Late(Step::Answer))?
    }

    /// A request without a body.
    pub(super) async fn look(&self, path: &str, jar: &Jar) -> Result<Response<Incoming>, Trouble> {
        self.send(self.request(Method::GET, path, jar).body(Full::default())).await
    }

    /// The body, as far as it comes within the time of a step, and its first bytes if it is long.
    pub(super) async fn whole(&self, mut body: Incoming) -> Result<Vec<u8>, Trouble> {
        let (mut whole, deadline) = (Vec::new(), Instant::now() + self.timeout);
        while whole.len() < BODY_BYTES_MAX {
            let frame = timeout_at(deadline, body.frame()).await;
            match frame.map_err(|_| Trouble::Late(Step::Answer))? {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    let room = BODY_BYTES_MAX - whole.len();
                    whole.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(Err(error)) => return Err(trouble(&error)),
                None => break,
            }
        }
        Ok(whole)
    }

    /// What an answer that is not the wanted one says.
    pub(super) async fn unexpected(&self, answer: Response<Incoming>) -> Unexpected {
        let (head, body) = answer.into_parts();
        let body = self.whole(body).await.unwrap_or_default();
        Unexpected { status: head.status, excerpt: excerpt(&head.headers, &body) }
    }
}

/// An answer that is not the wanted one.
#[derive(Debug)]
pub(super) struct Unexpected {
    pub(super) status: StatusCode,
    /// How its body begins, or what it is.
    pub(super) excerpt: String,
}

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.status.as_u16(), self.excerpt)
    }
}

/// How a body begins, behind a space; of a page its title.
pub(super) fn excerpt(headers: &HeaderMap, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let short = |text: &str| text.trim().chars().take(EXCERPT_CHARS_MAX).collect::<String>();
    if is_page || text.trim_start().starts_with('<') {
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        return match title {
            Some((title, _)) => format!(" with a web page, {:?}", short(title)),
            None => " with a web page".to_owned(),
        };
    }
    let begin = short(&text);
    if begin.is_empty() { String::new() } else { format!(" ({begin})") }
}

fn trouble(error: &hyper::Error) -> Trouble {
    if error.is_parse() || error.is_parse_too_large() { Trouble::NotHttp } else { Trouble::HungUp }
}
