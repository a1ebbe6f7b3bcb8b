//! What the driver does in one turn: reads, the outbox's rest, the closing handshake, the heartbeat.

use std::borrow::Cow;
use std::io;
use std::mem;
use std::net::Shutdown;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use pushnote_net::{LATE, Stage, after};
use tokio::time::{Instant, Sleep};

use super::disconnected::{Cause, Disconnected};
use super::event::Event;
use super::heartbeat::{Beat, Heartbeat};
use super::scratch;
use super::writer::Socket;
use crate::close_code;
use crate::codec::decode::{self, Decoder, Role};
use crate::codec::encode::{Frames, FramesMut};

/// Reads per turn, so that a peer that never pauses leaves its thread to others.
const READS_PER_TURN: usize = 2;

/// A socket that ends with whoever reads it.
#[derive(Debug)]
pub(super) struct OpenSocket(pub(super) Arc<Socket>);

impl Deref for OpenSocket {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.0
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.writer.finish();
    }
}

pub(super) struct Running<F> {
    socket: OpenSocket,
    read_ahead: Bytes,
    decoder: Decoder,
    on_event: F,
    heartbeat: Heartbeat,
    reading: Reading,
    /// The timer has become that of the closing handshake.
    closing: bool,
}

/// What is done with bytes from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Messages,
    /// After an error they cannot be understood. But to leave them unread would make the kernel reset the connection,
    /// and our close frame might be lost.
    Discarding,
    /// After its close frame the peer sends nothing.
    Nothing,
}

/// How a connection comes to its end.
enum End {
    /// Both close frames were sent.
    Handshake,
    /// The stream is at its end, or broken.
    Lost,
    /// The closing handshake took too long.
    TimedOut,
}

impl<F> Running<F>
where
    F: FnMut(Event<'_>) -> ControlFlow<(u16, Cow<'static, str>)>,
{
    pub(super) fn new(socket: OpenSocket, read_ahead: Bytes, on_event: F) -> Self {
        Self {
            decoder: Decoder::new(Role::Server, socket.options.message_bytes_max),
            heartbeat: Heartbeat::new(Instant::now()),
            reading: Reading::Messages,
            closing: false,
            socket,
            read_ahead,
            on_event,
        }
    }

    /// When the timer is to fire: for the next ping, or for the idle frame before it.
    pub(super) fn beat_at(&self) -> Instant {
        self.or_idle(self.heartbeat.ping_at(&self.socket.options))
    }

    fn or_idle(&self, at: Instant) -> Instant {
        self.socket.idle_at().map_or(at, |idle_at| at.min(idle_at))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<Disconnected> {
        match self.turn(cx, timer) {
            Continue(()) => Poll::Pending,
            Break(end) => Poll::Ready(self.finish(&end)),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> ControlFlow<End> {
        self.read(cx, timer.as_mut())?;
        let flushed = self.drain(cx, timer.as_mut())?;
        self.tell_room();
        self.go_on_closing(flushed, timer.as_mut())?;
        self.tick(cx, timer)
    }

    fn read(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> ControlFlow<End> {
        if !self.read_ahead.is_empty() {
            let mut bytes = std::mem::take(&mut self.read_ahead).to_vec();
            self.receive(&mut bytes);
        }
        for _ in 0..READS_PER_TURN {
            if self.reading == Reading::Nothing {
                return Continue(());
            }
            match self.socket.writer.stream().poll_read_ready(cx) {
                Poll::Pending => return Continue(()),
                Poll::Ready(Err(_)) => return Break(End::Lost),
                Poll::Ready(Ok(())) => {}
            }
            scratch::lend(|buffer| match self.socket.writer.stream().try_read(buffer) {
                Ok(0) => Break(End::Lost),
                Ok(count) => {
                    self.alive(timer.as_mut());
                    self.receive(&mut buffer[..count]);
                    Continue(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Continue(()),
                Err(_) => Break(End::Lost),
            })?;
        }
        cx.waker().wake_by_ref();
        Continue(())
    }

    /// Handles what was read: messages to the handler, pings to pongs, errors and close frames to a close.
    fn receive(&mut self, bytes: &mut [u8]) {
        if self.reading == Reading::Discarding {
            return;
        }
        let Self { socket, decoder, on_event, reading, .. } = self;
        let mut pongs = FramesMut::default();
        let mut open = socket.writer.stage() == Stage::Open;
        let mut deliver = |message: Event<'_>, pongs: &mut FramesMut| {
            if open {
                // In the peer's order: an answer to this message must not overtake the pongs before it.
                flush(socket, pongs);
                if let Break((code, reason)) = on_event(message) {
                    open = false;
                    socket.close(code, &reason);
                }
            }
        };
        let mut at = 0;
        loop {
            let event = match decoder.decode(&mut bytes[at..]) {
                Ok((_, None)) => return flush(socket, &mut pongs),
                Ok((taken, Some(event))) => {
                    at += taken;
                    event
                }
                Err(error) => {
                    *reading = Reading::Discarding;
                    flush(socket, &mut pongs);
                    return socket.begin_close(Cause::ProtocolError, error.close_code(), &error.to_string());
                }
            };
            match event {
                decode::Event::Text(text) => deliver(Event::Text(text), &mut pongs),
                decode::Event::Binary(bytes) => deliver(Event::Binary(bytes), &mut pongs),
                decode::Event::Ping(payload) => pongs.pong(payload),
                decode::Event::Pong(_) => {}
                decode::Event::Close { code, reason } => {
                    *reading = Reading::Nothing;
                    flush(socket, &mut pongs);
                    return socket.begin_close(Cause::PeerClosed, code, reason);
                }
            }
        }
    }

    /// Writes what waits, until the kernel refuses. `true`: nothing waits any more.
    fn drain(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> ControlFlow<End, bool> {
        let mut taken = false;
        let drained = self.socket.writer.poll_drain(cx, || taken = true);
        if taken {
            self.alive(timer.as_mut());
        }
        match drained {
            Poll::Ready(Ok(())) => Continue(true),
            Poll::Ready(Err(_)) => Break(End::Lost),
            Poll::Pending => Continue(false),
        }
    }

    fn tell_room(&mut self) {
        let socket = &self.socket;
        if socket.writer.take_room()
            && let Break((code, reason)) = (self.on_event)(Event::Room)
        {
            socket.close(code, &reason);
        }
    }

    fn go_on_closing(&mut self, flushed: bool, timer: Pin<&mut Sleep>) -> ControlFlow<End> {
        match self.socket.writer.stage() {
            Stage::Open => return Continue(()),
            Stage::Ending => {}
            Stage::Over => return Break(End::Lost),
        }
        if !self.closing {
            self.closing = true;
            timer.reset(after(Instant::now(), self.socket.options.close_timeout));
        }
        match self.reading {
            Reading::Nothing if flushed => Break(End::Handshake),
            Reading::Discarding if flushed => {
                // We fail the connection (RFC 6455, 7.1.7): the peer's FIN, or the timer, ends it.
                self.socket.writer.stream().shut_down(Shutdown::Write);
                Continue(())
            }
            Reading::Messages | Reading::Discarding | Reading::Nothing => Continue(()),
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> ControlFlow<End> {
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.closing {
                if now < timer.deadline() + LATE {
                    return Break(End::TimedOut);
                }
                // The peer's answer may lie unread: it has its time while this process runs.
                timer.as_mut().reset(after(now, self.socket.options.close_timeout));
                continue;
            }
            let socket = &self.socket;
            socket.beat(now);
            match self.heartbeat.beat(now, &socket.options) {
                Beat::Wait(until) => timer.as_mut().reset(self.or_idle(until)),
                Beat::Ping(until) => {
                    timer.as_mut().reset(self.or_idle(until));
                    socket.send_control(&Frames::PING);
                }
                Beat::Dead => {
                    // This wakes us for the closing handshake, which sets the timer.
                    socket.begin_close(Cause::NoPong, close_code::NO_PONG, close_code::NO_PONG_REASON);
                    break;
                }
            }
        }
        Continue(())
    }

    fn alive(&mut self, timer: Pin<&mut Sleep>) {
        if self.heartbeat.alive(Instant::now()) && !self.closing {
            timer.reset(self.beat_at());
        }
    }

    fn finish(&mut self, end: &End) -> Disconnected {
        let socket = &self.socket;
        if matches!(end, End::TimedOut) {
            // What the kernel still holds for a peer that does not take it is thrown away, not kept for minutes.
            socket.writer.stream().discard_at_end();
        }
        let mut disconnected = socket.writer.finish().unwrap_or(Disconnected {
            code: close_code::ABNORMAL,
            reason: "".into(),
            clean: false,
            cause: Cause::Reset,
        });
        match end {
            End::Handshake => disconnected.clean = true,
            End::TimedOut if disconnected.cause == Cause::WeClosed => {
                disconnected.cause = Cause::CloseTimeout
            }
            End::TimedOut | End::Lost => {}
        }
        disconnected
    }
}

/// Sends the pongs gathered so far.
fn flush(socket: &Socket, pongs: &mut FramesMut) {
    if !pongs.is_empty() {
        socket.send_control(&mem::take(pongs).freeze());
    }
}
