//! What only one browser can read: RFC 8291 over RFC 8188, one record.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, KeyInit};
use bytes::{Bytes, BytesMut};
use hkdf::Hkdf;
use p256::elliptic_curve::Generate;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;
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
pub enum EncryptError {
    /// The payload has no room in one record.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// Never with what [`Subscription`] lets in.
    #[error("the payload could not be encrypted")]
    Failed,
}

/// The body of a request that brings `payload` to one browser, with `Content-Encoding: aes128gcm`. Each has a key pair and a
/// salt of its own. Takes a CPU for about a fifth of a millisecond.
///
/// # Errors
///
/// See [`EncryptError`].
pub fn encrypt(subscription: &Subscription, payload: &[u8]) -> Result<Bytes, EncryptError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    seal(subscription, payload, &SecretKey::try_generate()?, salt)
}

/// With a key and a salt that are given: each pair is for one message.
fn seal(
    subscription: &Subscription,
    payload: &[u8],
    sender: &SecretKey,
    salt: [u8; SALT_BYTES],
) -> Result<Bytes, EncryptError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(MessageError::TooLong { bytes: payload.len() }.into());
    }
    let sender_public = sender.public_key().to_sec1_bytes();
    let browser = PublicKey::from_sec1_bytes(subscription.p256dh()).map_err(|_| EncryptError::Failed)?;
    let shared = sender.diffie_hellman(&browser);

    let mut input = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(subscription.auth()), shared.raw_secret_bytes())
        .expand_multi_info(&[b"WebPush: info\0", subscription.p256dh(), &sender_public], &mut *input)
        .map_err(|_| EncryptError::Failed)?;
    let keys = Hkdf::<Sha256>::new(Some(&salt), &*input);
    let (mut key, mut nonce) = (Zeroizing::new([0; 16]), [0; 12]);
    keys.expand(b"Content-Encoding: aes128gcm\0", &mut *key).map_err(|_| EncryptError::Failed)?;
    keys.expand(b"Content-Encoding: nonce\0", &mut nonce).map_err(|_| EncryptError::Failed)?;

    let mut body = BytesMut::with_capacity(HEADER_BYTES + payload.len() + 1 + TAG_BYTES);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.extend_from_slice(&[POINT_BYTES as u8]);
    body.extend_from_slice(&sender_public);
    body.extend_from_slice(payload);
    body.extend_from_slice(&[LAST_RECORD]);
    let cipher = Aes128Gcm::new((&*key).into());
    let tag = cipher
        .encrypt_inout_detached(&nonce.into(), b"", (&mut body[HEADER_BYTES..]).into())
        .map_err(|_| EncryptError::Failed)?;
    body.extend_from_slice(&tag);
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(base64url::encode(&sender.public_key().to_sec1_bytes()), value("as_public"));
        let salt = base64url::decode(value("salt")).unwrap();
        let body = seal(&subscription(), value("plaintext").as_bytes(), &sender, salt).unwrap();
        assert_eq!(base64url::encode(&body), value("body"));
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
