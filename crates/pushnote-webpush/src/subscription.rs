//! What `PushSubscription.toJSON()` gives, checked.

use std::borrow::Cow;
use std::fmt;

use p256::PublicKey;
use serde::Deserialize;

use crate::base64url;
use crate::endpoint::{Endpoint, EndpointError};

/// Bytes of a subscription's JSON: four times what an endpoint may have.
const JSON_BYTES_MAX: usize = 8192;

/// Where one browser gets messages, and the keys to encrypt them with. The public key is on the curve.
///
/// ```
/// use pushnote_webpush::Subscription;
///
/// // As the browser's `JSON.stringify(subscription)` has it.
/// let subscription = Subscription::parse(r#"{
///     "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABlx",
///     "expirationTime": null,
///     "keys": {
///         "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
///         "auth": "BTBZMqHH6r4Tts7J_aSIgg"
///     }
/// }"#)?;
/// assert_eq!(subscription.endpoint().origin(), "https://updates.push.services.mozilla.com");
/// # Ok::<(), pushnote_webpush::SubscriptionError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    endpoint: Endpoint,
    p256dh: [u8; 65],
    auth: [u8; 16],
}

/// Why something is no subscription. What was given is not repeated: it may have a secret in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// Longer than any can be.
    #[error("the subscription has more than {JSON_BYTES_MAX} bytes")]
    TooLong,
    /// No JSON, or not with these fields.
    #[error(
        "the subscription is not the JSON of a PushSubscription, {{\"endpoint\":…,\"keys\":{{\"p256dh\":…,\"auth\":…}}}} \
         (line {line}, column {column})"
    )]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// Of the URL.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The browser's public key.
    #[error("keys.p256dh is not a public key: base64 of 65 bytes, the first of them 4")]
    P256dh,
    /// Nobody can have the private key to that one.
    #[error("keys.p256dh is not a point on the curve P-256: no browser made this key")]
    NotOnCurve,
    /// The secret shared with the browser.
    #[error("keys.auth is not base64 of 16 bytes")]
    Auth,
}

#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    keys: JsonKeys<'a>,
}

#[derive(Deserialize)]
struct JsonKeys<'a> {
    #[serde(borrow)]
    p256dh: Cow<'a, str>,
    #[serde(borrow)]
    auth: Cow<'a, str>,
}

impl Subscription {
    /// Parses the JSON of a `PushSubscription`. Keys may be in either alphabet of base64, padded or not; other fields are
    /// overlooked.
    ///
    /// # Errors
    ///
    /// See [`SubscriptionError`].
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Self, SubscriptionError> {
        let json = json.as_ref();
        if json.len() > JSON_BYTES_MAX {
            return Err(SubscriptionError::TooLong);
        }
        let Json { endpoint, keys } = serde_json::from_slice(json)
            .map_err(|error| SubscriptionError::Json { line: error.line(), column: error.column() })?;
        let endpoint = Endpoint::parse(endpoint)?;
        let p256dh = base64url::decode(&keys.p256dh).ok_or(SubscriptionError::P256dh)?;
        let auth = base64url::decode(&keys.auth).ok_or(SubscriptionError::Auth)?;
        Self::new(endpoint, p256dh, auth)
    }

    /// Puts a subscription together: `p256dh` is an uncompressed point, `auth` a secret.
    ///
    /// # Errors
    ///
    /// The point is none of the curve.
    pub fn new(endpoint: Endpoint, p256dh: [u8; 65], auth: [u8; 16]) -> Result<Self, SubscriptionError> {
        if p256dh[0] != 4 {
            return Err(SubscriptionError::P256dh);
        }
        PublicKey::from_sec1_bytes(&p256dh).map_err(|_| SubscriptionError::NotOnCurve)?;
        Ok(Self { endpoint, p256dh, auth })
    }

    /// Where its messages go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The browser's public key, an uncompressed point on P-256.
    pub fn p256dh(&self) -> &[u8; 65] {
        &self.p256dh
    }

    /// The secret that only the browser and who was given the subscription know.
    pub fn auth(&self) -> &[u8; 16] {
        &self.auth
    }

    /// As `PushSubscription.toJSON()` gives it, with the endpoint: a secret.
    pub fn to_json(&self) -> String {
        let keys = serde_json::json!({
            "p256dh": base64url::encode(&self.p256dh),
            "auth": base64url::encode(&self.auth),
        });
        serde_json::json!({ "endpoint": self.endpoint.as_str(), "keys": keys }).to_string()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn json(endpoint: &str, p256dh: &str, auth: &str) -> String {
        format!(
            r#"{{"endpoint":"{endpoint}","expirationTime":null,"keys":{{"p256dh":"{p256dh}","auth":"{auth}"}}}}"#
        )
    }

    #[test]
    fn what_a_browser_gives_comes_back() {
        let subscription = Subscription::parse(json("https://push.example/x", P256DH, AUTH)).unwrap();
        assert_eq!(subscription.endpoint().as_str(), "https://push.example/x");
        assert_eq!(Subscription::parse(subscription.to_json()).unwrap(), subscription);
        let padded = json(
            "https:\\/\\/push.example/x",
            &(P256DH.replace('_', "/").replace('-', "+") + "="),
            &(AUTH.replace('_', "/") + "=="),
        );
        assert_eq!(
            Subscription::parse(padded).unwrap(),
            subscription,
            "escapes, the other alphabet and padding"
        );
        assert!(!format!("{subscription:?}").contains("/x"), "{subscription:?}");
    }

    #[test]
    fn each_fault_has_its_words() {
        let refused = |json: &str| Subscription::parse(json).unwrap_err();
        let with = |p256dh: &str, auth: &str| refused(&json("https://push.example/x", p256dh, auth));
        assert_eq!(refused(&" ".repeat(8193)), SubscriptionError::TooLong);
        for text in [
            "",
            "5",
            "[]",
            "{}",
            r#"{"endpoint":"https://push.example/x"}"#,
            "\"https://push.example/secret\"",
        ] {
            assert!(matches!(refused(text), SubscriptionError::Json { .. }), "{text}");
            assert!(!refused(text).to_string().contains("secret"));
        }
        assert_eq!(refused(&json("ftp://push.example", P256DH, AUTH)), EndpointError::NotHttps.into());
        assert_eq!(with(AUTH, AUTH), SubscriptionError::P256dh);
        assert_eq!(
            with(&P256DH.replacen("BC", "CC", 1), AUTH),
            SubscriptionError::P256dh,
            "not uncompressed"
        );
        assert_eq!(with(&P256DH.replacen("BCV", "BCW", 1), AUTH), SubscriptionError::NotOnCurve);
        assert_eq!(with(P256DH, "BTBZ"), SubscriptionError::Auth);
    }

    #[test]
    fn the_subscription_in_the_readme_of_solidwebpush_is_none() {
        let readme = json(
            "https://fcm.googleapis.com/fcm/send/cOZ80twUe2I:APA91bFWFWTIJzD3B7YHCBKzpSD",
            "BMb7ie9TlYqIUcA52gQBXqKFleWoqHnXPOkvlgKGd2Mw4nnEMhII7VwB41xp0T70VrZb0w4LoP4Cn7ccD0zEtmA=",
            "EKID_2FLZ4uJg6zSHB4psA==",
        );
        assert_eq!(Subscription::parse(readme), Err(SubscriptionError::NotOnCurve));
    }
}
