//! What a notification carries for its service worker to give back when it has shown it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use pushnote_core::UserId;
use pushnote_core::push::MESSAGE_ID_BYTES_MAX;
use pushnote_core::user::USER_ID_BYTES_MAX;
use sha2::Sha256;

/// What the key is derived for.
const PURPOSE: &[u8] = b"pushnote: a notification was shown";

/// How the payload of a notification begins that gets one when it is sent: the payload is the same for all, this is each
/// user's.
const BLANK: &[u8] = br#"{"ack":""#;

/// What SHA-256 takes at once, in bytes: the longest key of HMAC.
const BLOCK_BYTES: usize = 64;

/// Bytes of a signature.
const MAC_BYTES: usize = 16;

/// Longest, in bytes; of a push that follows no message, a character is before the id.
pub(super) const ACK_BYTES_MAX: usize =
    base64_len(USER_ID_BYTES_MAX) + base64_len(MESSAGE_ID_BYTES_MAX + 1) + base64_len(MAC_BYTES) + 2;

/// Makes and reads them: a user and a message, signed, so that nobody says this of others.
pub(super) struct Acks(Hmac<Sha256>);

impl Acks {
    /// With the private key of Web Push: they outlive a restart as it does.
    pub(super) fn new(private: &[u8; 32]) -> Self {
        let keyed = |key: &[u8; 32]| {
            // A shorter key is one with zeros behind it.
            let mut block = [0; BLOCK_BYTES];
            block[..key.len()].copy_from_slice(key);
            <Hmac<Sha256>>::new(&block.into())
        };
        let derived = keyed(private).chain_update(PURPOSE).finalize().into_bytes();
        Self(keyed(&derived.into()))
    }

    /// For a message to a user.
    pub(super) fn make(&self, message_id: &str, user: &str) -> String {
        let named = format!("{}.{}", URL_SAFE_NO_PAD.encode(user), URL_SAFE_NO_PAD.encode(message_id));
        let mac = self.0.clone().chain_update(&named).finalize().into_bytes();
        format!("{named}.{}", URL_SAFE_NO_PAD.encode(&mac[..MAC_BYTES]))
    }

    /// The message, and the user.
    pub(super) fn read(&self, ack: &str) -> Option<(String, UserId)> {
        if ack.len() > ACK_BYTES_MAX {
            return None;
        }
        let (named, mac) = ack.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok().filter(|mac| mac.len() == MAC_BYTES)?;
        self.0.clone().chain_update(named).verify_truncated_left(&mac).ok()?;
        let (user, message_id) = named.split_once('.')?;
        let text = |encoded| String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok();
        Some((text(message_id)?, UserId::new(&text(user)?).ok()?))
    }

    /// The payload as one user gets it.
    pub(super) fn fill(&self, message_id: &str, user: &str, payload: Bytes) -> Bytes {
        match payload.strip_prefix(BLANK) {
            Some(rest) if rest.starts_with(b"\"") => {
                [BLANK, self.make(message_id, user).as_bytes(), rest].concat().into()
            }
            _ => payload,
        }
    }
}

const fn base64_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_read_and_nothing_else() {
        let acks = Acks::new(&[7; 32]);
        let ack = acks.make("order-7", "Zoë");
        let read = Some(("order-7".to_owned(), UserId::new("Zoë").unwrap()));
        assert_eq!(acks.read(&ack), read);
        assert_eq!(Acks::new(&[7; 32]).read(&ack), read, "in the next run");
        assert_eq!(Acks::new(&[8; 32]).read(&ack), None, "of another key");
        let other = acks.make("order-8", "Zoë");
        let mixed = format!("{}{}", ack.rsplit_once('.').unwrap().0, &other[other.rfind('.').unwrap()..]);
        for wrong in ["", ".", "..", &ack[1..], &ack[..ack.len() - 1], &mixed, &"x".repeat(10_000)] {
            assert_eq!(acks.read(wrong), None, "{wrong}");
        }
        assert!(
            acks.make(&"x".repeat(MESSAGE_ID_BYTES_MAX + 1), &"y".repeat(USER_ID_BYTES_MAX)).len()
                <= ACK_BYTES_MAX
        );
    }

    #[test]
    fn a_notification_gets_its_users_and_other_payloads_stay_as_they_are() {
        let acks = Acks::new(&[7; 32]);
        let filled = acks.fill("1", "42", Bytes::from_static(br#"{"ack":"","title":"Hi"}"#));
        assert_eq!(filled, format!(r#"{{"ack":"{}","title":"Hi"}}"#, acks.make("1", "42")));
        for other in ["", "Hi", r#"{"ack":"mine"}"#, r#"{"title":"","ack":""}"#] {
            assert_eq!(acks.fill("1", "42", Bytes::from(other)), other);
        }
    }
}
