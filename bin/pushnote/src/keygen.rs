//! `pushnote keygen`: a CURVE key pair, or the public key of one; a key of the API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use pushnote_cli::{Failure, say};
use pushnote_http::{KEY_PREFIX, KEY_TITLE, LINE_TITLE, key_hash};
use pushnote_zmtp::curve::{KeyPair, SecretKey};
use pushnote_zmtp::{KeyFile, new_key_file};

use crate::args::KeygenArgs;

/// Bytes of randomness in a key of the API.
const API_KEY_BYTES: usize = 32;

/// A new key of the API.
pub(crate) fn api_key() -> Result<String, Failure> {
    let mut bytes = [0; API_KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::system(format!("no randomness: {error}")))?;
    Ok(format!("{KEY_PREFIX}{}", BASE64.encode(bytes)))
}

pub(crate) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    if let Some(path) = &args.public {
        let secret =
            SecretKey::from_file(path).map_err(|error| Failure::config(format!("--public: {error}")))?;
        say(secret.public_key());
        return Ok(());
    }
    if let Some(name) = &args.api {
        let key = api_key()?;
        let line = format!("{name} {} {}", args.rights, key_hash(&key));
        match &args.secret_file {
            Some(path) => {
                new_key_file(path, &key)
                    .map_err(|error| Failure::config(format!("--secret-file: {error}")))?;
                say(line);
            }
            None => {
                say(format_args!("{KEY_TITLE}{key}"));
                say(format_args!("{LINE_TITLE}{line}"));
            }
        }
        return Ok(());
    }
    let keys = KeyPair::generate().map_err(|error| Failure::system(error.to_string()))?;
    match &args.secret_file {
        Some(path) => {
            keys.secret
                .to_new_file(path)
                .map_err(|error| Failure::config(format!("--secret-file: {error}")))?;
            say(keys.public);
        }
        None => {
            say(format_args!("public key: {}", keys.public));
            say(format_args!("secret key: {}", *keys.secret.to_z85()));
        }
    }
    Ok(())
}
