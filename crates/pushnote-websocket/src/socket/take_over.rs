//! From hyper's upgraded connection back to the stream under it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hyper::rt::{Read, Write};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use pushnote_net::Stream;
use pushnote_net::http::HttpStream;
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};

/// A stream, and what was read from it after the request.
type Parts = (Stream, Bytes);

/// Takes the stream out of an upgraded connection, or gives that back where it is another's.
type Named = dyn Fn(Upgraded) -> Result<Option<Parts>, Upgraded> + Send + Sync;

/// What a server runs hyper on (the `io` of its `serve_connection`). By default `TokioIo` of an [`HttpStream`], a
/// [`TcpStream`] or a [`UnixStream`]; a server on something else says how the stream is taken out of that.
#[derive(Clone, Default)]
pub struct HyperIo(Option<Arc<Named>>);

impl HyperIo {
    /// The default's, and `T`, which must hold back nothing that was written to it.
    pub fn new<T>(into_stream: impl Fn(T) -> Stream + Send + Sync + 'static) -> Self
    where
        T: Read + Write + Unpin + 'static,
    {
        Self(Some(Arc::new(move |upgraded| downcast(upgraded, |io| Some(into_stream(io))))))
    }

    /// `None`: it was taken over already.
    fn parts(&self, upgraded: Upgraded) -> Result<Option<Parts>, Upgraded> {
        let upgraded = match &self.0 {
            Some(named) => match named(upgraded) {
                Ok(parts) => return Ok(parts),
                Err(upgraded) => upgraded,
            },
            None => upgraded,
        };
        downcast(upgraded, |io: TokioIo<HttpStream>| io.into_inner().into_inner())
            .or_else(|upgraded| downcast(upgraded, |io: TokioIo<TcpStream>| Some(io.into_inner().into())))
            .or_else(|upgraded| downcast(upgraded, |io: TokioIo<UnixStream>| Some(io.into_inner().into())))
    }
}

impl fmt::Debug for HyperIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperIo").field("named", &self.0.is_some()).finish()
    }
}

/// Why there is no stream to take over.
#[derive(Debug, Error)]
pub enum TakeOverError {
    /// The connection ended, or its server was not told to allow upgrades.
    #[error("the connection was not upgraded: {0}")]
    NotUpgraded(#[from] hyper::Error),
    /// The server runs hyper on something that its [`HyperIo`] does not name, a TLS stream say.
    #[error("the server runs hyper on a stream of a type that was not named")]
    UnknownIo,
}

/// Waits until the `101` response is written, then returns the stream and what was read from it after the request.
///
/// Works behind hyper's HTTP/1 connection and hyper-util's automatic one.
///
/// # Errors
///
/// [`TakeOverError`]; the connection is closed then.
pub async fn take_over(upgrade: OnUpgrade, io: &HyperIo) -> Result<Parts, TakeOverError> {
    io.parts(upgrade.await?).ok().flatten().ok_or(TakeOverError::UnknownIo)
}

fn downcast<T>(
    upgraded: Upgraded,
    into_stream: impl Fn(T) -> Option<Stream>,
) -> Result<Option<Parts>, Upgraded>
where
    T: Read + Write + Unpin + 'static,
{
    let (io, read_ahead) = match upgraded.downcast::<T>() {
        Ok(parts) => (parts.io, parts.read_buf),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<T>(upgraded)?;
            (parts.io, parts.read_buf)
        }
    };
    // Copied, because it is a share of hyper's read buffer and would keep all of that, even when it is empty.
    Ok(into_stream(io).map(|stream| (stream, Bytes::copy_from_slice(&read_ahead))))
}
