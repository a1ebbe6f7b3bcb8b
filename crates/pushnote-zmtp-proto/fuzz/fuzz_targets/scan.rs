//! Any bytes in any pieces: no panic, the same messages and the same fault whatever the pieces, and what was found
//! sound can be walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_zmtp_proto::command::{Command, subscription_message};
use pushnote_zmtp_proto::frame::Spans;
use pushnote_zmtp_proto::scan::{Item, Limits, ScanError, Scanner};

const LIMITS: Limits = Limits { frame_bytes_max: 300, message_bytes_max: 700, parts_max: 8, commands: true };

#[derive(Debug, PartialEq)]
enum Got {
    Message(Vec<u8>),
    Command(Vec<u8>),
    Refused(ScanError),
}

fuzz_target!(|data: &[u8]| {
    let [size, stream @ ..] = data else { return };
    let whole = scan(stream, usize::MAX);
    assert_eq!(whole, scan(stream, 1), "byte by byte");
    assert_eq!(whole, scan(stream, usize::from(*size).max(1)), "in pieces of {size}");
});

fn scan(stream: &[u8], size: usize) -> Vec<Got> {
    let (mut scanner, mut buffer, mut got) = (Scanner::new(LIMITS), Vec::new(), Vec::new());
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match scanner.scan(&buffer) {
                Ok(Item::Messages { bytes, messages }) => {
                    let run: Vec<u8> = buffer.drain(..bytes).collect();
                    let spans: Vec<_> = Spans::new(&run).collect();
                    assert_eq!((spans.len(), spans.last().map(|span| span.end)), (messages, Some(bytes)));
                    for span in spans {
                        let _ = subscription_message(&run[span.topic_start..span.topic_end]);
                        got.push(Got::Message(run[span.start..span.end].to_vec()));
                    }
                }
                Ok(Item::Command { bytes, body }) => {
                    let frame: Vec<u8> = buffer.drain(..bytes).collect();
                    let _ = Command::parse(&frame[body.clone()]);
                    got.push(Got::Command(frame[body].to_vec()));
                }
                Ok(Item::Incomplete { bytes_wanted }) => {
                    assert!(bytes_wanted > buffer.len() && bytes_wanted <= LIMITS.message_bytes_max + 9);
                    break;
                }
                Err(error) => {
                    got.push(Got::Refused(error));
                    return got;
                }
            }
        }
    }
    got
}
