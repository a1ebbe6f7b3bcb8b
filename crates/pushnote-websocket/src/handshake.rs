//! The opening handshake (RFC 6455, 4.2) as functions of a request's head: no IO, and no body is looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version there is.
const VERSION: &str = "13";

/// Why a request is no WebSocket handshake.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not GET.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// Not HTTP/1.1.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    HttpVersion,
    /// `Upgrade` does not name `websocket`.
    #[error("the Upgrade header must be \"websocket\"")]
    Upgrade,
    /// `Connection` does not name `Upgrade`; often a proxy that was not told to pass it on.
    #[error("the Connection header must contain \"Upgrade\"; a proxy in between has to pass it on")]
    Connection,
    /// A version other than 13.
    #[error("the Sec-WebSocket-Version header must be 13")]
    WebSocketVersion,
    /// A key that is missing, doubled, or not 16 bytes in base64.
    #[error("the Sec-WebSocket-Key header must be 16 bytes in base64")]
    Key,
}

impl HandshakeError {
    /// 426 for a version that we do not speak, else 400.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Method | Self::HttpVersion | Self::Upgrade | Self::Connection | Self::Key => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// The refusal, its text the error's; 426 names the version we speak (RFC 6455, 4.4).
    #[must_use]
    pub fn response(self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        if self == Self::WebSocketVersion {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        }
        response
    }
}

/// A request that may be upgraded.
#[derive(Clone, Debug)]
pub struct Accept {
    key: HeaderValue,
}

impl Accept {
    /// The `101 Switching Protocols` response.
    #[must_use]
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.key.clone());
        response
    }

    /// The value of `Sec-WebSocket-Accept`.
    #[must_use]
    pub fn key(&self) -> &HeaderValue {
        &self.key
    }
}

/// Checks the head of a request. Subprotocols, extensions and `Origin` are the caller's business.
///
/// # Errors
///
/// The first rule of RFC 6455, 4.2.1 that the request breaks.
pub fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<Accept, HandshakeError> {
    if method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if version != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(HandshakeError::Upgrade);
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    if sole(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        return Err(HandshakeError::WebSocketVersion);
    }
    let key = sole(headers, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    accept(key).map(|key| Accept { key }).ok_or(HandshakeError::Key)
}

/// `Sec-WebSocket-Accept` for a key; `None` when that is not 16 bytes in base64.
fn accept(key: &[u8]) -> Option<HeaderValue> {
    // 16 bytes and nothing else take 24 characters; what is longer is not decoded.
    let mut nonce = [0; 18];
    if key.len() != 24 || STANDARD.decode_slice(key, &mut nonce) != Ok(16) {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).ok()
}

/// The value of a header that must be there once.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes().trim_ascii())
}

/// Whether a comma-separated header, in one line or several, names `token`.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    tokens.any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests;
