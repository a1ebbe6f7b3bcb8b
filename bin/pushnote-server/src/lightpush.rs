//! The listener that speaks as lightpush does, if there is one.

use pushnote_cli::{Failure, InheritedSockets, SECRET_BYTES_MAX, read_setting};
use pushnote_config::{LightpushArgs, Server};
use pushnote_http::{LightpushKey, LightpushOptions};
use pushnote_net::Listener;

use crate::listening::{self, LIGHTPUSH_SOCKET};

pub(crate) const KEY_VARIABLE: &str = "PUSHNOTE_LIGHTPUSH_KEY";

/// Where it listens, and whom it believes. Must be called within the runtime.
pub(crate) fn listen(
    args: &Server,
    sockets: &mut InheritedSockets,
) -> Result<Option<LightpushOptions>, Failure> {
    let Some((port, key)) = key(args)? else { return Ok(None) };
    if let Some(listener) = sockets.take(LIGHTPUSH_SOCKET)? {
        return Ok(Some(LightpushOptions { listener, key }));
    }
    let listener = Listener::tcp([args.lightpush.lightpush_address], port);
    let listener = listener.map_err(|error| listening::lightpush(args, port).failure(&error))?;
    Ok(Some(LightpushOptions { listener, key }))
}

/// Its port, and the key of those who publish.
pub(crate) fn key(args: &Server) -> Result<Option<(u16, LightpushKey)>, Failure> {
    let LightpushArgs { lightpush_port, lightpush_key_file, .. } = &args.lightpush;
    let Some(port) = *lightpush_port else { return Ok(None) };
    let (source, text) = match lightpush_key_file {
        Some(path) => ("--lightpush-key-file", read_setting("--lightpush-key-file", path, SECRET_BYTES_MAX)?),
        None => (
            KEY_VARIABLE,
            std::env::var(KEY_VARIABLE).map_err(|_| {
                Failure::config(format!(
                    "--lightpush-port: no key for publishers: set --lightpush-key-file or {KEY_VARIABLE}"
                ))
            })?,
        ),
    };
    let key =
        LightpushKey::new(text.trim()).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    Ok(Some((port, key)))
}
