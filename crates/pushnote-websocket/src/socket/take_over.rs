//! From hyper's upgraded connection back to the stream under it.

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use pushnote_net::Stream;
use thiserror::Error;
use tokio::net::TcpStream;

use super::http_stream::HttpStream;

/// Why there is no stream to take over.
#[derive(Debug, Error)]
pub enum TakeOverError {
    /// The connection ended, or its server was not told to allow upgrades.
    #[error("the connection was not upgraded: {0}")]
    NotUpgraded(#[from] hyper::Error),
    /// The server runs on something else than `TokioIo<HttpStream>` or `TokioIo<TcpStream>`, a TLS stream say.
    #[error("the upgraded connection is not a plain TCP stream")]
    NotTcp,
}

/// Waits until the `101` response is written, then returns the stream and what was read from it after the request.
///
/// Works behind hyper's HTTP/1 connection over `TokioIo<HttpStream>`, and behind that and hyper-util's automatic one over
/// `TokioIo<TcpStream>`.
///
/// # Errors
///
/// [`TakeOverError`]; the connection is closed then.
pub async fn take_over(upgrade: OnUpgrade) -> Result<(Stream, Bytes), TakeOverError> {
    parts(upgrade.await?).ok_or(TakeOverError::NotTcp)
}

fn parts(upgraded: Upgraded) -> Option<(Stream, Bytes)> {
    let (stream, read_ahead) = match upgraded.downcast::<TokioIo<HttpStream>>() {
        Ok(parts) => (parts.io.into_inner().into_inner(), parts.read_buf),
        Err(upgraded) => bare(upgraded)?,
    };
    // Copied, because it is a share of hyper's read buffer and would keep all of that, even when it is empty.
    Some((stream, Bytes::copy_from_slice(&read_ahead)))
}

fn bare(upgraded: Upgraded) -> Option<(Stream, Bytes)> {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Some((parts.io.into_inner().into(), parts.read_buf)),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded).ok()?;
            Some((parts.io.into_inner().into(), parts.read_buf))
        }
    }
}
