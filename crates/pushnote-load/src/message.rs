//! What is published: a JSON string that says which message it is and when it was due.
//!
//! The mark is letters and digits alone, so that it reads the same inside of any envelope, quoted or escaped.

use std::io::Write;

use memchr::memmem::Finder;

const NUMBER_BYTES: usize = 16;
const MARK_BYTES: usize = 10;

/// The shortest message: two quotes, the mark, two numbers.
pub const BYTES_MIN: usize = 2 + MARK_BYTES + 2 * NUMBER_BYTES;

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) number: u64,
    /// When it was to be sent, in nanoseconds of the generator's clock.
    pub(crate) due_ns: u64,
}

/// Writes and finds the messages of one run.
pub(crate) struct Messages {
    /// Found nowhere but in this run's messages: what a server kept of an earlier run is not counted.
    mark: Finder<'static>,
    bytes: usize,
}

impl Messages {
    pub(crate) fn new(run: u32, bytes: usize) -> Self {
        let mark = format!("pn{run:08x}");
        debug_assert_eq!(mark.len(), MARK_BYTES);
        Self { mark: Finder::new(mark.as_bytes()).into_owned(), bytes }
    }

    /// The JSON text of a message.
    pub(crate) fn write(&self, out: &mut Vec<u8>, stamp: Stamp) {
        let end = out.len() + self.bytes.max(BYTES_MIN) - 1;
        out.push(b'"');
        out.extend_from_slice(self.mark.needle());
        let Stamp { number, due_ns } = stamp;
        write!(out, "{number:016x}{due_ns:016x}").expect("writing to memory");
        out.resize(end, b'.');
        out.push(b'"');
    }

    /// Calls `seen` for each message in `text`; returns how many there were.
    #[inline]
    pub(crate) fn find(&self, mut text: &[u8], mut seen: impl FnMut(Stamp)) -> usize {
        let mut found = 0;
        while let Some(at) = self.mark.find(text) {
            text = &text[at + MARK_BYTES..];
            let Some((numbers, rest)) = text.split_first_chunk::<{ 2 * NUMBER_BYTES }>() else { break };
            let (number, due_ns) = numbers.split_at(NUMBER_BYTES);
            if let (Some(number), Some(due_ns)) = (hexadecimal(number), hexadecimal(due_ns)) {
                seen(Stamp { number, due_ns });
                found += 1;
            }
            text = rest;
        }
        found
    }
}

#[inline]
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(messages: &Messages, text: &[u8]) -> Vec<Stamp> {
        let mut stamps = Vec::new();
        messages.find(text, |stamp| stamps.push(stamp));
        stamps
    }

    #[test]
    fn messages_are_json_of_the_size_asked_for_and_found_in_any_envelope() {
        let messages = Messages::new(7, 128);
        let stamps = [Stamp { number: 1, due_ns: u64::MAX }, Stamp { number: 2, due_ns: 0xabc }];
        let mut text = Vec::new();
        messages.write(&mut text, stamps[0]);
        assert_eq!(text.len(), 128);
        assert!(serde_json::from_slice::<String>(&text).is_ok());

        let mut second = Vec::new();
        messages.write(&mut second, stamps[1]);
        let escaped = serde_json::to_vec(std::str::from_utf8(&second).unwrap()).unwrap();
        let frame = [b"a[".as_slice(), &text, b",", &escaped, b"]"].concat();
        assert_eq!(found(&messages, &frame), stamps);
    }

    #[test]
    fn other_runs_and_cut_messages_are_not_counted() {
        let mut text = Vec::new();
        Messages::new(1, 0).write(&mut text, Stamp { number: 1, due_ns: 2 });
        assert_eq!(text.len(), BYTES_MIN);
        assert!(found(&Messages::new(2, 0), &text).is_empty());
        assert!(found(&Messages::new(1, 0), &text[..text.len() - 2]).is_empty());
        assert!(
            found(&Messages::new(1, 0), b"pn00000001pn00000001zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz").is_empty()
        );
    }
}
