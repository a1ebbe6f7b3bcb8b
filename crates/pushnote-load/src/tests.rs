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
use crate::progress::Progress;
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
fn what_was_due_while_the_generator_stood_still_is_published() {
    let (address, server) = listen(|listener| limit::serve(&listener));
    let plan = Plan {
        duration: Duration::from_millis(200),
        messages_max: u64::MAX,
        ..plan(address, 1, Pace::Open { per_second: 400.0 })
    };
    let mut stood_still = false;
    let measurement = load::run(&plan, &mut |progress| {
        if matches!(progress, Progress::Running { .. }) && !std::mem::replace(&mut stood_still, true) {
            thread::sleep(2 * plan.duration);
        }
    });
    server.join().unwrap().unwrap();
    // Measuring begins a moment after the first was due.
    let published = measurement.unwrap().running.unwrap().published;
    assert!((80..=81).contains(&published), "{published}");
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

/// Answers one connection's request and its hello, which it returns.
fn welcome(listener: &TcpListener) -> io::Result<(TcpStream, String)> {
    let (mut stream, _) = listener.accept()?;
    head(&mut stream)?;
    write!(stream, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n")?;
    // Two bytes say how long it is, four are the mask.
    let mut frame = [0; 6];
    stream.read_exact(&mut frame)?;
    let mut hello = vec![0; usize::from(frame[1] & 0x7f)];
    stream.read_exact(&mut hello)?;
    let answer = br#"{"type":"welcome","id":1,"version":1,"cursor":"1~7","complete":true}"#;
    stream.write_all(&[text(b"\"before the welcome\""), text(answer)].concat())?;
    Ok((stream, String::from_utf8_lossy(&hello).into_owned()))
}

/// `connections` come and go; one stays and gets what is published; then the others get what `missed` makes of it.
fn serve_log(
    listener: &TcpListener,
    connections: usize,
    missed: impl Fn(usize, &mut Vec<Vec<u8>>),
) -> io::Result<()> {
    let gone: Vec<_> = (0..connections).map(|_| welcome(listener)).collect::<io::Result<_>>()?;
    let (mut witness, _) = welcome(listener)?;
    let (mut publisher, _) = listener.accept()?;
    head(&mut publisher)?;
    let mut log = Vec::new();
    for line in BufReader::new(publisher).split(b'\n') {
        let message = [br#"{"type":"messages","messages":[{"data":"#.as_slice(), &line?, b"}]}"].concat();
        witness.write_all(&text(&message))?;
        log.push(text(&message));
    }
    drop(gone);
    let mut back = Vec::new();
    for index in 0..connections {
        let (mut stream, hello) = welcome(listener)?;
        assert!(hello.contains(r#""cursor":"1~7""#), "{hello}");
        let mut messages = log.clone();
        missed(index, &mut messages);
        stream.write_all(&messages.concat())?;
        back.push(stream);
    }
    // Until they leave.
    back.iter_mut().try_for_each(|stream| stream.read(&mut [0]).map(drop))
}

#[test]
fn those_who_come_back_say_where_they_were_and_are_counted_until_they_have_everything() {
    let (address, server) = listen(|listener| serve_log(&listener, 20, |_, _| {}));
    let mut plan = plan(address, 20, Pace::Closed { in_flight: 1 });
    // Only the messages themselves are published.
    plan.warmup = Duration::from_secs(1);
    let resumed = crate::resume(&plan, &mut |_| {}).unwrap();
    assert_eq!((resumed.connections, resumed.messages, resumed.tally.fault()), (20, 120, None));
    assert_eq!((resumed.tally.deliveries, resumed.tally.handshake.len()), (120 * 20, 20));
    // The answer, the welcome and 120 messages of 128 bytes with what is around them.
    assert!(resumed.bytes > 20 * 120 * 168 && resumed.limit_payload_bytes() > 128);
    server.join().unwrap().unwrap();
}

#[test]
fn what_those_who_come_back_miss_or_get_twice_is_found_out() {
    let missed = |index: usize, messages: &mut Vec<Vec<u8>>| match index {
        0 => drop(messages.remove(50)),
        1 => messages.insert(50, messages[49].clone()),
        2 => messages.swap(50, 51),
        _ => {}
    };
    let (address, _server) = listen(move |listener| serve_log(&listener, 4, missed));
    let resumed = crate::resume(&plan(address, 4, Pace::Closed { in_flight: 1 }), &mut |_| {}).unwrap();
    assert_eq!(resumed.tally.fault().unwrap(), "1 lost, 1 twice, 1 out of order");
}

/// Ten connections, two of which do not read for a while.
fn stalling(address: SocketAddr) -> Plan {
    let mut plan = plan(address, 8, Pace::Open { per_second: 400.0 });
    plan.stalled = 2;
    plan.messages_max = u64::MAX;
    plan.duration = Duration::from_millis(200);
    plan
}

#[test]
fn those_who_pause_read_on_and_have_everything_in_the_end() {
    let (address, server) = listen(|listener| limit::serve(&listener));
    let stall = crate::stall(&stalling(address), &mut |_| {}).unwrap();
    server.join().unwrap().unwrap();
    assert_eq!((stall.reading, stall.pausing, stall.tally.fault()), (8, 2, None));
    let published = stall.phases.each_ref().map(|phase| phase.running.published);
    assert!(published[0] >= 79 && published[2] >= 399, "{published:?}");
    assert_eq!(stall.missed, 2 * published[1]);
    assert!(stall.caught_up_ns.is_some() && stall.p99_ratio(2).is_some());
    for phase in &stall.phases {
        // All but the first, which were due before the phase began.
        let latencies = phase.running.published * 8;
        assert!((latencies / 2..latencies).contains(&phase.latency.len()), "{}", phase.latency.len());
    }
}

#[test]
fn what_those_who_paused_never_get_is_lost() {
    let lost = |number, index| (number, index) == (90, 9);
    let address =
        tampering(10, move |number, index, line| if lost(number, index) { Vec::new() } else { text(line) });
    let stall = crate::stall(&stalling(address), &mut |_| {}).unwrap();
    assert_eq!((stall.tally.fault().as_deref(), stall.caught_up_ns), (Some("1 lost"), None));
}
