//! One browser's connection, as cheap as can be: nothing is allocated or copied for a delivery.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::net::TcpStream;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::frame;
use crate::http::{Body, Head};
use crate::message::{Messages, Stamp};
use crate::polling;
use crate::preset::{ACCEPT, Preset, Reaction};
use crate::sequence::Sequence;
use crate::tally::{Role, Tally};
use crate::url::Url;

/// A line that is longer is no SockJS frame of messages as small as these.
const LINE_BYTES_MAX: usize = 16 << 20;

/// What one stalled reader's kernel may take before the server has to keep the rest.
const STALLED_RECEIVE_BYTES: usize = 4096;
const READING_RECEIVE_BYTES: usize = 1 << 20;

/// The generator's clock: nanoseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) preset: Preset,
    pub(crate) targets: Vec<Url>,
    pub(crate) messages: Messages,
    pub(crate) clock: Clock,
    /// Unlike that of other runs.
    pub(crate) run: u32,
}

/// Where what one read brings is counted.
pub(crate) struct Sink<'a> {
    pub(crate) tally: &'a mut Tally,
    pub(crate) role: Role,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The answer was full; the session goes on with another request, on a new connection.
    NextRequest,
    Over(String),
}

/// Where in the server's bytes a connection is.
#[derive(Debug)]
enum Stage {
    Head,
    Frames,
    Stream(Body),
}

/// One connection.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) sequence: Sequence,
    pub(crate) started_ns: u64,
    open: bool,
    stage: Stage,
    /// Where a welcome, or the last answer to a poll, put it.
    pub(crate) cursor: Option<String>,
    /// Names the SockJS session, and the target.
    session: usize,
    /// Sent as soon as the server is ready for messages.
    subscribe: Option<String>,
    unsent: Vec<u8>,
    /// The beginning of a frame whose end has not come.
    kept: Vec<u8>,
    /// The beginning of a streamed line whose end has not come.
    line: Vec<u8>,
    /// The server takes no other request on this connection.
    last_request: bool,
}

impl Client {
    /// Starts to connect.
    pub(crate) fn start(
        shared: &Shared,
        session: usize,
        role: Role,
        sequence: Sequence,
        subscribe: Option<String>,
        cursor: Option<String>,
    ) -> io::Result<Self> {
        let url = &shared.targets[session % shared.targets.len()];
        let mut connection = Self {
            socket: dial(url.address, session / shared.targets.len(), role)?,
            sequence,
            started_ns: shared.clock.now_ns(),
            open: false,
            stage: Stage::Head,
            cursor,
            session,
            subscribe,
            unsent: Vec::new(),
            kept: Vec::new(),
            line: Vec::new(),
            last_request: false,
        };
        connection.request(shared);
        Ok(connection)
    }

    /// Goes on with the session on a new connection.
    pub(crate) fn restart(&mut self, shared: &Shared, role: Role) -> io::Result<()> {
        let url = &shared.targets[self.session % shared.targets.len()];
        self.socket = dial(url.address, self.session / shared.targets.len(), role)?;
        self.stage = Stage::Head;
        self.kept.clear();
        self.unsent.clear();
        self.request(shared);
        Ok(())
    }

    /// Whether messages come.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes in as much at once as any browser does, if it did not before.
    pub(crate) fn read_fast(&self) {
        // Where that fails it is merely slower.
        let _ = SockRef::from(&self.socket).set_recv_buffer_size(READING_RECEIVE_BYTES);
    }

    /// Writes what waits. Before the connection is made, nothing is written and nothing is wrong. Who has asked, and is
    /// answered by messages alone, is open.
    pub(crate) fn flush(&mut self, shared: &Shared) -> Result<(), Ending> {
        if let Ok(Some(error)) = self.socket.take_error() {
            return Err(over(&error));
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(bytes) => drop(self.unsent.drain(..bytes)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(over(&error)),
            }
        }
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            self.open |= shared.preset.polling().is_some();
        }
        Ok(())
    }

    /// Reads until the socket is empty, into `scratch`. `closed`: the server sends no more after that.
    #[inline]
    pub(crate) fn read(
        &mut self,
        shared: &Shared,
        scratch: &mut [u8],
        closed: bool,
        mut sink: Sink<'_>,
    ) -> Result<(), Ending> {
        loop {
            let before = self.kept.len();
            if before >= scratch.len() {
                return Err(Ending::Over("a frame is larger than the read buffer".into()));
            }
            scratch[..before].copy_from_slice(&self.kept);
            let bytes = match self.socket.read(&mut scratch[before..]) {
                Ok(0) => return Err(self.end_of_stream(shared)),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(over(&error)),
            };
            sink.tally.bytes += bytes as u64;
            let input = &scratch[..before + bytes];
            let taken = self.take(shared, input, &mut sink)?;
            if taken < input.len() || before > 0 {
                self.kept.clear();
                self.kept.extend_from_slice(&input[taken..]);
            }
            // A short read has emptied the socket; the next byte raises a new event (epoll(7), edge-triggered).
            if input.len() < scratch.len() && !closed {
                return Ok(());
            }
        }
    }

    fn end_of_stream(&self, shared: &Shared) -> Ending {
        let between_requests = shared.preset.streams() && self.open && matches!(self.stage, Stage::Head);
        if between_requests { Ending::NextRequest } else { Ending::Over("closed without a word".into()) }
    }

    fn take(&mut self, shared: &Shared, input: &[u8], sink: &mut Sink<'_>) -> Result<usize, Ending> {
        let now_ns = shared.clock.now_ns();
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let taken = match self.stage {
                Stage::Head => self.take_head(shared, rest)?,
                Stage::Frames => self.take_frame(shared, rest, now_ns, sink)?,
                Stage::Stream(_) => self.take_stream(shared, rest, now_ns, sink)?,
            };
            at += taken;
            if taken == 0 {
                return Ok(at);
            }
        }
    }

    fn take_head(&mut self, shared: &Shared, input: &[u8]) -> Result<usize, Ending> {
        let Some((head, taken)) = Head::first(input).map_err(|error| Ending::Over(error.to_string()))? else {
            return Ok(0);
        };
        self.last_request = head.last;
        if shared.preset.streams() {
            let polling = shared.preset.polling();
            if head.status != 200 && !(polling.is_some() && polling::goes_on(head.status)) {
                return Err(Ending::Over(format!("HTTP {}", head.status)));
            }
            if let Some(form) = polling {
                self.cursor = form.place(&input[..taken]).or(self.cursor.take());
            }
            self.stage = Stage::Stream(head.body);
            return Ok(taken);
        }
        if head.status != 101 || head.websocket_accept.as_deref() != Some(ACCEPT) {
            return Err(Ending::Over(format!("no WebSocket: HTTP {}", head.status)));
        }
        self.stage = Stage::Frames;
        self.react(shared, shared.preset.opened(self.cursor.as_deref()))?;
        Ok(taken)
    }

    #[inline]
    fn take_frame(
        &mut self,
        shared: &Shared,
        input: &[u8],
        now_ns: u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize, Ending> {
        let frame = frame::first(input).map_err(|error| Ending::Over(error.to_string()))?;
        let Some((frame, taken)) = frame else { return Ok(0) };
        match frame.opcode {
            frame::PING => self.send(shared, frame::PONG, frame.payload)?,
            frame::PONG => {}
            frame::CLOSE => {
                return Err(Ending::Over(format!("closed with code {}", frame::close_code(frame.payload))));
            }
            _ => self.text(shared, frame.payload, now_ns, sink)?,
        }
        Ok(taken)
    }

    fn take_stream(
        &mut self,
        shared: &Shared,
        input: &[u8],
        now_ns: u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize, Ending> {
        let Stage::Stream(body) = &mut self.stage else { return Ok(0) };
        let (taken, piece) = body.take(input).map_err(|error| Ending::Over(error.to_string()))?;
        let done = body.is_done();
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if self.line.is_empty() && part.ends_with(b"\n") {
                self.text(shared, part, now_ns, sink)?;
                continue;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.text(shared, &line, now_ns, sink)?;
            } else if self.line.len() > LINE_BYTES_MAX {
                return Err(Ending::Over("a line over 16 MiB".into()));
            }
        }
        if done {
            // The body of a poll is a message without an end of line.
            if !self.line.is_empty() {
                let line = std::mem::take(&mut self.line);
                self.text(shared, &line, now_ns, sink)?;
            }
            if self.last_request {
                return Err(Ending::NextRequest);
            }
            self.stage = Stage::Head;
            self.request(shared);
            self.flush(shared)?;
        }
        Ok(taken)
    }

    #[inline]
    fn text(&mut self, shared: &Shared, text: &[u8], now_ns: u64, sink: &mut Sink<'_>) -> Result<(), Ending> {
        let sequence = &mut self.sequence;
        let count = |stamp: Stamp| sink.tally.arrived(sink.role, sequence, stamp, now_ns);
        let heard = self.open || !shared.preset.welcomes();
        if heard && shared.messages.find(text, count) > 0 {
            return Ok(());
        }
        self.cursor = shared.preset.cursor(text).or(self.cursor.take());
        self.react(shared, shared.preset.read(text))
    }

    fn react(&mut self, shared: &Shared, reaction: Reaction) -> Result<(), Ending> {
        match reaction {
            Reaction::Nothing => Ok(()),
            Reaction::Ready => {
                self.open = true;
                match self.subscribe.take() {
                    Some(subscribe) => self.send(shared, frame::TEXT, subscribe.as_bytes()),
                    None => Ok(()),
                }
            }
            Reaction::Send(text) => self.send(shared, frame::TEXT, text.as_bytes()),
            Reaction::End(reason) => Err(Ending::Over(reason)),
        }
    }

    fn send(&mut self, shared: &Shared, opcode: u8, payload: &[u8]) -> Result<(), Ending> {
        frame::put_client(&mut self.unsent, opcode, payload);
        self.flush(shared)
    }

    fn request(&mut self, shared: &Shared) {
        let url = &shared.targets[self.session % shared.targets.len()];
        let session = format!("{:08x}{:08x}", shared.run, self.session);
        let request = shared.preset.request(url, &session, self.cursor.as_deref());
        self.unsent.extend_from_slice(request.as_bytes());
    }
}

fn over(error: &io::Error) -> Ending {
    Ending::Over(error.kind().to_string())
}

/// Ports of one source address that may be taken at once, well below the usual range of 28,000.
const PORTS_PER_SOURCE: usize = 20_000;

/// Starts a connection, the `number`th to this address, without waiting for it.
fn dial(address: SocketAddr, number: usize, role: Role) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if role == Role::Stalled {
        socket.set_recv_buffer_size(STALLED_RECEIVE_BYTES)?;
    }
    // One address has too few ports; this machine has many addresses.
    let source = number / PORTS_PER_SOURCE;
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
        && source > 0
    {
        let source = Ipv4Addr::new(127, 0, (source / 250) as u8, (source % 250 + 1) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
