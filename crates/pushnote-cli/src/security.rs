//! Who may connect over ZeroMQ, and whom we connect to, as settings say.

use std::path::Path;
use std::sync::Arc;

use pushnote_config::{ConnectArgs, KeyArgs, ListenArgs};
use pushnote_zmtp::curve::{PublicKey, SecretKey};
use pushnote_zmtp::{Clients, Endpoint, KeyFile, Options, Security};

use crate::{Failure, Reread, read_setting};

/// Room for 200,000 clients.
const CLIENTS_BYTES_MAX: u64 = 16 << 20;

const SECRET_KEY_FLAG: &str = "--curve-secret-key-file";

/// Options of sockets that listen on these endpoints, each given with the flag it came from.
///
/// # Errors
///
/// An endpoint that other machines reach, and neither a key nor the word that this is meant; a file with a fault.
pub fn listen_options(args: &ListenArgs, endpoints: &[(&str, &Endpoint)]) -> Result<Options, Failure> {
    let security = server_security(args)?;
    if let Security::Null = security {
        for (flag, endpoint) in endpoints.iter().filter(|(_, endpoint)| endpoint.is_exposed()) {
            expose(args, flag, endpoint)?;
        }
    }
    let networks = args.allow_network.clone();
    Ok(Options { security, networks, peers_max: args.peers_max, ..Options::default() })
}

/// Reads the list of clients again, if these options have one. Who is connected stays.
pub fn reread_clients(args: &ListenArgs, options: &Options) -> Option<Reread> {
    let (Some(path), Security::CurveServer(server)) = (&args.curve_clients, &options.security) else {
        return None;
    };
    let (path, server) = (path.clone(), Arc::clone(server));
    Some(Box::new(move || {
        server.replace_clients(read_clients(&path)?);
        Ok(())
    }))
}

fn server_security(args: &ListenArgs) -> Result<Security, Failure> {
    let Some(path) = &args.key.curve_secret_key_file else { return Ok(Security::Null) };
    let secret = secret_key(path)?;
    let clients = args.curve_clients.as_deref().map(read_clients).transpose()?;
    if clients.is_none() {
        tracing::warn!(
            "every client that knows this end's CURVE public key may publish and subscribe; \
             --curve-clients names those who may"
        );
    }
    Ok(Security::curve_server(secret, clients))
}

fn expose(args: &ListenArgs, flag: &str, endpoint: &Endpoint) -> Result<(), Failure> {
    if !args.allow_plaintext {
        return Err(Failure::config(format!(
            "{flag}: other machines can connect to {endpoint}, and without CURVE anyone there can read, forge and \
             inject messages: set {SECRET_KEY_FLAG} ('pushnote keygen' makes a key), listen on 127.0.0.1 or on \
             ipc://, or say --allow-plaintext if the network itself keeps strangers out"
        )));
    }
    tracing::warn!(%endpoint, "listening without CURVE: whoever can connect can read, forge and inject messages");
    Ok(())
}

/// The keys to connect with, if any are given: the server's public and our secret one.
///
/// # Errors
///
/// One without the other, or a file without a key.
pub fn client_keys(connect: &ConnectArgs, key: &KeyArgs) -> Result<Option<(PublicKey, SecretKey)>, Failure> {
    match (connect.curve_server_key, &key.curve_secret_key_file) {
        (Some(server), Some(path)) => Ok(Some((server, secret_key(path)?))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failure::config(format!(
            "--curve-server-key needs {SECRET_KEY_FLAG}, too: who connects has to have a key, 'pushnote keygen' makes one"
        ))),
        (None, Some(_)) => Err(Failure::config(format!(
            "{SECRET_KEY_FLAG} needs --curve-server-key, too: the public key of the end that is connected to"
        ))),
    }
}

fn secret_key(path: &Path) -> Result<SecretKey, Failure> {
    SecretKey::from_file(path).map_err(|error| Failure::config(format!("{SECRET_KEY_FLAG}: {error}")))
}

fn read_clients(path: &Path) -> Result<Clients, Failure> {
    let text = read_setting("--curve-clients", path, CLIENTS_BYTES_MAX)?;
    let clients: Clients = text
        .parse()
        .map_err(|error| Failure::config(format!("--curve-clients: {}, {error}", path.display())))?;
    if clients.is_empty() {
        tracing::warn!(file = %path.display(), "--curve-clients names nobody: no client may connect");
    }
    Ok(clients)
}
