//! Whole runs, against servers in threads of this process: the bare limit, and some that do wrong.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::LoadError;
use crate::frame;
use crate::limit;
use crate::load;
use crate::measurement::Measurement;
use crate::pace::Pace;
use crate::plan::{Plan, Publish};
use crate::preset::{ACCEPT, Preset};
use crate::process::Processes;
use crate::url::Url;

fn plan(address: SocketAddr, connections: usize, pace: Pace) -> Plan {
    Plan {
        label: "test".into(),
        targets: vec![Url::parse(&format!("ws://{address}/"), false).unwrap()],
        preset: Preset::Raw,
        publish: Some(Publish::Lines(address)),
        counted: connections,
        stalled: 0,
        churn_per_second: 0,
        tokens: Vec::new(),
        pace,
        payload_bytes: 128,
        messages_max: 120,
        duration: Duration::from_secs(20),
        warmup: Duration::ZERO,
        timeout: Duration::from_secs(2),
        server: Processes::new(&[std::process::id()]).unwrap(),
    }
}

fn run(plan: &Plan) -> Result<Measurement, LoadError> {
    load::run(plan, &mut |_| {})
}

fn listen<T: Send + 'static>(
    serve: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    (listener.local_addr().unwrap(), thread::spawn(move || serve(listener)))
}

fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.starts_with(limit::PUBLISHER_GREETING) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Serves WebSockets, and writes for each message to each of them what `frames` makes of it.
fn tampering(
    connections: usize,
    mut frames: impl FnMut(usize, usize, &[u8]) -> Vec<u8> + Send + 'static,
) -> SocketAddr {
    let serve = move |listener: TcpListener| -> io::Result<()> {
        let mut subscribers = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept()?;
            head(&mut stream)?;
            write!(stream, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n")?;
            subscribers.push(stream);
        }
        let (mut publisher, _) = listener.accept()?;
        head(&mut publisher)?;
        for (number, line) in BufReader::new(publisher).split(b'\n').enumerate() {
            let line = line?;
            for (index, subscriber) in subscribers.iter_mut().enumerate() {
                // One that was told to leave is gone.
                let _ = subscriber.write_all(&frames(number, index, &line));
            }
        }
        Ok(())
    };
    listen(serve).0
}

fn text(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_server(&mut out, frame::TEXT, line);
    out
}

fn faults(measurement: &Measurement) -> [u64; 3] {
    let tally = &measurement.tally;
    [tally.lost, tally.duplicates, tally.out_of_order]
}

#[test]
fn a_closed_loop_counts_every_delivery() {
    let (address, server) = listen(|listener| limit::serve(&listener));
    let measurement = run(&plan(address, 30, Pace::Closed { in_flight: 16 })).unwrap();
    server.join().unwrap().unwrap();

    let running = measurement.running.as_ref().unwrap();
    // A round is finished that was begun: 120 and what it takes to the next multiple of 16.
    assert_eq!(running.published, 128);
    assert_eq!(measurement.tally.deliveries, 128 * 30);
    assert_eq!(measurement.tally.latency.len(), 128 * 30);
    assert_eq!(measurement.tally.handshake.len(), 30);
    assert_eq!(measurement.fault(), None);
    assert!(measurement.cpu_per_delivery_ns().unwrap() > 0.0);
}

#[test]
fn an_open_loop_sends_when_due() {
    let (address, server) = listen(|listener| limit::serve(&listener));
    let measurement = run(&plan(address, 5, Pace::Open { per_second: 400.0 })).unwrap();
    server.join().unwrap().unwrap();

    assert_eq!(measurement.tally.deliveries, 120 * 5);
    assert_eq!(measurement.fault(), None);
    // 120 messages 2.5 ms apart.
    assert!(measurement.running.unwrap().wall_ns >= 119 * 2_500_000);
}

#[test]
fn latency_counts_from_when_a_message_was_due() {
    let mut stalled = false;
    let address = tampering(1, move |number, _, line| {
        if number == 20 && !stalled {
            stalled = true;
            thread::sleep(Duration::from_millis(200));
        }
        text(line)
    });
    let measurement = run(&plan(address, 1, Pace::Open { per_second: 500.0 })).unwrap();
    // One pause of 200 ms is felt by all messages that were due in it: 100 of 120 here.
    assert!(measurement.tally.latency.value_at_quantile(0.5) > 20_000_000);
    assert!(measurement.tally.latency.max() >= 200_000_000);
}

#[test]
fn a_server_that_loses_repeats_and_reorders_is_found_out() {
    let mut held = Vec::new();
    let address = tampering(3, move |number, index, line| match (number, index) {
        (10, 0) => Vec::new(),
        (20, 1) => [text(line), text(line)].concat(),
        (30, 2) => {
            held = text(line);
            Vec::new()
        }
        (31, 2) => [text(line), std::mem::take(&mut held)].concat(),
        _ => text(line),
    });
    let measurement = run(&plan(address, 3, Pace::Open { per_second: 2000.0 })).unwrap();
    assert_eq!(faults(&measurement), [1, 1, 1]);
    assert_eq!(measurement.fault().unwrap(), "1 lost, 1 twice, 1 out of order");
}

#[test]
fn a_closed_loop_ends_when_a_message_is_lost() {
    let address =
        tampering(2, |number, index, line| if (number, index) == (50, 1) { Vec::new() } else { text(line) });
    let measurement = run(&plan(address, 2, Pace::Closed { in_flight: 1 })).unwrap();
    assert_eq!((measurement.running.as_ref().unwrap().published, faults(&measurement)), (51, [1, 0, 0]));
}

#[test]
fn a_connection_that_is_closed_is_told_with_its_code() {
    let address = tampering(2, |number, index, line| {
        let mut close = Vec::new();
        frame::put_server(&mut close, frame::CLOSE, &1013_u16.to_be_bytes());
        if (number, index) == (50, 1) { close } else { text(line) }
    });
    let measurement = run(&plan(address, 2, Pace::Open { per_second: 2000.0 })).unwrap();
    assert_eq!(measurement.tally.endings["closed with code 1013"], 1);
    assert!(measurement.tally.lost >= 1, "message 50, and what was under way then");
    assert!(measurement.tally.deliveries < 240 && measurement.tally.deliveries > 120);
}

#[test]
fn a_server_that_refuses_is_quoted() {
    let (address, server) = listen(|listener: TcpListener| -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    });
    let failure = run(&plan(address, 1, Pace::Closed { in_flight: 1 })).unwrap_err();
    server.join().unwrap().unwrap();
    let told = "0 of 1 connections are open, and one was refused: no WebSocket: HTTP 503";
    assert_eq!(failure.to_string(), told);
}

#[test]
fn idle_connections_are_held_without_a_publisher() {
    let (address, _server) = listen(|listener| limit::serve(&listener));
    let mut plan = plan(address, 10, Pace::Closed { in_flight: 1 });
    plan.publish = None;
    plan.duration = Duration::from_millis(100);
    let measurement = run(&plan).unwrap();
    assert!(measurement.running.is_none());
    assert!(measurement.idle.as_ref().unwrap().wall_ns >= 100_000_000);
    assert!(measurement.idle_cpu_ns().is_some() && measurement.bytes_per_connection().is_some());
}

/// One SockJS session over streamed answers that are full after three messages; every other answer ends the
/// connection too.
fn serve_streaming(listener: &TcpListener) -> io::Result<usize> {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let chunk = |text: &[u8]| [format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat();

    let (mut stream, _) = listener.accept()?;
    assert!(head(&mut stream)?.starts_with("POST /sockjs/000/"));
    write!(stream, "{HEAD}\r\n")?;
    stream.write_all(&chunk(&[&[b'h'; 2048][..], b"\no\n"].concat()))?;
    let (mut publisher, _) = listener.accept()?;
    head(&mut publisher)?;
    let (mut requests, mut in_answer) = (1, 0);
    for line in BufReader::new(publisher).split(b'\n') {
        if in_answer == 3 {
            stream.write_all(b"0\r\n\r\n")?;
            if requests % 2 == 0 {
                stream = listener.accept()?.0;
            }
            head(&mut stream)?;
            requests += 1;
            in_answer = 0;
            let last = if requests % 2 == 0 { "Connection: close\r\n" } else { "" };
            write!(stream, "{HEAD}{last}\r\n")?;
            stream.write_all(&chunk(b"h\n"))?;
        }
        let text = chunk(&[b"a[", line?.as_slice(), b"]\n"].concat());
        // In two pieces, so that neither chunks nor lines come whole.
        stream.write_all(&text[..40])?;
        stream.write_all(&text[40..])?;
        in_answer += 1;
    }
    Ok(requests)
}

#[test]
fn a_streamed_session_goes_on_over_many_answers() {
    let (address, server) = listen(|listener| serve_streaming(&listener));
    let mut plan = plan(address, 1, Pace::Closed { in_flight: 5 });
    plan.preset = Preset::SockjsXhrStreaming;
    plan.targets = vec![Url::parse(&format!("http://{address}/sockjs"), false).unwrap()];
    let measurement = run(&plan).unwrap();
    assert_eq!(server.join().unwrap().unwrap(), 40);
    assert_eq!((measurement.tally.deliveries, measurement.fault()), (120, None));
}

#[test]
fn stalled_connections_hold_up_nobody_and_say_at_last_how_they_ended() {
    // The second connection stalls, and is told so when the first 100 messages are over.
    let address = tampering(2, |number, index, line| {
        let mut close = Vec::new();
        frame::put_server(&mut close, frame::CLOSE, &3008_u16.to_be_bytes());
        match (number, index) {
            (100, 1) => close,
            (101.., 1) => Vec::new(),
            _ => text(line),
        }
    });
    let mut plan = plan(address, 1, Pace::Closed { in_flight: 1 });
    plan.stalled = 1;
    let measurement = run(&plan).unwrap();
    assert_eq!((measurement.tally.deliveries, measurement.fault()), (120, None));
    let stalled = measurement.stalled.unwrap();
    assert_eq!((stalled.connections, stalled.open), (1, 0));
    assert_eq!(measurement.tally.stalled_endings["closed with code 3008"], 1);
}
