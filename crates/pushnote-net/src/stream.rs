//! Connections, whatever they run over.

use std::fmt;
use std::io::{self, IoSlice, Read};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection. Anything that holds a share of it may write, without waiting: [`try_write`](Self::try_write).
///
/// Options that cannot be set are not: that costs only what each is for, and on a stream that is broken already the next
/// read tells. Over a Unix socket those of TCP mean nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Over a network, be it this machine's own.
    Tcp(TcpStream),
    /// From this machine, through a file.
    Unix(UnixStream),
}

/// Who is at the other end of a [`Stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A machine, and its port.
    Tcp(SocketAddr),
    /// A process of this machine: who may connect is said by the rights of the socket's file.
    Unix,
}

impl Peer {
    /// The address, where it has one.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("local process"),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

/// The same for both kinds.
macro_rules! each {
    ($self:expr, $stream:ident => $what:expr) => {
        match $self {
            Stream::Tcp($stream) => $what,
            Stream::Unix($stream) => $what,
        }
    };
}

impl Stream {
    /// Connects to one of the addresses of `host`.
    ///
    /// # Errors
    /// What the system says. `ConnectionRefused` also where Linux connects a socket to itself, as it does now and then
    /// with a free port of this machine.
    pub async fn connect_tcp(host: &str, port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Self::Tcp(stream))
    }

    /// Connects to the process that listens at `path`.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    /// Who is at the other end; `None` when it is gone.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(Peer::Tcp),
            Self::Unix(_) => Some(Peer::Unix),
        }
    }

    /// The process at the other end of a Unix socket, where the system tells.
    #[must_use]
    pub fn peer_process(&self) -> Option<i32> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(stream) => stream.peer_cred().ok().and_then(|peer| peer.pid()),
        }
    }

    /// Without this a small frame may wait for the acknowledgement of the one before.
    pub fn set_nodelay(&self) {
        if let Self::Tcp(stream) = self {
            let _ = stream.set_nodelay(true);
        }
    }

    /// Ends the connection when the peer has taken nothing of what was sent to it for so long.
    pub fn set_write_timeout(&self, patience: Duration) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_tcp_user_timeout(Some(patience));
        }
    }

    /// Has the kernel look now and then whether the peer's machine is still there.
    pub fn set_keepalive(&self, keepalive: &TcpKeepalive) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_tcp_keepalive(keepalive);
        }
    }

    /// How many bytes the kernel may hold that it has not sent yet.
    pub fn set_unsent_bytes_max(&self, bytes_max: u32) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes_max);
        }
    }

    /// What the kernel still holds when the stream is dropped is thrown away, not kept for minutes.
    pub fn discard_at_end(&self) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Ends one direction or both, also for others who hold a share. Nothing happens when the peer was faster.
    pub fn shut_down(&self, how: Shutdown) {
        let _ = each!(self, stream => SockRef::from(stream).shutdown(how));
    }

    /// Bytes that have come and were not read; 0 where the system does not tell.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        let bytes = each!(self, stream => rustix::io::ioctl_fionread(stream));
        bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Waits until there may be something to read.
    ///
    /// # Errors
    /// As [`TcpStream::readable`].
    pub async fn readable(&self) -> io::Result<()> {
        each!(self, stream => stream.readable().await)
    }

    /// Waits until something may be written.
    ///
    /// # Errors
    /// As [`TcpStream::writable`].
    pub async fn writable(&self) -> io::Result<()> {
        each!(self, stream => stream.writable().await)
    }

    /// As [`readable`](Self::readable), for one task at a time.
    ///
    /// # Errors
    /// As [`TcpStream::poll_read_ready`].
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read_ready(cx))
    }

    /// As [`writable`](Self::writable), for one task at a time.
    ///
    /// # Errors
    /// As [`TcpStream::poll_write_ready`].
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_write_ready(cx))
    }

    /// Waits until the peer has ended its side, also behind what nobody reads, for one task at a time. Of what has come until
    /// then readiness may tell no more: before it is read, the stream has to be [`renewed`](Self::renewed).
    ///
    /// # Errors
    /// As [`TcpStream::poll_read_ready`].
    pub fn poll_read_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            std::task::ready!(self.poll_read_ready(cx))?;
            // It is ready, so that this waits for nothing.
            let ready = each!(self, stream => pin!(stream.ready(Interest::READABLE)).poll(cx));
            if let Poll::Ready(ready) = ready
                && ready?.is_read_closed()
            {
                return Poll::Ready(Ok(()));
            }
            // So that the next thing that comes is waited for.
            let pass_over = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = each!(self, stream => stream.try_io(Interest::READABLE, pass_over));
        }
    }

    /// The same stream, of which readiness tells all that has come.
    ///
    /// # Errors
    /// What the system says.
    pub fn renewed(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream.into_std()?).map(Self::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream.into_std()?).map(Self::Unix),
        }
    }

    /// Reads what is there, without a second call to learn that there is no more.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        let read = || {
            count = each!(self, stream => (&*SockRef::from(stream)).read(buffer))?;
            if 0 < count && count < buffer.len() {
                // Readiness comes in edges: a short read has emptied the socket, so the next edge is to be waited for.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        };
        let result = each!(self, stream => stream.try_io(Interest::READABLE, read));
        if count > 0 { Ok(count) } else { result.map(|()| 0) }
    }

    /// Reads into the room that `buffer` has.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing.
    pub fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        each!(self, stream => stream.try_read_buf(buffer))
    }

    /// Writes what the kernel takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match each!(self, stream => rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)) {
            // Nearly always: what the runtime knows of the socket lies elsewhere in memory, and is not looked at.
            Ok(written) => Ok(written),
            // Only by its own call it learns that there is no room.
            Err(Errno::AGAIN) => each!(self, stream => stream.try_write(bytes)),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`try_write`](Self::try_write), of several.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => stream.try_write_vectored(slices))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn an_end_is_seen_behind_what_nobody_reads() {
        let (near, far) = UnixStream::pair().unwrap();
        let (near, far) = (Stream::from(near), Stream::from(far));
        far.try_write(b"abc").unwrap();
        near.readable().await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(near.poll_read_closed(cx).is_pending())).await);
        let mut near = near.renewed().unwrap();
        assert_eq!(near.read(&mut [0; 1]).await.unwrap(), 1);
        assert!(poll_fn(|cx| Poll::Ready(near.poll_read_closed(cx).is_pending())).await);
        drop(far);
        poll_fn(|cx| near.poll_read_closed(cx)).await.unwrap();
        let (mut near, mut rest) = (near.renewed().unwrap(), Vec::new());
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"bc");
    }

    #[tokio::test]
    async fn both_kinds_read_and_write_without_waiting() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = Stream::connect_tcp("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let tcp = (near, Stream::from(listener.accept().await.unwrap().0));
        let (near, far) = UnixStream::pair().unwrap();
        for (near, far) in [tcp, (near.into(), far.into())] {
            let mut buffer = [0; 16];
            assert_eq!(near.try_read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(far.try_write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).unwrap(), 3);
            near.readable().await.unwrap();
            assert_eq!(near.unread_bytes(), 3);
            assert_eq!(near.try_read(&mut buffer).unwrap(), 3);
            assert_eq!(&buffer[..3], b"abc");
            far.shut_down(Shutdown::Both);
            near.readable().await.unwrap();
            assert_eq!(near.try_read(&mut buffer).unwrap(), 0);
        }
    }
}
