//! The server's side of the handshake: HELLO in, WELCOME out, INITIATE in, READY out (RFC 26, "Commands").
//!
//! All functions take and give the data of commands: what follows the name.

use super::sealed::SharedKey;
use super::{
    COOKIE_BYTES, CurveError, Fields, KEY_BYTES, KeyPair, LONG_NONCE_BYTES, Opener, PADDING_BYTES, PublicKey,
    Sealer, SecretKey, Session, ZEROS, agree, long_nonce, prefix, random, short_nonce,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const HELLO: &str = "HELLO";
const INITIATE: &str = "INITIATE";

/// WELCOME is sent. The keys of the connection are in the cookie, which the client brings back with INITIATE.
#[derive(Debug)]
pub struct Welcomed {
    cookie_key: SharedKey,
    /// HELLO's nonce.
    number: u64,
}

/// The client has proved to have the secret keys that belong to its public keys, and to mean this server.
#[derive(Debug)]
pub struct Accepted {
    /// The client's long-term key: is it allowed here?
    pub client: PublicKey,
    /// What the client says of itself.
    pub metadata: Vec<u8>,
    shared: SharedKey,
    /// INITIATE's nonce.
    number: u64,
}

/// Answers HELLO: the data of WELCOME.
///
/// # Errors
/// [`CurveError`]: HELLO is malformed or not made for the owner of `keys`, or there is no randomness.
pub fn welcome(keys: &KeyPair, hello: &[u8]) -> Result<(Vec<u8>, Welcomed), CurveError> {
    let mut fields = Fields::new(HELLO, hello);
    let (version, padding) = (fields.take::<2>()?, fields.take::<PADDING_BYTES>()?);
    let (client, number) = (fields.key()?, fields.number()?);
    let sealed = fields.take::<80>()?;
    fields.end()?;
    if *version != [1, 0] || *padding != [0; PADDING_BYTES] {
        return Err(CurveError::Malformed(HELLO));
    }
    let to_client = agree(HELLO, &keys.secret, &client)?;
    let opened =
        to_client.open(&short_nonce(prefix::HELLO, number), sealed).ok_or(CurveError::Forged(HELLO))?;
    if opened[..] != ZEROS {
        return Err(CurveError::Malformed(HELLO));
    }

    let transient = KeyPair::generate()?;
    let cookie_key = SharedKey::new(random()?);
    let mut secrets = Zeroizing::new([0; 2 * KEY_BYTES]);
    secrets[..KEY_BYTES].copy_from_slice(client.as_bytes());
    secrets[KEY_BYTES..].copy_from_slice(transient.secret.as_bytes());
    let cookie_nonce = random()?;
    let mut text = Vec::with_capacity(KEY_BYTES + COOKIE_BYTES);
    text.extend_from_slice(transient.public.as_bytes());
    text.extend_from_slice(&cookie_nonce);
    cookie_key.seal(&long_nonce(prefix::COOKIE, &cookie_nonce), &*secrets, &mut text);

    let nonce = random()?;
    let mut welcome = nonce.to_vec();
    to_client.seal(&long_nonce(prefix::WELCOME, &nonce), &text, &mut welcome);
    Ok((welcome, Welcomed { cookie_key, number }))
}

impl Welcomed {
    /// Reads INITIATE. Whether the client is allowed here is for the caller to say.
    ///
    /// # Errors
    /// [`CurveError`]: it is malformed, brings another cookie, or does not prove what it has to.
    pub fn initiate(&self, keys: &KeyPair, initiate: &[u8]) -> Result<Accepted, CurveError> {
        let forged = || CurveError::Forged(INITIATE);
        let mut fields = Fields::new(INITIATE, initiate);
        let (cookie_nonce, cookie) = (fields.take()?, fields.take::<80>()?);
        let number = fields.number()?;
        let sealed = fields.rest;

        let cookie =
            self.cookie_key.open(&long_nonce(prefix::COOKIE, cookie_nonce), cookie).ok_or_else(forged)?;
        let mut cookie = Fields::new(INITIATE, &cookie);
        let (client_transient, secret) = (cookie.key()?, SecretKey::from_bytes(cookie.take()?));
        if number <= self.number {
            return Err(CurveError::Sequence(INITIATE));
        }

        let shared = agree(INITIATE, &secret, &client_transient)?;
        let opened = shared.open(&short_nonce(prefix::INITIATE, number), sealed).ok_or_else(forged)?;
        let mut opened = Fields::new(INITIATE, &opened);
        let client = opened.key()?;
        let (vouch_nonce, vouch) = (opened.take::<LONG_NONCE_BYTES>()?, opened.take::<80>()?);
        let vouched = agree(INITIATE, &secret, &client)?
            .open(&long_nonce(prefix::VOUCH, vouch_nonce), vouch)
            .ok_or_else(forged)?;
        // The long-term key vouches for this connection's key, to this server and no other.
        let expected = [*client_transient.as_bytes(), *keys.public.as_bytes()].concat();
        if !bool::from(vouched.ct_eq(&expected)) {
            return Err(forged());
        }
        Ok(Accepted { client, metadata: opened.rest.to_vec(), shared, number })
    }
}

impl Accepted {
    /// The data of READY, and the keys for what follows.
    pub fn ready(self, metadata: &[u8]) -> (Vec<u8>, Session) {
        let number = 1_u64;
        let mut ready = number.to_be_bytes().to_vec();
        self.shared.seal(&short_nonce(prefix::READY, number), metadata, &mut ready);
        let session = Session {
            sealer: Sealer::new(&self.shared, prefix::MESSAGE_FROM_SERVER, number),
            opener: Opener::new(&self.shared, prefix::MESSAGE_FROM_CLIENT, self.number),
        };
        (ready, session)
    }
}
