//! The client's side of the handshake: HELLO out, WELCOME in, INITIATE out, READY in (RFC 26, "Commands").
//!
//! All functions take and give the data of commands: what follows the name.

use super::sealed::SharedKey;
use super::{
    COOKIE_BYTES, CurveError, Fields, KEY_BYTES, KeyPair, LONG_NONCE_BYTES, Opener, PADDING_BYTES, PublicKey,
    Sealer, Session, ZEROS, agree, long_nonce, prefix, random, short_nonce,
};

const HELLO: &str = "HELLO";
const WELCOME: &str = "WELCOME";
const READY: &str = "READY";
// The numbers of our nonces: each is higher than the one before.
const HELLO_NUMBER: u64 = 1;
const INITIATE_NUMBER: u64 = 2;

/// HELLO is sent.
#[derive(Debug)]
pub struct Greeted {
    /// This connection's keys.
    transient: KeyPair,
    to_server: SharedKey,
}

/// INITIATE is sent: the server has proved who it is.
#[derive(Debug)]
pub struct Initiated {
    shared: SharedKey,
}

/// Begins: the data of HELLO, for the server whose public key this is.
///
/// # Errors
/// [`CurveError`]: there is no randomness, or `server` is no key anybody has.
pub fn hello(server: &PublicKey) -> Result<(Vec<u8>, Greeted), CurveError> {
    let transient = KeyPair::generate()?;
    let to_server = agree(HELLO, &transient.secret, server)?;
    let mut hello = vec![1, 0];
    hello.extend_from_slice(&[0; PADDING_BYTES]);
    hello.extend_from_slice(transient.public.as_bytes());
    hello.extend_from_slice(&HELLO_NUMBER.to_be_bytes());
    to_server.seal(&short_nonce(prefix::HELLO, HELLO_NUMBER), &ZEROS, &mut hello);
    Ok((hello, Greeted { transient, to_server }))
}

impl Greeted {
    /// Answers WELCOME: the data of INITIATE, with what we say of ourselves.
    ///
    /// # Errors
    /// [`CurveError`]: WELCOME is malformed or not from the owner of the server's key, or there is no randomness.
    pub fn initiate(
        &self,
        keys: &KeyPair,
        server: &PublicKey,
        welcome: &[u8],
        metadata: &[u8],
    ) -> Result<(Vec<u8>, Initiated), CurveError> {
        let mut fields = Fields::new(WELCOME, welcome);
        let (nonce, sealed) = (fields.take()?, fields.take::<144>()?);
        fields.end()?;
        let nonce = long_nonce(prefix::WELCOME, nonce);
        let opened = self.to_server.open(&nonce, sealed).ok_or(CurveError::Forged(WELCOME))?;
        let mut opened = Fields::new(WELCOME, &opened);
        let (server_transient, cookie) = (opened.key()?, opened.take::<COOKIE_BYTES>()?);
        let shared = agree(WELCOME, &self.transient.secret, &server_transient)?;

        let vouch = [*self.transient.public.as_bytes(), *server.as_bytes()].concat();
        let vouch_nonce: [u8; LONG_NONCE_BYTES] = random()?;
        let mut text = Vec::with_capacity(4 * KEY_BYTES + metadata.len());
        text.extend_from_slice(keys.public.as_bytes());
        text.extend_from_slice(&vouch_nonce);
        agree(WELCOME, &keys.secret, &server_transient)?.seal(
            &long_nonce(prefix::VOUCH, &vouch_nonce),
            &vouch,
            &mut text,
        );
        text.extend_from_slice(metadata);

        let mut initiate = cookie.to_vec();
        initiate.extend_from_slice(&INITIATE_NUMBER.to_be_bytes());
        shared.seal(&short_nonce(prefix::INITIATE, INITIATE_NUMBER), &text, &mut initiate);
        Ok((initiate, Initiated { shared }))
    }
}

impl Initiated {
    /// Reads READY: what the server says of itself, and the keys for what follows.
    ///
    /// # Errors
    /// [`CurveError`]: it is malformed or forged.
    pub fn ready(&self, ready: &[u8]) -> Result<(Vec<u8>, Session), CurveError> {
        let mut fields = Fields::new(READY, ready);
        let number = fields.number()?;
        let nonce = short_nonce(prefix::READY, number);
        let metadata = self.shared.open(&nonce, fields.rest).ok_or(CurveError::Forged(READY))?;
        let session = Session {
            sealer: Sealer::new(&self.shared, prefix::MESSAGE_FROM_CLIENT, INITIATE_NUMBER),
            opener: Opener::new(&self.shared, prefix::MESSAGE_FROM_SERVER, number),
        };
        Ok((metadata.to_vec(), session))
    }
}
