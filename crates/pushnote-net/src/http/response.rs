//! A response that goes on for ever, written from wherever something comes for it.

use std::future::poll_fn;
use std::io::{self, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::handover::TakenOver;
use crate::writer::{Stage, WriteError, Writer};

/// What waits besides what the kernel has: one chunk, whatever its size.
const OUTBOX_BYTES_MAX: usize = 1;

/// What a client has to take what is queued, and to end its side, when the response has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads per turn, so that a client that never pauses leaves its thread to others.
const READS_PER_TURN: usize = 2;

/// A piece of a body with what HTTP/1.1 puts around it (RFC 9112, 7.1). A clone is another share of the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    framed: Bytes,
    head_len: usize,
}

impl Chunk {
    /// Around these. Of nothing it is nothing: an empty chunk would end the body.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        /// The length in hexadecimal, and three ends of line.
        const FRAMING_BYTES: usize = 16 + 4;
        if payload.is_empty() {
            return Self::default();
        }
        let mut framed = Vec::with_capacity(payload.len() + FRAMING_BYTES);
        // To a vector this never fails.
        let _ = write!(framed, "{:x}\r\n", payload.len());
        let head_len = framed.len();
        framed.extend_from_slice(payload);
        framed.extend_from_slice(b"\r\n");
        Self { framed: framed.into(), head_len }
    }

    /// The piece itself.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.framed.slice(self.range())
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.head_len..self.framed.len().saturating_sub(2)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.framed[self.range()]
    }
}

/// The body of a response whose stream was taken over. Any thread sends to it.
#[derive(Debug)]
pub struct ResponseStream {
    writer: Writer<()>,
    chunked: bool,
}

impl ResponseStream {
    /// With its driver, which must be run.
    pub fn new(TakenOver { stream, chunked }: TakenOver) -> (Arc<Self>, ResponseDriver) {
        let response = Arc::new(Self { writer: Writer::new(stream), chunked });
        (Arc::clone(&response), ResponseDriver(OpenResponse(response)))
    }

    /// Sends a chunk, without waiting.
    ///
    /// # Errors
    /// [`WriteError`]: the response has ended, or something waits for its client already. When nothing does any more, the
    /// driver tells.
    pub fn send(&self, chunk: &Chunk) -> Result<(), WriteError> {
        if self.chunked {
            self.writer.send(std::slice::from_ref(&chunk.framed), OUTBOX_BYTES_MAX)
        } else {
            self.writer.send(&[chunk.payload()], OUTBOX_BYTES_MAX)
        }
    }

    /// Whether a chunk would be taken. If not, and the response has not ended, the driver tells when it would.
    pub fn is_clear(&self) -> bool {
        self.writer.is_clear()
    }

    /// Ends the response behind what was sent.
    pub fn end(&self) {
        self.end_after(&Chunk::default());
    }

    /// As [`end`](Self::end), with a last chunk before it, however much waits.
    pub fn end_after(&self, last: &Chunk) {
        self.writer.end(&self.ending(last), ());
    }

    /// As [`end_after`](Self::end_after), without what was sent and has not begun to leave.
    pub fn abort_after(&self, last: &Chunk) {
        self.writer.abort(&self.ending(last), ());
    }

    fn ending(&self, last: &Chunk) -> [Bytes; 2] {
        if self.chunked {
            [last.framed.clone(), Bytes::from_static(b"0\r\n\r\n")]
        } else {
            [last.payload(), Bytes::new()]
        }
    }
}

/// What is sent to a client that was sent nothing else for a while.
#[derive(Clone, Debug)]
pub struct Idle {
    /// That while.
    pub interval: Duration,
    /// What is sent then.
    pub chunk: Chunk,
}

/// The task of a taken-over response. Dropped, it ends the connection as it is.
#[derive(Debug)]
#[must_use = "what the kernel refuses is not sent, and the client's end not seen, unless the driver runs"]
pub struct ResponseDriver(OpenResponse);

impl ResponseDriver {
    /// Runs until the client is gone or has had the whole response. `on_room` is called when something was not taken, and
    /// would be now.
    ///
    /// What a client sends behind its request is not read as one: it was told that the connection ends.
    pub fn run<F: FnMut()>(self, idle: Option<Arc<Idle>>, on_room: F) -> impl Future<Output = ()> {
        // Most of them have no timer while they go on, and all are many.
        let timer = idle.as_ref().map(|idle| Box::pin(sleep(idle.interval)));
        let mut running = Running { response: self.0, idle, on_room, timer, closing: false };
        poll_fn(move |cx| running.poll(cx))
    }
}

#[derive(Debug)]
struct OpenResponse(Arc<ResponseStream>);

impl Drop for OpenResponse {
    fn drop(&mut self) {
        self.0.writer.finish();
    }
}

struct Running<F> {
    response: OpenResponse,
    idle: Option<Arc<Idle>>,
    on_room: F,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer has become that of the end.
    closing: bool,
}

impl<F: FnMut()> Running<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let writer = &self.response.0.writer;
        if self.read(cx).is_err() {
            return Poll::Ready(());
        }
        let mut flushed = false;
        while !flushed {
            flushed = match writer.poll_drain(cx, || {}) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            };
            if writer.take_room() {
                (self.on_room)();
                // What came for it now, the end among it, may wait in its turn.
                flushed = false;
            }
        }
        match writer.stage() {
            Stage::Over => return Poll::Ready(()),
            Stage::Ending if !self.closing => {
                self.closing = true;
                self.timer = Some(Box::pin(sleep(CLOSE_TIMEOUT)));
            }
            Stage::Ending | Stage::Open => {}
        }
        if self.closing && flushed {
            // The client's end, or the timer, is ours: to close before it could take away what it has not read yet.
            writer.stream().shut_down(Shutdown::Write);
        }
        self.tick(cx)
    }

    /// Looks for the client's end; what else it sends is thrown away.
    fn read(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let stream = self.response.0.writer.stream();
        for _ in 0..READS_PER_TURN {
            match stream.poll_read_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            match stream.try_read(&mut [0; 1024]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        let writer = &self.response.0.writer;
        while timer.as_mut().poll(cx).is_ready() {
            let Some(idle) = self.idle.as_ref().filter(|_| !self.closing) else {
                // What the kernel still holds for a client that does not take it is thrown away, not kept for minutes.
                writer.stream().discard_at_end();
                return Poll::Ready(());
            };
            let beat = if self.response.0.chunked { idle.chunk.framed.clone() } else { idle.chunk.payload() };
            writer.beat(Instant::now(), idle.interval, &beat);
            timer.set(sleep_until(writer.idle_at(idle.interval)));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWrite};
    use tokio::net::UnixStream;

    use super::super::{Handovers, HttpStream};
    use super::*;

    /// A stream taken over, with its client.
    async fn taken(chunked: bool) -> (TakenOver, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let mut server = HttpStream::new(near);
        let handovers: Handovers = server.handovers();
        let (sender, mut receiver) = tokio::sync::oneshot::channel();
        handovers.offer(chunked).take_over(move |taken| sender.send(taken).unwrap());
        assert!(receiver.try_recv().is_err() && !handovers.taken_over(), "the head is not written yet");
        let flushed = poll_fn(|cx| Pin::new(&mut server).poll_flush(cx)).await;
        assert!(flushed.is_err() && handovers.taken_over(), "the server finds the stream gone");
        (receiver.await.unwrap(), far)
    }

    async fn read(client: &mut UnixStream) -> String {
        let mut buffer = [0; 256];
        let length = client.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_sent_something_and_nobody_else_is() {
        let (taken, mut client) = taken(true).await;
        let (response, driver) = ResponseStream::new(taken);
        let idle = Idle { interval: Duration::from_secs(20), chunk: Chunk::new(b":\n\n") };
        let driver = tokio::spawn(driver.run(Some(Arc::new(idle)), || {}));
        let start = Instant::now();
        assert_eq!(read(&mut client).await, "3\r\n:\n\n\r\n");
        assert_eq!(start.elapsed().as_secs(), 20);
        tokio::time::sleep(Duration::from_secs(15)).await;
        response.send(&Chunk::new(b"1")).unwrap();
        assert_eq!(read(&mut client).await, "1\r\n1\r\n");
        assert_eq!(read(&mut client).await, "3\r\n:\n\n\r\n");
        assert_eq!(start.elapsed().as_secs(), 55);
        response.end_after(&Chunk::new(b"last"));
        assert_eq!(response.send(&Chunk::new(b"2")), Err(WriteError::Closed));
        assert_eq!(read(&mut client).await, "4\r\nlast\r\n0\r\n\r\n");
        assert_eq!(read(&mut client).await, "", "its end");
        assert!(!driver.is_finished(), "a client has time to read");
        drop(client);
        driver.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_go_is_left_behind() {
        let (taken, mut client) = taken(false).await;
        let (response, driver) = ResponseStream::new(taken);
        let driver = tokio::spawn(driver.run(None, || {}));
        response.send(&Chunk::new(b"1")).unwrap();
        response.end();
        let start = Instant::now();
        driver.await.unwrap();
        assert_eq!(start.elapsed(), CLOSE_TIMEOUT);
        assert_eq!(read(&mut client).await, "1");
        assert_eq!(read(&mut client).await, "");
    }

    #[tokio::test]
    async fn what_is_not_taken_is_asked_for_when_there_is_room() {
        let (taken, mut client) = taken(true).await;
        let (response, driver) = ResponseStream::new(taken);
        let (room, mut roomy) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(driver.run(None, move || room.send(()).unwrap()));
        let chunk = Chunk::new(&[b'x'; 100_000]);
        let mut sent = 0;
        while response.send(&chunk).is_ok() {
            sent += 1;
        }
        assert!(roomy.try_recv().is_err());
        let mut all = vec![0; sent * (100_000 + 9)];
        client.read_exact(&mut all).await.unwrap();
        roomy.recv().await.unwrap();
        assert!(response.is_clear());
    }
}
