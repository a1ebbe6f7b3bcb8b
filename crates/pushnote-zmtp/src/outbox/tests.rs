use super::*;
use crate::batch::Batch;
use crate::send_filter::Everything;
use pushnote_zmtp_proto::codec::Encoder;
use pushnote_zmtp_proto::curve::{KeyPair, Opener, Sealer, client, server};
use std::task::{Context, Poll, Waker};

fn message(length: usize, byte: u8) -> Bytes {
    Batch::single(&vec![byte; length]).bytes().clone()
}

fn push(outbox: &Outbox, bytes: &Bytes) -> bool {
    outbox.push(std::slice::from_ref(bytes), bytes.len())
}

/// Writes `bytes` bytes, or all that is there, and gives them.
fn write(unsent: &mut Unsent, outbox: &Outbox, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < bytes {
        unsent.refill(outbox, &Everything);
        let waiting = unsent.slices().collect::<Vec<_>>().concat();
        if waiting.is_empty() {
            break;
        }
        let step = waiting.len().min(bytes - out.len());
        out.extend_from_slice(&waiting[..step]);
        unsent.advance(step, outbox);
    }
    out
}

fn is_ready(future: impl Future<Output = ()>) -> bool {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn what_goes_in_comes_out_in_order() {
    let (outbox, mut unsent, mut expected) = (Outbox::new(1 << 20), Unsent::default(), Vec::new());
    for number in 0..200_usize {
        let bytes = message((number * 331) % 3000, number as u8);
        assert!(push(&outbox, &bytes));
        expected.extend_from_slice(&bytes);
        if number % 50 == 49 {
            let written = write(&mut unsent, &outbox, usize::MAX);
            assert!(written == expected, "after {number}");
            expected.clear();
        }
    }
    assert_eq!(outbox.state().charged, 0);
}

#[test]
fn the_bound_counts_the_chunk_a_slice_keeps_alive() {
    let outbox = Outbox::new(100_000);
    let slice = Bytes::from(vec![0; 2000]);
    assert!(outbox.push(std::slice::from_ref(&slice), 65_536));
    assert!(!outbox.is_full());
    assert!(outbox.push(std::slice::from_ref(&slice), 65_536), "what begins below the bound is taken whole");
    assert!(outbox.is_full() && !outbox.push(std::slice::from_ref(&slice), 65_536));
}

#[test]
fn small_slices_are_copied_and_keep_no_chunk_alive() {
    let outbox = Outbox::new(100_000);
    let chunk = Bytes::from(vec![0; 65_536]);
    let slices: Vec<_> = (0..50).map(|at| chunk.slice(at * 1000..at * 1000 + 100)).collect();
    assert!(outbox.push(&slices, chunk.len()));
    assert_eq!(outbox.state().charged, 5000);
    drop(slices);
    assert!(chunk.is_unique());
}

#[test]
fn flush_waits_for_the_last_byte() {
    let (outbox, mut unsent) = (Outbox::new(1 << 20), Unsent::default());
    let (large, small) = (message(5000, 1), message(10, 2));
    for first_and_last in [(&large, &small), (&small, &large), (&small, &small), (&large, &large)] {
        push(&outbox, first_and_last.0);
        push(&outbox, first_and_last.1);
        let mark = outbox.end();
        push(&outbox, &small);
        let bytes = first_and_last.0.len() + first_and_last.1.len();
        write(&mut unsent, &outbox, bytes - 1);
        assert!(!is_ready(outbox.written_up_to(mark)));
        write(&mut unsent, &outbox, usize::MAX);
        assert!(is_ready(outbox.written_up_to(mark)));
    }
    push(&outbox, &large);
    assert!(!is_ready(outbox.written_up_to(outbox.end())));
    outbox.abandon();
    assert!(is_ready(outbox.written_up_to(outbox.end())));
}

/// The two ends of a connection with CURVE.
fn sealer_and_opener() -> (Sealer, Opener) {
    let [server, client] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let (hello, greeted) = client::hello(&server.public).unwrap();
    let (welcome, welcomed) = server::welcome(&server, &hello).unwrap();
    let (initiate, initiated) = greeted.initiate(&client, &server.public, &welcome, b"").unwrap();
    let (ready, session) = welcomed.initiate(&server, &initiate).unwrap().ready(b"");
    (session.sealer, initiated.ready(&ready).unwrap().1.opener)
}

#[test]
fn a_broken_connection_repeats_only_what_was_not_wholly_written() {
    for encoder in [Encoder::Plain, Encoder::V1, Encoder::Curve(sealer_and_opener().0)] {
        let case = format!("{encoder:?}");
        let (outbox, mut unsent) = (Outbox::new(1 << 20), Unsent::default());
        unsent.begin(encoder);
        let run = [message(2000, 1), message(2000, 2), message(2000, 3)];
        push(&outbox, &run.concat().into());
        unsent.refill(&outbox, &Everything);
        outbox.push_control(|out| out.extend_from_slice(b"\x04\x02no"));
        unsent.advance(unsent.encoder.encoded_bytes(&run[0]) + 1, &outbox);
        unsent.refill(&outbox, &Everything);
        assert_eq!(unsent.rewind(&outbox), 0);
        let rest = write(&mut unsent, &outbox, usize::MAX);
        assert!(rest == run[1..].concat(), "the second message was begun; {case}");
        assert!(is_ready(outbox.written_up_to(outbox.end())));
    }
}

#[test]
fn the_length_of_what_is_encoded_is_known_before() {
    for mut encoder in [Encoder::Plain, Encoder::V1, Encoder::Curve(sealer_and_opener().0)] {
        for length in [0, 1, 221, 222, 223, 253, 254, 255, 256, 70_000] {
            let run = Bytes::from([message(length, 1), message(3, 2)].concat());
            let bytes = encoder.encoded_bytes(&run);
            assert_eq!(encoder.encode(&run).len(), bytes, "{length} bytes, {encoder:?}");
        }
    }
}

#[test]
fn what_is_sealed_leaves_in_its_order_and_commands_between() {
    let (outbox, mut unsent) = (Outbox::new(1 << 20), Unsent::default());
    let (sealer, mut opener) = sealer_and_opener();
    unsent.begin(Encoder::Curve(sealer));
    let large = message(50_000, 1);
    (0..5).for_each(|_| assert!(push(&outbox, &large)));
    let mut sent = write(&mut unsent, &outbox, 10);
    outbox.push_control(|out| out.extend_from_slice(b"\x04\x04pong"));
    sent.extend(write(&mut unsent, &outbox, usize::MAX));
    let mut opened = BytesMut::new();
    opener.open(&mut BytesMut::from(&sent[..]), &mut opened, 1 << 20).unwrap();
    // Two are sealed at a time.
    assert!(opened == [&large[..], &large, b"\x04\x04pong", &large, &large, &large].concat());
}

#[test]
fn a_message_no_connection_survives_is_given_up() {
    let (outbox, mut unsent) = (Outbox::new(1 << 20), Unsent::default());
    let (poison, after) = (message(9000, 1), message(9000, 2));
    push(&outbox, &poison);
    push(&outbox, &after);
    for try_number in 1..=3 {
        write(&mut unsent, &outbox, 4000);
        assert_eq!(unsent.rewind(&outbox), usize::from(try_number == 3));
    }
    assert!(write(&mut unsent, &outbox, usize::MAX) == after);
}

#[test]
fn commands_go_ahead_of_messages_but_not_into_one() {
    let (outbox, mut unsent) = (Outbox::new(1 << 20), Unsent::default());
    let large = message(5000, 1);
    push(&outbox, &large);
    push(&outbox, &large);
    let begun = write(&mut unsent, &outbox, 10);
    outbox.push_control(|out| out.extend_from_slice(b"pong"));
    let rest = write(&mut unsent, &outbox, usize::MAX);
    assert!([begun, rest].concat() == [&large[..], b"pong", &large].concat());
    for _ in 0..10_000 {
        outbox.push_control(|out| out.extend_from_slice(b"pong"));
    }
    assert!(write(&mut unsent, &outbox, usize::MAX).len() <= CONTROL_BYTES_MAX + 4, "answers are bounded");
}
