//! Bytes to messages.
//!
//! [`Decoder`] is fed what was read, in any pieces. A frame that lies whole in the input is unmasked in place and lent
//! from there; the decoder keeps bytes only of a frame or a fragmented message that is not complete.

pub use super::error::DecodeError;
pub use super::header::Role;
use super::header::{self, Header};
use super::opcode::Opcode;
use super::{mask, utf8};
use crate::close_code;

/// What arrived. Payloads are lent until the next call of [`Decoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered by a pong of the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame. The peer sends nothing after it; the decoder does not enforce that.
    Close {
        /// As sent, or [`close_code::NO_STATUS`] for a frame without one.
        code: u16,
        /// As sent, for people to read.
        reason: &'a str,
    },
}

/// Turns one direction of a connection's bytes into [`Event`]s.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    message_bytes_max: usize,
    /// Boxed and absent between messages, so that an idle connection pays for a pointer.
    partial: Option<Box<Partial>>,
}

impl Decoder {
    /// A decoder that refuses messages over `message_bytes_max` bytes, fragments taken together.
    #[must_use]
    pub fn new(role: Role, message_bytes_max: usize) -> Self {
        Self { role, message_bytes_max, partial: None }
    }

    /// Takes bytes from the front of `input` until an event is complete or the input is used up.
    ///
    /// Returns how many bytes were taken, and the event. Call again with the rest until there is no event: then all
    /// of `input` was taken. `input` is overwritten (unmasked in place).
    ///
    /// # Errors
    ///
    /// The peer broke the protocol. Close with [`DecodeError::close_code`] and drop the decoder.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8]) -> Result<(usize, Option<Event<'a>>), DecodeError> {
        self.partial.take_if(|partial| {
            partial.take_back();
            partial.is_idle()
        });
        let mut at = 0;
        loop {
            if !self.in_frame() {
                let (taken, header) = self.read_header(&input[at..])?;
                at += taken;
                let Some(header) = header else { return Ok((at, None)) };
                self.check(header)?;

                // A control frame may stand inside a message; any other frame lies here alone when it is whole.
                let alone =
                    header.opcode.is_control() || (header.fin && header.opcode != Opcode::Continuation);
                if alone && input.len() - at >= header.payload_len {
                    let end = at + header.payload_len;
                    let payload = &mut input[at..end];
                    mask::apply(payload, header.mask);
                    return Ok((end, Some(event(header.opcode, payload)?)));
                }
                self.partial().start(header);
            }
            let (taken, complete) = self.partial().read_payload(&mut input[at..])?;
            at += taken;
            match complete {
                Complete::Nothing => return Ok((at, None)),
                Complete::Fragment => {}
                Complete::Control(opcode) => return Ok((at, Some(event(opcode, &self.partial().control)?))),
                Complete::Message(opcode) => return Ok((at, Some(event(opcode, &self.partial().message)?))),
            }
        }
    }

    /// Bytes kept of an incomplete frame or message.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            usize::from(partial.header_len) + partial.message.len() + partial.control.len()
        })
    }

    fn partial(&mut self) -> &mut Partial {
        self.partial.get_or_insert_default()
    }

    fn in_frame(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.frame.is_some())
    }

    fn read_header(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), DecodeError> {
        match &mut self.partial {
            Some(partial) if partial.header_len > 0 => partial.read_header(input, self.role),
            _ => {
                let header = Header::parse(input, self.role)?;
                if let Some(header) = header {
                    return Ok((header.size, Some(header)));
                }
                if !input.is_empty() {
                    self.partial().keep_header(input);
                }
                Ok((input.len(), None))
            }
        }
    }

    /// Refuses a frame for its place in the message and for the message's size, before anything is kept of it.
    fn check(&self, header: Header) -> Result<(), DecodeError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let under_way = self.partial.as_ref().filter(|partial| partial.kind.is_some());
        match header.opcode {
            Opcode::Continuation if under_way.is_none() => return Err(DecodeError::UnexpectedContinuation),
            Opcode::Text | Opcode::Binary if under_way.is_some() => {
                return Err(DecodeError::ExpectedContinuation);
            }
            _ => {}
        }
        let so_far = under_way.map_or(0, |partial| partial.message.len());
        if header.payload_len > self.message_bytes_max.saturating_sub(so_far) {
            return Err(DecodeError::MessageTooBig { bytes_max: self.message_bytes_max });
        }
        Ok(())
    }
}

fn event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, DecodeError> {
    match opcode {
        Opcode::Text => text(payload).map(Event::Text),
        Opcode::Binary | Opcode::Continuation => Ok(Event::Binary(payload)),
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        Opcode::Close => close(payload),
    }
}

fn text(payload: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(payload).map_err(|_| DecodeError::InvalidUtf8)
}

fn close(payload: &[u8]) -> Result<Event<'_>, DecodeError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Event::Close { code: close_code::NO_STATUS, reason: "" })
        } else {
            Err(DecodeError::CloseTooShort)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !close_code::may_be_sent(code) {
        return Err(DecodeError::CloseCodeReserved(code));
    }
    Ok(Event::Close { code, reason: text(reason)? })
}

/// What is kept between two reads.
#[derive(Debug, Default)]
struct Partial {
    header: [u8; header::BYTES_MAX],
    /// Bytes of `header` that have arrived; 0 when no header is cut.
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// Text or binary, from a message's first frame to its last.
    kind: Option<Opcode>,
    text: utf8::Progress,
    message: Vec<u8>,
    control: Vec<u8>,
    /// Which buffer the last event was lent from.
    lent: Lent,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    remaining: usize,
    mask: [u8; 4],
}

#[derive(Debug, Default)]
enum Lent {
    #[default]
    Nothing,
    Control,
    Message,
}

enum Complete {
    Nothing,
    Fragment,
    Control(Opcode),
    Message(Opcode),
}

impl Partial {
    /// Frees what the last event was lent from.
    fn take_back(&mut self) {
        match self.lent {
            Lent::Nothing => {}
            Lent::Control => self.control = Vec::new(),
            Lent::Message => {
                self.message = Vec::new();
                self.kind = None;
                self.text = utf8::Progress::default();
            }
        }
        self.lent = Lent::Nothing;
    }

    /// Whether the stream stands between two messages.
    fn is_idle(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.kind.is_none()
    }

    /// Copies as much as a header can take. Returns how many bytes that was.
    fn keep_header(&mut self, input: &[u8]) -> usize {
        let start = usize::from(self.header_len);
        let taken = input.len().min(header::BYTES_MAX - start);
        self.header[start..start + taken].copy_from_slice(&input[..taken]);
        self.header_len += taken as u8;
        taken
    }

    fn read_header(&mut self, input: &[u8], role: Role) -> Result<(usize, Option<Header>), DecodeError> {
        let before = usize::from(self.header_len);
        let taken = self.keep_header(input);
        let header = Header::parse(&self.header[..before + taken], role)?;
        let Some(header) = header else { return Ok((taken, None)) };
        self.header_len = 0;
        Ok((header.size - before, Some(header)))
    }

    fn start(&mut self, header: Header) {
        if matches!(header.opcode, Opcode::Text | Opcode::Binary) {
            self.kind = Some(header.opcode);
        }
        let Header { fin, opcode, payload_len, mask, .. } = header;
        self.frame = Some(Frame { opcode, fin, remaining: payload_len, mask });
    }

    /// Takes as much of the frame's payload as there is.
    fn read_payload(&mut self, input: &mut [u8]) -> Result<(usize, Complete), DecodeError> {
        let Some(frame) = &mut self.frame else { return Ok((0, Complete::Nothing)) };
        let taken = frame.remaining.min(input.len());
        let payload = &mut input[..taken];
        mask::apply(payload, frame.mask);
        frame.mask = mask::rotate(frame.mask, taken);
        frame.remaining -= taken;

        let control = frame.opcode.is_control();
        if control {
            self.control.extend_from_slice(payload);
        } else {
            self.message.extend_from_slice(payload);
            if self.kind == Some(Opcode::Text) && !self.text.advance(&self.message) {
                return Err(DecodeError::InvalidUtf8);
            }
        }
        if frame.remaining > 0 {
            return Ok((taken, Complete::Nothing));
        }
        let (opcode, fin) = (frame.opcode, frame.fin);
        self.frame = None;
        let complete = match self.kind {
            _ if control => {
                self.lent = Lent::Control;
                Complete::Control(opcode)
            }
            Some(kind) if fin => {
                self.lent = Lent::Message;
                Complete::Message(kind)
            }
            _ => Complete::Fragment,
        };
        Ok((taken, complete))
    }
}
