//! What only one browser can read: RFC 8291 over RFC 8188, one record.

use bytes::{Bytes, BytesMut};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::message::{MessageError, PAYLOAD_BYTES_MAX};
use crate::subscription::Subscription;

/// What the header calls a record's size. It is larger than any record of ours, so that the first is the last.
const RECORD_BYTES: u32 = 4096;
const SALT_BYTES: usize = 16;
const POINT_BYTES: usize = 65;
/// Salt, record size, and the length of the key's name with the name, which is the sender's public key.
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
/// Behind the payload of the last record.
const LAST_RECORD: u8 = 2;
const TAG_BYTES: usize = 16;

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The payload has no room in one record.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The system gives no random bytes; nothing else fails with what [`Subscription`] lets in.
    #[error("the payload could not be encrypted: the system gives no random bytes")]
    Failed,
}

impl From<Unspecified> for EncryptError {
    fn from(_: Unspecified) -> Self {
        Self::Failed
    }
}

/// The body of a request that brings `payload` to one browser, with `Content-Encoding: aes128gcm`. Each has a key pair and a
/// salt of its own. Takes a CPU for about a tenth of a millisecond.
///
/// # Errors
///
/// See [`EncryptError`].
pub fn encrypt(subscription: &Subscription, payload: &[u8]) -> Result<Bytes, EncryptError> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt)?;
    seal(subscription, payload, &Agreement::with(subscription)?, salt)
}

/// What sender and browser have agreed on, for one message.
struct Agreement {
    sender_public: [u8; POINT_BYTES],
    shared: Zeroizing<[u8; 32]>,
}

impl Agreement {
    /// With a new key pair. Five times as fast as RustCrypto's, and the most of a message's cost.
    fn with(subscription: &Subscription) -> Result<Self, Unspecified> {
        let sender = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
        let sender_public = sender.compute_public_key()?.as_ref().try_into().map_err(|_| Unspecified)?;
        let browser = UnparsedPublicKey::new(&ECDH_P256, subscription.p256dh());
        let shared = agree_ephemeral(sender, &browser, |shared| shared.try_into().map(Zeroizing::new))?;
        Ok(Self { sender_public, shared: shared.map_err(|_| Unspecified)? })
    }
}

/// With an agreement and a salt that are given: they are for this message alone.
fn seal(
    subscription: &Subscription,
    payload: &[u8],
    agreement: &Agreement,
    salt: [u8; SALT_BYTES],
) -> Result<Bytes, EncryptError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(MessageError::TooLong { bytes: payload.len() }.into());
    }
    let Agreement { sender_public, shared } = agreement;
    let mut input = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, subscription.auth())
        .extract(&shared[..])
        .expand(&[b"WebPush: info\0", subscription.p256dh(), sender_public], HKDF_SHA256)?
        .fill(&mut input[..])?;
    let keys = Salt::new(HKDF_SHA256, &salt).extract(&input[..]);
    let key = UnboundKey::from(keys.expand(&[b"Content-Encoding: aes128gcm\0"], &AES_128_GCM)?);
    let mut nonce = [0; NONCE_LEN];
    keys.expand(&[b"Content-Encoding: nonce\0"], NonceBytes)?.fill(&mut nonce)?;

    let mut body = BytesMut::with_capacity(HEADER_BYTES + payload.len() + 1 + TAG_BYTES);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.extend_from_slice(&[POINT_BYTES as u8]);
    body.extend_from_slice(sender_public);
    body.extend_from_slice(payload);
    body.extend_from_slice(&[LAST_RECORD]);
    // The key is used this once.
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag =
        LessSafeKey::new(key).seal_in_place_separate_tag(nonce, Aad::empty(), &mut body[HEADER_BYTES..])?;
    body.extend_from_slice(tag.as_ref());
    Ok(body.freeze())
}

/// How many bytes are to come of HKDF.
struct NonceBytes;

impl KeyType for NonceBytes {
    fn len(&self) -> usize {
        NONCE_LEN
    }
}

#[cfg(test)]
mod tests {
    use p256::{PublicKey, SecretKey};

    use super::*;
    use crate::base64url;

    /// RFC 8291, section 5 and appendix A: names and values, a line each.
    const VECTOR: &str = include_str!("../tests/vectors/rfc8291.txt");

    fn value(name: &str) -> &'static str {
        let line = VECTOR.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is not in the vector"))
    }

    fn subscription() -> Subscription {
        let json = serde_json::json!({
            "endpoint": "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
            "keys": { "p256dh": value("ua_public"), "auth": value("auth_secret") },
        });
        Subscription::parse(json.to_string()).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_byte_for_byte() {
        let sender = SecretKey::from_slice(&base64url::decode::<32>(value("as_private")).unwrap()).unwrap();
        let agreement = Agreement {
            sender_public: sender.public_key().to_sec1_bytes()[..].try_into().unwrap(),
            shared: shared(&sender, subscription().p256dh()),
        };
        assert_eq!(base64url::encode(&agreement.sender_public), value("as_public"));
        let salt = base64url::decode(value("salt")).unwrap();
        let body = seal(&subscription(), value("plaintext").as_bytes(), &agreement, salt).unwrap();
        assert_eq!(base64url::encode(&body), value("body"));
    }

    /// As RustCrypto has it.
    fn shared(secret: &SecretKey, public: &[u8; 65]) -> Zeroizing<[u8; 32]> {
        let shared = secret.diffie_hellman(&PublicKey::from_sec1_bytes(public).unwrap());
        Zeroizing::new((*shared.raw_secret_bytes()).into())
    }

    #[test]
    fn both_ends_agree() {
        let browser = SecretKey::from_slice(&base64url::decode::<32>(value("ua_private")).unwrap()).unwrap();
        let Agreement { sender_public, shared: ours } = Agreement::with(&subscription()).unwrap();
        assert_eq!(ours, shared(&browser, &sender_public));
    }

    #[test]
    fn no_two_messages_share_a_key_or_a_salt() {
        let [one, other] = [(); 2].map(|()| encrypt(&subscription(), b"same").unwrap());
        assert_ne!(one[..SALT_BYTES], other[..SALT_BYTES]);
        assert_ne!(one[SALT_BYTES + 5..HEADER_BYTES], other[SALT_BYTES + 5..HEADER_BYTES]);
        assert_ne!(one[HEADER_BYTES..], other[HEADER_BYTES..]);
    }

    #[test]
    fn the_longest_payload_makes_a_body_of_4096_bytes() {
        assert_eq!(encrypt(&subscription(), &[0; PAYLOAD_BYTES_MAX]).unwrap().len(), 4096);
        assert_eq!(encrypt(&subscription(), b"").unwrap().len(), HEADER_BYTES + 1 + TAG_BYTES);
        assert_eq!(encrypt(&subscription(), &[0; 3994]), Err(MessageError::TooLong { bytes: 3994 }.into()));
    }
}
