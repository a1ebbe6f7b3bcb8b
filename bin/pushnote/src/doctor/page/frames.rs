//! SockJS's frames, out of what a transport puts around them.

use std::io::Write;

use flate2::write::GzDecoder;
use percent_encoding::percent_decode;
use serde_json::Value;

/// What waits for its end, in bytes: more than any server's frame has.
const WAITING_BYTES_MAX: usize = 256 << 10;
/// Compressed, in bytes, before it is looked at how much it has become.
const PIECE_BYTES: usize = 256;

#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    Open,
    Heartbeat,
    Messages(Vec<Value>),
    Close(u16, String),
}

/// What stands around each frame. Each has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    Plain,
    Event,
    /// A call of a function of this name, with the frame as a string.
    Call(&'static str),
}

/// What came, and is no frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// What came, as far as it has not been asked for.
#[derive(Debug)]
pub(super) struct Frames {
    wrapping: Wrapping,
    waiting: Vec<u8>,
    gzip: Option<GzDecoder<Vec<u8>>>,
}

impl Frames {
    pub(super) fn new(wrapping: Wrapping) -> Self {
        Self { wrapping, waiting: Vec::new(), gzip: None }
    }

    /// From here on it is compressed.
    pub(super) fn unzip(&mut self) {
        self.gzip = Some(GzDecoder::new(Vec::new()));
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Garbage> {
        match &mut self.gzip {
            None => self.waiting.extend_from_slice(bytes),
            Some(gzip) => {
                for piece in bytes.chunks(PIECE_BYTES) {
                    gzip.write_all(piece).and_then(|()| gzip.flush()).map_err(|_| Garbage)?;
                    self.waiting.append(gzip.get_mut());
                    if self.waiting.len() > WAITING_BYTES_MAX {
                        return Err(Garbage);
                    }
                }
            }
        }
        if self.waiting.len() > WAITING_BYTES_MAX { Err(Garbage) } else { Ok(()) }
    }

    /// Whether a frame may be there.
    pub(super) fn has_any(&self) -> bool {
        self.waiting.contains(&b'\n')
    }

    /// The next frame that is whole.
    pub(super) fn next(&mut self) -> Option<Result<Frame, Garbage>> {
        loop {
            let end = self.waiting.iter().position(|&byte| byte == b'\n')?;
            let line: Vec<u8> = self.waiting.drain(..=end).collect();
            if let Some(frame) = self.wrapping.unwrap(line.trim_ascii()) {
                return Some(Frame::parse(&frame));
            }
        }
    }
}

impl Wrapping {
    /// The frame of a line that has one.
    fn unwrap(self, line: &[u8]) -> Option<Vec<u8>> {
        match self {
            // What xhr_streaming begins with is many times the heartbeat.
            Self::Plain if line.is_empty() || line.starts_with(b"hh") => None,
            Self::Plain => Some(line.to_vec()),
            Self::Event => Some(percent_decode(line.strip_prefix(b"data: ")?).collect()),
            Self::Call(name) => {
                let line = line.strip_prefix(b"/**/").unwrap_or(line);
                let string = line.strip_prefix(name.as_bytes())?.strip_prefix(b"(")?.strip_suffix(b");")?;
                serde_json::from_slice::<String>(string).ok().map(String::into_bytes)
            }
        }
    }
}

impl Frame {
    pub(super) fn parse(frame: &[u8]) -> Result<Self, Garbage> {
        match frame {
            b"o" => Ok(Self::Open),
            b"h" => Ok(Self::Heartbeat),
            [b'a', values @ ..] => serde_json::from_slice(values).map(Self::Messages).map_err(|_| Garbage),
            [b'c', close @ ..] => serde_json::from_slice(close)
                .map(|(code, reason)| Self::Close(code, reason))
                .map_err(|_| Garbage),
            _ => Err(Garbage),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use serde_json::json;

    use super::*;

    fn all(frames: &mut Frames) -> Vec<Result<Frame, Garbage>> {
        std::iter::from_fn(|| frames.next()).collect()
    }

    #[test]
    fn each_wrapping_comes_off_in_whatever_pieces_it_comes() {
        let expected = [
            Frame::Open,
            Frame::Heartbeat,
            Frame::Messages(vec![json!("a%\n"), json!({"b": 1})]),
            Frame::Close(3000, "Go away!".to_owned()),
        ];
        let prelude = "h".repeat(2048);
        let plain = format!("{prelude}\no\nh\na[\"a%\\n\",{{\"b\":1}}]\nc[3000,\"Go away!\"]\n");
        let events = "\r\ndata: o\r\n\r\ndata: h\r\n\r\ndata: a[\"a%25\\n\",{\"b\":1}]\r\n\r\ndata: c[3000,\"Go away!\"]\r\n\r\n";
        let calls = r#"<script>
p("o");
</script>
p("h");
p("a[\"a%\\n\",{\"b\":1}]");
/**/p("c[3000,\"Go away!\"]");
"#;
        for (wrapping, text) in
            [(Wrapping::Plain, plain.as_str()), (Wrapping::Event, events), (Wrapping::Call("p"), calls)]
        {
            for piece in [1, 7, text.len()] {
                let mut frames = Frames::new(wrapping);
                let mut got = Vec::new();
                for piece in text.as_bytes().chunks(piece) {
                    frames.take(piece).unwrap();
                    got.extend(all(&mut frames).into_iter().map(Result::unwrap));
                }
                assert_eq!(got, expected, "{wrapping:?} {piece}");
            }
        }
    }

    #[test]
    fn garbage_is_said_to_be_that() {
        for text in ["<html>\n", "a[\n", "c[]\n", "x\n", "a{}\n", "c[70000,\"\"]\n"] {
            let mut frames = Frames::new(Wrapping::Plain);
            frames.take(text.as_bytes()).unwrap();
            assert_eq!(frames.next(), Some(Err(Garbage)), "{text}");
        }
        let mut frames = Frames::new(Wrapping::Plain);
        assert_eq!(frames.take(&vec![b'x'; WAITING_BYTES_MAX + 1]), Err(Garbage));
    }

    #[test]
    fn what_is_compressed_is_read_as_it_comes_and_never_becomes_too_much() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"o\n").unwrap();
        encoder.flush().unwrap();
        let mut frames = Frames::new(Wrapping::Plain);
        frames.unzip();
        frames.take(encoder.get_ref()).unwrap();
        assert_eq!(frames.next(), Some(Ok(Frame::Open)));

        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&vec![b'x'; 64 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        let mut frames = Frames::new(Wrapping::Plain);
        frames.unzip();
        assert_eq!(frames.take(&bomb), Err(Garbage));
        assert!(frames.waiting.capacity() < 4 << 20, "{}", frames.waiting.capacity());
    }
}
