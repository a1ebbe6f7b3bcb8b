//! Where a push service takes messages for one browser.

use std::fmt;

use sha2::{Digest, Sha256};
use url::Url;

/// Bytes of an endpoint; services' own have 100 to 600.
pub const ENDPOINT_BYTES_MAX: usize = 2048;

/// The URL a push service gave a browser. Who has it can send to that browser, so it is a secret: `Debug` and `Display` show
/// the service and eight hex digits of a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// Bytes of `url` cannot be cut for this: a port that is the default one is left out.
    origin: String,
    id: SubscriptionId,
}

/// What a subscription is known by: the SHA-256 of its endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub [u8; 32]);

/// Why a text is no endpoint. The text itself is not told: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Longer than any service's.
    #[error("the endpoint has more than {ENDPOINT_BYTES_MAX} bytes")]
    TooLong,
    /// No URL.
    #[error("the endpoint is not a URL")]
    NotUrl,
    /// Of another scheme than `https`, or `http` inside networks of one's own.
    #[error("the endpoint does not begin with https://")]
    NotHttps,
    /// With a name and password, or something behind a `#`: no service's has these.
    #[error("the endpoint has a user name, a password or a fragment")]
    Unusual,
}

impl Endpoint {
    /// Checks a URL, and keeps it byte for byte: with some services the secret is in the query, which must not be written
    /// anew.
    ///
    /// # Errors
    ///
    /// See [`EndpointError`]. Which of them may be asked is another matter.
    pub fn parse(url: impl Into<String>) -> Result<Self, EndpointError> {
        let url = url.into();
        if url.len() > ENDPOINT_BYTES_MAX {
            return Err(EndpointError::TooLong);
        }
        // The parser would overlook spaces and line ends.
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EndpointError::NotUrl);
        }
        let parsed = Url::parse(&url).map_err(|_| EndpointError::NotUrl)?;
        // The parser would add slashes that are missing.
        let start = url.get(..parsed.scheme().len() + 3).unwrap_or_default();
        if !matches!(parsed.scheme(), "https" | "http") || !start.ends_with("://") {
            return Err(EndpointError::NotHttps);
        }
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
            return Err(EndpointError::Unusual);
        }
        let origin = parsed.origin().ascii_serialization();
        let id = SubscriptionId(Sha256::digest(&url).into());
        Ok(Self { url, origin, id })
    }

    /// The URL: a secret, for the request and the database alone.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The service: scheme, host, and port if it is not 443, as the `aud` of a token has it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the subscription is known by.
    pub fn id(&self) -> SubscriptionId {
        self.id
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.origin, self.id)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl fmt::Display for SubscriptionId {
    /// Eight hex digits: enough to find a row by, too few to guess anything from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubscriptionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_kept_byte_for_byte() {
        let windows = "https://db5.notify.windows.com/w/?token=BQYAAA%2fx%2b%3d";
        let endpoint = Endpoint::parse(windows).unwrap();
        assert_eq!(endpoint.as_str(), windows);
        assert_eq!(endpoint.origin(), "https://db5.notify.windows.com");
        assert_eq!(Endpoint::parse("https://Push.example:443/x").unwrap().origin(), "https://push.example");
        assert_eq!(
            Endpoint::parse("https://push.example:8443/x").unwrap().origin(),
            "https://push.example:8443"
        );
    }

    #[test]
    fn endpoints_are_not_shown() {
        let endpoint = Endpoint::parse("https://push.example/secret").unwrap();
        let id = endpoint.id();
        assert_eq!(format!("{endpoint:?}"), format!("Endpoint(https://push.example {id})"));
        assert_eq!(id.to_string().len(), 8);
    }

    #[test]
    fn what_is_no_endpoint() {
        let refused = |url: &str| Endpoint::parse(url).unwrap_err();
        assert_eq!(refused(&format!("https://push.example/{}", "x".repeat(2048))), EndpointError::TooLong);
        for url in [
            "",
            "push.example",
            "https://",
            "https://push.example/a b",
            "https://push.example/\n",
            "https://pu\u{e9}h.example/",
        ] {
            assert_eq!(refused(url), EndpointError::NotUrl, "{url}");
        }
        for url in ["ftp://push.example/", "https:push.example", "https:/push.example", "file:///etc/passwd"]
        {
            assert_eq!(refused(url), EndpointError::NotHttps, "{url}");
        }
        for url in ["https://a@push.example/", "https://a:b@push.example/", "https://push.example/#x"] {
            assert_eq!(refused(url), EndpointError::Unusual, "{url}");
        }
    }
}
