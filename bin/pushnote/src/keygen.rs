//! `pushnote keygen`: a CURVE key pair, or the public key of one.

use pushnote_cli::{Failure, say};
use pushnote_zmtp::KeyFile;
use pushnote_zmtp::curve::{KeyPair, SecretKey};

use crate::args::KeygenArgs;

pub(crate) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    if let Some(path) = &args.public {
        let secret =
            SecretKey::from_file(path).map_err(|error| Failure::config(format!("--public: {error}")))?;
        say(secret.public_key());
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
