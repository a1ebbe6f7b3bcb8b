//! Virtual time: `now` is an argument, so hours pass in microseconds.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(25);
const DISCONNECT: Duration = Duration::from_secs(5);
const AGE: Duration = Duration::from_secs(120);
const STREAMING: usize = 4096;
const POLLING: usize = 1;

impl Payload for &'static str {
    fn bytes_len(&self) -> usize {
        self.len()
    }
}

/// A machine, and a clock that only the test moves.
struct Bench {
    machine: Machine<&'static str>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let settings = Settings {
            heartbeat_delay: HEARTBEAT,
            disconnect_delay: DISCONNECT,
            receiver_age_max: AGE,
            queue_bytes_max: 16,
            outbox_bytes_max: 32,
        };
        #[expect(clippy::disallowed_methods, reason = "any point in time will do as the start")]
        let now = Instant::now();
        Self { machine: Machine::new(Arc::new(settings), now), now }
    }

    /// A bench whose session has had its open frame by a poll.
    fn opened() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.poll(), "o");
        bench
    }

    fn attach(&mut self, limit: usize) -> ReceiverId {
        self.machine.handle_attach(limit, self.now).unwrap()
    }

    fn detach(&mut self, id: ReceiverId) {
        self.machine.handle_detach(id, self.now);
    }

    fn send(&mut self, message: &'static str) -> Result<(), QueueError> {
        self.machine.handle_send(message)
    }

    fn close(&mut self) {
        self.machine.handle_close(Close::new(3000, "Go away!"), self.now);
    }

    fn transmit(&mut self, id: ReceiverId) -> Transmit {
        self.machine.poll_transmit(
            id,
            || self.now,
            |frame| match frame {
                Frame::Open => "o".into(),
                Frame::Heartbeat => "h".into(),
                Frame::Messages(messages) => format!("a[{}]", messages.join(",")).into(),
                Frame::Close(close) => format!("c[{},{}]", close.code, close.reason).into(),
            },
        )
    }

    /// Everything a receiver gets now, as one text, with `$` for the end and `…` for waiting.
    fn drain(&mut self, id: ReceiverId) -> String {
        let mut all = String::new();
        loop {
            match self.transmit(id) {
                Transmit::Chunk(chunk) => all.push_str(std::str::from_utf8(&chunk).unwrap()),
                Transmit::Pending => return all + "…",
                Transmit::End => return all + "$",
            }
        }
    }

    /// One whole polling request that is answered at once.
    fn poll(&mut self) -> String {
        let id = self.attach(POLLING);
        let got = self.drain(id);
        self.detach(id);
        got.strip_suffix('$').expect("a poll ends with its frame").to_owned()
    }

    /// Lets time pass, with every deadline on the way honoured.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.machine.poll_timeout().filter(|&deadline| deadline <= end) {
            assert!(deadline >= self.now, "a deadline in the past would spin");
            self.now = deadline;
            self.machine.handle_timeout(deadline);
        }
        self.now = end;
    }

    fn ended(&mut self) -> Option<CloseCause> {
        self.machine.poll_ended().map(|ended| ended.cause)
    }
}

#[test]
fn a_poll_carries_one_frame() {
    let mut bench = Bench::new();
    assert_eq!(bench.poll(), "o");
    let id = bench.attach(POLLING);
    assert_eq!(bench.drain(id), "…");
    bench.send("1").unwrap();
    bench.send("2").unwrap();
    assert_eq!(bench.drain(id), "a[1,2]$");
}

#[test]
fn queued_messages_go_in_one_frame() {
    let mut bench = Bench::opened();
    for message in ["1", "2", "3"] {
        bench.send(message).unwrap();
    }
    assert_eq!(bench.poll(), "a[1,2,3]");
}

#[test]
fn streaming_goes_on_until_its_limit() {
    let mut bench = Bench::new();
    let id = bench.attach(8);
    assert_eq!(bench.drain(id), "o…");
    bench.send("1").unwrap();
    assert_eq!(bench.drain(id), "a[1]…");
    bench.send("2").unwrap();
    assert_eq!(bench.drain(id), "a[2]$", "1 + 4 + 4 bytes reach the limit of 8");
    bench.send("3").unwrap();
    let id = bench.attach(8);
    assert_eq!(bench.drain(id), "a[3]…", "the session goes on, without a second open frame");
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_second_receiver_is_refused_and_the_first_not_disturbed() {
    let mut bench = Bench::new();
    let first = bench.attach(STREAMING);
    assert_eq!(bench.drain(first), "o…");
    assert_eq!(bench.machine.handle_attach(POLLING, bench.now), Err(AttachError::Occupied));
    bench.send("1").unwrap();
    assert_eq!(bench.drain(first), "a[1]…");
}

#[test]
fn a_lost_receiver_ends_the_session() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    bench.send("lost").unwrap();
    bench.detach(id);
    assert_eq!(bench.ended(), Some(CloseCause::Client));
    assert_eq!(bench.ended(), None, "the application is told once");
    assert_eq!(bench.send("late"), Err(QueueError::Closed));
    assert_eq!(bench.poll(), "c[1002,Connection interrupted]");
}

#[test]
fn a_lost_answer_ends_the_session() {
    let mut bench = Bench::new();
    bench.machine.handle_received(0, bench.now);
    assert_eq!(bench.poll(), "o");
    bench.machine.handle_received(1, bench.now);
    bench.send("1").unwrap();
    assert_eq!(bench.poll(), "a[1]");
    bench.send("2").unwrap();
    bench.machine.handle_received(1, bench.now);
    bench.machine.handle_received(1, bench.now);
    assert_eq!(bench.ended(), Some(CloseCause::Client));
    assert_eq!(bench.ended(), None, "the application is told once");
    assert_eq!(bench.poll(), "c[1002,Connection interrupted]");
}

#[test]
fn the_drop_of_an_ended_response_means_nothing() {
    let mut bench = Bench::new();
    let first = bench.attach(POLLING);
    assert_eq!(bench.drain(first), "o$");
    let second = bench.attach(POLLING);
    bench.detach(first);
    assert_eq!(bench.ended(), None);
    assert_eq!(bench.drain(second), "…");
}

#[test]
fn close_lets_queued_messages_go_first_and_is_repeated() {
    let mut bench = Bench::opened();
    bench.send("1").unwrap();
    bench.close();
    assert_eq!(bench.ended(), Some(CloseCause::Application));
    assert_eq!(bench.send("2"), Err(QueueError::Closed));
    assert_eq!(bench.poll(), "a[1]");
    assert_eq!(bench.poll(), "c[3000,Go away!]");
    bench.pass(DISCONNECT - Duration::from_millis(1));
    assert_eq!(bench.poll(), "c[3000,Go away!]", "each request starts the delay again");
    bench.pass(DISCONNECT - Duration::from_millis(1));
    assert_eq!(bench.poll(), "c[3000,Go away!]");
    bench.pass(DISCONNECT);
    assert!(bench.machine.is_gone());
    assert_eq!(bench.machine.handle_attach(POLLING, bench.now), Err(AttachError::Gone));
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_session_closed_at_once_still_opens_first() {
    let mut bench = Bench::new();
    bench.send("1").unwrap();
    bench.close();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "oa[1]c[3000,Go away!]$");
}

#[test]
fn a_closing_session_takes_a_new_receiver_and_ends_the_old() {
    let mut bench = Bench::new();
    let old = bench.attach(STREAMING);
    assert_eq!(bench.drain(old), "o…");
    bench.close();
    let new = bench.attach(STREAMING);
    assert_eq!(bench.drain(old), "$");
    assert_eq!(bench.drain(new), "c[3000,Go away!]$");
}

#[test]
fn without_a_receiver_the_session_times_out() {
    let mut bench = Bench::opened();
    bench.pass(DISCONNECT - Duration::from_millis(1));
    bench.send("sending does not restart the delay").unwrap();
    assert!(!bench.machine.is_gone());
    bench.pass(Duration::from_millis(1));
    assert!(bench.machine.is_gone());
    assert_eq!(bench.ended(), Some(CloseCause::TimedOut));
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_session_nobody_ever_asks_for_times_out() {
    let mut bench = Bench::new();
    bench.pass(DISCONNECT);
    assert!(bench.machine.is_gone());
    assert_eq!(bench.ended(), Some(CloseCause::TimedOut));
}

#[test]
fn a_receiver_stops_the_disconnect_delay_and_gets_heartbeats() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    for _ in 0..4 {
        bench.pass(HEARTBEAT - Duration::from_millis(1));
        assert_eq!(bench.drain(id), "…");
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.drain(id), "h…");
    }
}

#[test]
fn a_poll_ends_with_a_heartbeat() {
    let mut bench = Bench::opened();
    let id = bench.attach(POLLING);
    bench.pass(HEARTBEAT);
    assert_eq!(bench.drain(id), "h$");
    bench.pass(DISCONNECT);
    assert_eq!(bench.ended(), Some(CloseCause::TimedOut), "nobody came back");
}

#[test]
fn a_receiver_that_takes_no_heartbeat_is_dead() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    bench.pass(HEARTBEAT);
    assert_eq!(bench.ended(), None);
    bench.pass(HEARTBEAT);
    assert_eq!(bench.ended(), Some(CloseCause::Unresponsive));
    assert_eq!(bench.drain(id), "c[1002,Connection interrupted]$");
    bench.pass(DISCONNECT);
    assert!(bench.machine.is_gone());
}

#[test]
fn a_receiver_is_renewed_now_and_then() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    for _ in 0..4 {
        bench.pass(HEARTBEAT);
        assert_eq!(bench.drain(id), "h…");
    }
    bench.pass(AGE - 4 * HEARTBEAT);
    assert_eq!(bench.drain(id), "$");
    bench.send("1").unwrap();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "a[1]…", "nothing is lost between two receivers");
}

#[test]
fn a_full_queue_refuses_until_it_has_left() {
    let mut bench = Bench::opened();
    bench.send("12345678").unwrap();
    bench.send("12345678").unwrap();
    assert_eq!(bench.send("9"), Err(QueueError::Full));
    assert!(!bench.machine.poll_room());
    assert_eq!(bench.poll(), "a[12345678,12345678]");
    assert!(bench.machine.poll_room());
    assert!(!bench.machine.poll_room(), "it is told once");
    bench.send("9").unwrap();
    assert_eq!(bench.poll(), "a[9]");
    assert!(!bench.machine.poll_room(), "nothing was refused");
    assert_eq!(bench.ended(), None);
}

#[test]
fn an_attached_receiver_may_be_further_behind() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    for _ in 0..4 {
        bench.send("12345678").unwrap();
    }
    assert_eq!(bench.send("9"), Err(QueueError::Full));
    assert_eq!(bench.drain(id), "a[12345678,12345678,12345678,12345678]…");
    assert!(bench.machine.poll_room());
}

#[test]
fn an_aborted_session_tells_the_reason_and_drops_the_rest() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    while bench.send("12345678").is_ok() {}
    bench.machine.handle_abort(Close::new(3008, "too slow"), bench.now);
    assert_eq!(bench.ended(), Some(CloseCause::Application));
    assert_eq!(bench.send("9"), Err(QueueError::Closed));
    assert_eq!(bench.drain(id), "c[3008,too slow]$");
    assert!(!bench.machine.poll_room(), "a closed session has none");
}

#[test]
fn a_single_message_may_exceed_the_queue() {
    let mut bench = Bench::opened();
    bench.send("a message of more than sixteen bytes").unwrap();
    assert_eq!(bench.send("b"), Err(QueueError::Full));
    let mut bench = Bench::opened();
    let id = bench.attach(STREAMING);
    for _ in 0..3 {
        bench.send("a message of more than sixteen bytes").unwrap();
        assert_eq!(bench.drain(id), "a[a message of more than sixteen bytes]…");
    }
}

#[test]
fn a_receiver_that_never_fetches_its_close_frame_does_not_hold_the_session() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    bench.close();
    bench.pass(DISCONNECT);
    assert!(bench.machine.is_gone());
    assert_eq!(bench.drain(id), "$");
}

#[test]
fn a_farewell_waits_for_the_client_and_then_the_session_is_gone() {
    let mut bench = Bench::opened();
    bench.send("x").unwrap();
    bench.machine.handle_drain(Close::new(3001, "Back soon"), bench.now);
    assert_eq!(bench.ended(), Some(CloseCause::Application));
    assert_eq!(bench.poll(), "a[x]");
    assert!(!bench.machine.is_gone());
    assert_eq!(bench.poll(), "c[3001,Back soon]");
    assert!(bench.machine.is_gone());
}

#[test]
fn a_farewell_to_who_never_comes_ends_with_the_disconnect_delay() {
    let mut bench = Bench::opened();
    bench.machine.handle_drain(Close::new(3001, "Back soon"), bench.now);
    bench.pass(DISCONNECT);
    assert!(bench.machine.is_gone());
}

#[test]
fn a_farewell_to_who_knows_already_is_short() {
    let mut bench = Bench::opened();
    bench.close();
    assert_eq!(bench.poll(), "c[3000,Go away!]");
    bench.machine.handle_drain(Close::new(3001, "Back soon"), bench.now);
    assert!(bench.machine.is_gone());
}

#[test]
fn a_process_that_stood_still_gives_clients_their_time_once_more() {
    let mut bench = Bench::opened();
    bench.now += 40 * SECOND;
    bench.machine.handle_timeout(bench.now);
    assert_eq!(bench.ended(), None, "its poll may lie unread");
    bench.pass(DISCONNECT - SECOND);
    assert_eq!(bench.ended(), None);
    bench.pass(SECOND);
    assert_eq!(bench.ended(), Some(CloseCause::TimedOut));
}

#[test]
fn a_process_that_stood_still_gives_receivers_time_for_their_heartbeat() {
    let mut bench = Bench::new();
    let id = bench.attach(STREAMING);
    assert_eq!(bench.drain(id), "o…");
    bench.pass(HEARTBEAT);
    bench.now += HEARTBEAT + SECOND;
    bench.machine.handle_timeout(bench.now);
    assert_eq!(bench.ended(), None);
    assert_eq!(bench.drain(id), "h…");
}
