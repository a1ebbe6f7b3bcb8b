//! Publishers and subscribers without a ZeroMQ library.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Subscriptions have no acknowledgement.
const SETTLE: Duration = Duration::from_millis(200);
/// So often a subscriber that hears nothing looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// A relay to be loaded.
pub(crate) struct Target {
    zmtp: bool,
    sub: String,
    r#pub: String,
}

impl Target {
    pub(crate) fn new(protocol: &str, sub: &str, r#pub: &str) -> Self {
        Target { zmtp: protocol == "zmtp", sub: sub.to_owned(), r#pub: r#pub.to_owned() }
    }

    /// Subscribers to everything, and a publisher.
    pub(crate) fn connect(&self, subscribers: usize) -> (TcpStream, Vec<TcpStream>) {
        let subscriber = |_| {
            let mut stream = self.greeted(&self.r#pub, "SUB");
            if self.zmtp {
                stream.write_all(&[0, 1, 1]).unwrap();
            }
            stream.set_read_timeout(Some(LOOK)).unwrap();
            stream
        };
        let subscribers = (0..subscribers).map(subscriber).collect();
        let publisher = self.greeted(&self.sub, "PUB");
        std::thread::sleep(SETTLE);
        (publisher, subscribers)
    }

    fn greeted(&self, address: &str, socket_type: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        if self.zmtp {
            greet(&mut stream, socket_type);
        }
        stream
    }
}

/// ZMTP 3.0, whose peers are not asked for signs of life.
fn greet(stream: &mut TcpStream, socket_type: &str) {
    let mut greeting = [0; 64];
    greeting[..12].copy_from_slice(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0");
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    let mut ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03".to_vec();
    ready.extend_from_slice(socket_type.as_bytes());
    stream.write_all(&ready).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    stream.read_exact(&mut vec![0; head[1].into()]).unwrap();
}

/// Messages of one size, framed as ZMTP has it; the first eight bytes of each are a number.
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    head_bytes: usize,
    frame_bytes: usize,
}

impl Frames {
    pub(crate) fn new(message_bytes: usize, count: usize) -> Self {
        let mut frame = match u8::try_from(message_bytes) {
            Ok(short) => vec![0, short],
            Err(_) => [&[2][..], &(message_bytes as u64).to_be_bytes()].concat(),
        };
        let head_bytes = frame.len();
        frame.resize(head_bytes + message_bytes, b'x');
        Frames { frame_bytes: frame.len(), head_bytes, bytes: frame.repeat(count) }
    }

    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    pub(crate) fn number(&mut self, next: impl FnMut() -> u64) {
        let frames = self.bytes.chunks_exact_mut(self.frame_bytes);
        frames.zip(std::iter::repeat_with(next)).for_each(|(frame, number)| {
            frame[self.head_bytes..self.head_bytes + 8].copy_from_slice(&number.to_ne_bytes());
        });
    }
}

/// Takes apart what a subscriber receives.
pub(crate) struct Reader {
    model: Frames,
    buffer: Vec<u8>,
    filled: usize,
}

impl Reader {
    pub(crate) fn new(message_bytes: usize, buffer_bytes: usize) -> Self {
        Reader { model: Frames::new(message_bytes, 1), buffer: vec![0; buffer_bytes], filled: 0 }
    }

    /// Reads once and gives the number of each whole message; `None` for one that is not framed as it was sent.
    /// Returns the bytes that came.
    pub(crate) fn read(&mut self, mut stream: &TcpStream, mut message: impl FnMut(Option<u64>)) -> usize {
        let Ok(bytes) = stream.read(&mut self.buffer[self.filled..]) else { return 0 };
        self.filled += bytes;
        let Frames { bytes: model, head_bytes, frame_bytes } = &self.model;
        let whole = self.filled - self.filled % frame_bytes;
        for frame in self.buffer[..whole].chunks_exact(*frame_bytes) {
            let (head, body) = frame.split_at(*head_bytes);
            let number = u64::from_ne_bytes(*body.first_chunk().unwrap());
            message((head == &model[..*head_bytes]).then_some(number));
        }
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        bytes
    }
}
