//! A stream as an HTTP server reads it, with what hyper hides from its caller.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::client_side::ClientSide;
use super::handover::Handovers;
use crate::stream::Stream;

/// How long the end of a client's side stays unsaid while an answer to it is due. What is answered at once takes less,
/// and a poll that waits for a message is found broken off soon enough for the next one.
const ANSWER_PATIENCE: Duration = Duration::from_millis(20);

/// The same, of one behind whose request something else has come: hyper may be about to read that.
const UNREAD_PATIENCE: Duration = Duration::from_secs(1);

/// A stream for hyper's connections.
///
/// - A response's body may take it over, by a [`Handover`](super::Handover): hyper has written the head by then, and finds
///   the stream broken.
/// - A client that ends its side behind its request (`nc -N`, probes) is answered. Hyper takes that end for the end of
///   the connection and drops the request; to have it wait for the answer would hide from it that a poll was broken
///   off. Here the end is told when the answer has begun, or a little later; or when it is [`Owed`](super::Owed) no more.
/// - Behind a request that is not answered hyper reads one piece and no more, so that it does not see an end behind that.
///   It is looked for here.
/// - A line of a head that ends in LF alone is answered 400 (RFC 9112, 2.2, allows that): not every server on a
///   request's way sees the end of a line there. This ends with the first request that has a body or asks for an
///   upgrade, behind which bytes may be what they like; and it ends with the preface of HTTP/2.
#[derive(Debug)]
pub struct HttpStream {
    /// `None`: it was taken over.
    stream: Option<Stream>,
    /// What was read from it before.
    read_before: Bytes,
    handovers: Handovers,
    client: ClientSide,
    /// As the client's side has it.
    deaf: bool,
    lines: Lines,
    /// Something was read since the last write.
    answer_due: bool,
    /// Set when the client has ended its side.
    ended: Option<Pin<Box<Sleep>>>,
    /// Set when it has, and hyper does not read.
    ended_unread: Option<Pin<Box<Sleep>>>,
    /// An end was looked for behind something that is not read yet.
    passed_over: bool,
    /// Hyper waits for what comes, and so sees an end by itself.
    reading: bool,
}

impl HttpStream {
    /// For a stream that nothing was read from.
    #[must_use]
    pub fn new(stream: impl Into<Stream>) -> Self {
        Self::behind(Bytes::new(), stream)
    }

    /// For a stream from which this was read, and nothing of it answered.
    #[must_use]
    pub fn behind(read_before: Bytes, stream: impl Into<Stream>) -> Self {
        Self {
            stream: Some(stream.into()),
            read_before,
            handovers: Handovers::default(),
            client: ClientSide::default(),
            deaf: false,
            lines: Lines::default(),
            answer_due: false,
            ended: None,
            ended_unread: None,
            passed_over: false,
            reading: false,
        }
    }

    /// By which responses may take the stream over.
    #[must_use]
    pub fn handovers(&self) -> Handovers {
        self.handovers.clone()
    }

    /// What is known of the client.
    #[must_use]
    pub fn client_side(&self) -> ClientSide {
        self.client.clone()
    }

    /// The stream; `None` when it was taken over, or is broken.
    #[must_use]
    pub fn into_inner(mut self) -> Option<Stream> {
        self.renew().ok()?;
        self.stream
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(taken_over)
    }

    /// Before something is read.
    fn renew(&mut self) -> io::Result<()> {
        self.ended_unread = None;
        if std::mem::take(&mut self.passed_over) {
            self.stream = self.stream.take().map(Stream::renewed).transpose()?;
        }
        Ok(())
    }

    /// Looks for the client's end where hyper may not read on.
    fn look_for_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // Who looks while hyper waits may find what has just come, and would have it wait again, and so on.
        if self.reading || !self.answer_due || self.ended.is_some() || self.client.poll_owed(cx).is_pending()
        {
            return Ok(());
        }
        if self.ended_unread.is_none() {
            let stream = self.stream.as_ref().ok_or_else(taken_over)?;
            self.passed_over |= stream.poll_read_ready(cx)?.is_ready();
            match stream.poll_read_closed(cx)? {
                Poll::Pending => return Ok(()),
                Poll::Ready(()) => self.ended_unread = Some(Box::pin(sleep(UNREAD_PATIENCE))),
            }
        }
        match self.ended_unread.as_mut().map(|patience| patience.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() != self.deaf {
            self.deaf = written.is_pending();
            self.client.set_deaf(self.deaf);
        }
        self.answer_due &= written.is_pending();
        self.lines.whole &= written.is_pending();
        written
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.renew()?;
        if this.ended.is_none() {
            let before = buffer.filled().len();
            if this.read_before.is_empty() {
                let read = this.stream()?.poll_read(cx, buffer);
                this.reading = read.is_pending();
                ready!(read)?;
            } else {
                let taken = this.read_before.len().min(buffer.remaining());
                buffer.put_slice(&this.read_before.split_to(taken));
            }
            let read = &mut buffer.filled_mut()[before..];
            if !read.is_empty() {
                if this.lines.spoil(read) && !this.lines.whole {
                    // Hyper looks at a head again only when it sees its end, which here it never does.
                    let _ = this.stream()?.try_write(BAD_LINE);
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                this.answer_due = true;
                return Poll::Ready(Ok(()));
            }
            this.ended = Some(Box::pin(sleep(ANSWER_PATIENCE)));
        }
        ready!(this.client.poll_owed(cx));
        match &mut this.ended {
            Some(patience) if this.answer_due => patience.as_mut().poll(cx).map(Ok),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }

    /// Hyper has written all that it had: the head, too, if that is one whose body takes the stream over.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream()?.poll_flush(cx))?;
        if let Some(takeover) = self.handovers.take() {
            self.renew()?;
            if let Some(stream) = self.stream.take() {
                takeover(stream);
            }
            return Poll::Ready(Err(taken_over()));
        }
        Poll::Ready(self.look_for_end(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

/// What a client gets whose head has a line that ends in LF alone.
const BAD_LINE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn taken_over() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the stream was taken over")
}

/// Lines of a head behind which something else follows: a body, a WebSocket's frames, or those of HTTP/2.
const LAST: [&[u8]; 4] = [b"content-length:", b"transfer-encoding:", b"upgrade:", b"pri * http/2.0\r"];

/// Looks at the lines of heads, until something else follows one.
#[derive(Debug, Default)]
struct Lines {
    /// Bytes of the present line so far, those of its end included.
    length: usize,
    /// How much of each of [`LAST`] the line begins with.
    matched: [usize; LAST.len()],
    after_cr: bool,
    /// A head has ended since the last write: its answer is due.
    whole: bool,
    /// No other head follows this one at once.
    last: bool,
    over: bool,
}

impl Lines {
    /// Makes a byte that no head may hold of a LF without its CR; whether there was one.
    fn spoil(&mut self, read: &mut [u8]) -> bool {
        let mut spoilt = false;
        for byte in read {
            if self.over {
                return spoilt;
            }
            if *byte == b'\n' {
                if self.after_cr {
                    // The line that is its end alone is that of the head.
                    let ends_head = self.length == 1;
                    let (whole, over) = (self.whole || ends_head, ends_head && self.last);
                    *self = Self { last: self.last, whole, over, ..Self::default() };
                    continue;
                }
                *byte = 0;
                spoilt = true;
            }
            for (name, matched) in LAST.iter().zip(&mut self.matched) {
                let next = name.get(self.length).is_some_and(|next| next.eq_ignore_ascii_case(byte));
                if next && *matched == self.length {
                    *matched += 1;
                    self.last |= *matched == name.len();
                }
            }
            self.after_cr = *byte == b'\r';
            self.length += 1;
        }
        spoilt
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::Instant;

    use super::*;

    /// A stream from which a request was read, behind which something else has come.
    async fn asked() -> (HttpStream, UnixStream) {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut stream = HttpStream::new(near);
        far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 18);
        far.write_all(b"GET /2").await.unwrap();
        (stream, far)
    }

    /// What hyper does while an answer is waited for.
    async fn broken(stream: &mut HttpStream) -> io::Error {
        poll_fn(|cx| match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            _ => Poll::Pending,
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_noticed_behind_what_is_not_read() {
        let (mut stream, far) = asked().await;
        drop(far);
        let (start, error) = (Instant::now(), broken(&mut stream).await);
        assert_eq!((start.elapsed(), error.kind()), (UNREAD_PATIENCE, io::ErrorKind::UnexpectedEof));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_passed_over_is_read_in_its_turn() {
        let (mut stream, mut far) = asked().await;
        let looking = tokio::time::timeout(Duration::from_secs(60), broken(&mut stream));
        assert!(looking.await.is_err(), "it is there");
        stream.write_all(b"answer").await.unwrap();
        let mut second = [0; 6];
        stream.read_exact(&mut second).await.unwrap();
        assert_eq!(&second, b"GET /2");
        far.shutdown().await.unwrap();
        let start = Instant::now();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
        assert_eq!(start.elapsed(), ANSWER_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_not_told_while_an_answer_is_owed() {
        let (mut stream, far) = asked().await;
        let owed = stream.client_side().owe();
        drop(far);
        let seconds = Duration::from_secs(60);
        assert!(tokio::time::timeout(seconds, broken(&mut stream)).await.is_err());
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 6);
        assert!(tokio::time::timeout(seconds, stream.read(&mut [0; 64])).await.is_err());
        let reading = tokio::spawn(async move { stream.read(&mut [0; 64]).await });
        tokio::task::yield_now().await;
        drop(owed);
        assert_eq!(reading.await.unwrap().unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_known() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut stream = HttpStream::new(near);
        let client = stream.client_side();
        let filling = async { while stream.write_all(&[b'x'; 100_000]).await.is_ok() {} };
        assert!(tokio::time::timeout(Duration::from_secs(7), filling).await.is_err());
        assert_eq!(client.deaf_for().as_secs(), 7);
        while far.try_read(&mut [0; 100_000]).is_ok() {}
        stream.write_all(b"x").await.unwrap();
        assert_eq!(client.deaf_for(), Duration::ZERO);
    }

    /// What becomes of it in one read, and byte by byte.
    fn spoilt(text: &str) -> String {
        let mut whole = text.as_bytes().to_vec();
        Lines::default().spoil(&mut whole);
        let (mut parts, mut lines) = (text.as_bytes().to_vec(), Lines::default());
        for part in parts.chunks_mut(1) {
            lines.spoil(part);
        }
        assert_eq!(whole, parts);
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn line_feeds_alone_are_spoilt_in_heads() {
        assert_eq!(spoilt("GET / HTTP/1.1\nhost: a\r\n\r\n"), "GET / HTTP/1.1\0host: a\r\n\r\n");
        assert_eq!(spoilt("GET / HTTP/1.1\r\nhost: a\n\n"), "GET / HTTP/1.1\r\nhost: a\0\0");
        let pipelined = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(spoilt(&format!("{pipelined}GET / \n")), format!("{pipelined}GET / \0"));
        assert_eq!(spoilt(pipelined), pipelined);
    }

    #[test]
    fn what_is_no_head_is_left_alone() {
        for field in ["Content-Length: 3", "transfer-encoding: chunked", "Upgrade: websocket"] {
            let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n[\n]");
            assert_eq!(spoilt(&request), request);
        }
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n";
        assert_eq!(spoilt(preface), preface);
        let other = "GET / HTTP/1.1\r\nx-content-length: 1\r\ncontent-lengt: 1\r\n\r\n";
        assert_eq!(spoilt(&format!("{other}\n")), format!("{other}\0"));
    }
}
