//! NaCl's boxes: XSalsa20 and Poly1305 under a key that two key pairs agree on, or that one side alone has.

use super::keys::{KEY_BYTES, PublicKey, SecretKey};
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::cipher::consts::U10;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use salsa20::{Salsa20, hsalsa};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub(super) const TAG_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = 24;

/// A key for boxes.
pub(super) struct SharedKey(Zeroizing<[u8; KEY_BYTES]>);

impl SharedKey {
    /// What both sides compute from their own secret and the other's public key (NaCl's `beforenm`). `None` for public
    /// keys of small order, with which everybody could.
    pub(super) fn agree(secret: &SecretKey, public: &PublicKey) -> Option<Self> {
        let shared = secret.diffie_hellman(public);
        shared.was_contributory().then(|| SharedKey(derive(shared.as_bytes(), &[0; 16])))
    }

    /// A key nobody else has.
    pub(super) fn new(bytes: [u8; KEY_BYTES]) -> Self {
        SharedKey(Zeroizing::new(bytes))
    }

    /// The key of all boxes whose nonces begin like this.
    pub(super) fn prefixed(&self, prefix: &[u8; 16]) -> BoxKey {
        BoxKey(derive(&self.0, prefix))
    }

    /// Appends a box: the tag, then what it holds.
    pub(super) fn seal(&self, nonce: &[u8; NONCE_BYTES], text: &[u8], out: &mut Vec<u8>) {
        let (prefix, number) = halves(nonce);
        let start = out.len();
        out.extend_from_slice(&[0; TAG_BYTES]);
        out.extend_from_slice(text);
        let (tag, text) = out[start..].split_at_mut(TAG_BYTES);
        tag.copy_from_slice(&self.prefixed(prefix).seal(number, text));
    }

    /// What a box holds; `None` if it is none of ours.
    pub(super) fn open(&self, nonce: &[u8; NONCE_BYTES], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (prefix, number) = halves(nonce);
        let (tag, text) = sealed.split_first_chunk()?;
        let mut text = Zeroizing::new(text.to_vec());
        self.prefixed(prefix).open(number, tag, &mut text).then_some(text)
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SharedKey(…)")
    }
}

/// Sixteen bytes for HSalsa20, eight for Salsa20.
fn halves(nonce: &[u8; NONCE_BYTES]) -> (&[u8; 16], &[u8; 8]) {
    let [prefix @ .., _, _, _, _, _, _, _, _] = nonce;
    let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, number @ ..] = nonce;
    (prefix, number)
}

fn derive(key: &[u8; KEY_BYTES], input: &[u8; 16]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut derived = hsalsa::<U10>(key.into(), input.into());
    let kept = Zeroizing::new(derived.into());
    derived.as_mut_slice().zeroize();
    kept
}

/// The key of all boxes whose nonces have the same first 16 bytes: for a direction's MESSAGEs, computed once.
pub(super) struct BoxKey(Zeroizing<[u8; KEY_BYTES]>);

impl BoxKey {
    /// Encrypts in place and gives the tag.
    pub(super) fn seal(&self, number: &[u8; 8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let (mut cipher, authenticator) = self.start(number);
        cipher.apply_keystream(text);
        authenticator.compute_unpadded(text).into()
    }

    /// Decrypts in place, unless the tag is not that of this text.
    #[must_use]
    pub(super) fn open(&self, number: &[u8; 8], tag: &[u8; TAG_BYTES], text: &mut [u8]) -> bool {
        let (mut cipher, authenticator) = self.start(number);
        let expected: [u8; TAG_BYTES] = authenticator.compute_unpadded(text).into();
        let genuine = bool::from(expected.ct_eq(tag));
        if genuine {
            cipher.apply_keystream(text);
        }
        genuine
    }

    /// The first 32 bytes of the key stream are Poly1305's key.
    fn start(&self, number: &[u8; 8]) -> (Salsa20, Poly1305) {
        let mut cipher = Salsa20::new((&*self.0).into(), number.into());
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        cipher.apply_keystream(&mut *key);
        (cipher, Poly1305::new((&*key).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn array<const N: usize>(hex: &str) -> [u8; N] {
        bytes(hex).try_into().unwrap()
    }

    // "Cryptography in NaCl" (Bernstein 2009), which are NaCl's tests/box vectors.
    const ALICE_PUBLIC: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    const BOB_SECRET: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    const NONCE: &str = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
    const TEXT: &str = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129\
        6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f5\
        9ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
    const SEALED: &str = "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1\
        186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368\
        517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";

    fn key() -> SharedKey {
        let alice = PublicKey::from_bytes(array(ALICE_PUBLIC)).unwrap();
        SharedKey::agree(&SecretKey::from_bytes(&array(BOB_SECRET)), &alice).unwrap()
    }

    #[test]
    fn nacls_vector() {
        let mut sealed = Vec::new();
        key().seal(&array(NONCE), &bytes(TEXT), &mut sealed);
        assert_eq!(sealed, bytes(SEALED));
        assert_eq!(*key().open(&array(NONCE), &sealed).unwrap(), bytes(TEXT));
    }

    #[test]
    fn a_changed_box_does_not_open() {
        let sealed = bytes(SEALED);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open(&array(NONCE), &changed).is_none(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(key().open(&array(NONCE), &sealed[..len]).is_none(), "{len} bytes");
        }
    }

    #[test]
    fn keys_that_everybody_could_compute_are_refused() {
        let secret = SecretKey::from_bytes(&array(BOB_SECRET));
        for small in [0, 1] {
            let mut bytes = [0; KEY_BYTES];
            bytes[0] = small;
            assert!(SharedKey::agree(&secret, &PublicKey::from_bytes(bytes).unwrap()).is_none());
        }
    }
}
