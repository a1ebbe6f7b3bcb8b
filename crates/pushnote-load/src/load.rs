//! One run: connect, settle, warm up, measure, wait for the rest.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Token};

use crate::connection::Clock;
use crate::crowd::Crowd;
use crate::error::LoadError;
use crate::measurement::{Connecting, Idle, Measurement, Memory, Running, Stalled};
use crate::message::Stamp;
use crate::pace::Schedule;
use crate::plan::{Plan, Publish};
use crate::process::{CpuTimes, Processes};
use crate::progress::Progress;
use crate::publisher::Publisher;
use crate::tally::{Role, Tally};

const PUBLISHER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1024;
/// How long after the last handshake memory is read and messages begin.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);
/// How long stalled connections may have no news before they count as open.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest turn: how exactly phases end and progress is shown.
pub(crate) const TURN: Duration = Duration::from_millis(100);

/// Makes the load that `plan` says and measures what comes of it.
///
/// # Errors
///
/// No load could be made, or nothing measured. What went wrong with deliveries is no error but part of the
/// measurement: [`Measurement::fault`].
pub fn run(plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<Measurement, LoadError> {
    run_as(run_number(), plan, progress)
}

pub(crate) fn run_as(
    run: u32,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Measurement, LoadError> {
    let mut load = Load::new(run, plan, Role::Stalled, progress)?;
    let memory_before = load.resident()?;
    let connecting = load.connect()?;
    load.settle(SETTLE)?;
    let memory_idle = load.resident()?;
    let (mut idle, mut running) = (None, None);
    match &plan.publish {
        None => idle = Some(load.idle()?),
        Some(publish) => {
            load.connect_publisher(publish)?;
            running = Some(load.drive(plan.warmup, plan.duration)?);
        }
    }
    let memory = match (memory_before, memory_idle, load.resident()?) {
        (Some(before), Some(idle), Some(end)) => Some(Memory { before, idle, end }),
        _ => None,
    };
    let stalled = load.stalled()?;
    Ok(Measurement::new(plan, load.crowd.tally, connecting, memory, idle, running, stalled))
}

pub(crate) struct Load<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) poll: Poll,
    pub(crate) events: Events,
    pub(crate) crowd: Crowd,
    pub(crate) publisher: Option<Publisher>,
    pub(crate) publisher_failed: Option<LoadError>,
    pub(crate) clock: Clock,
    pub(crate) generator: Processes,
    pub(crate) progress: &'a mut dyn FnMut(Progress),
    /// Connections come and go from then on.
    pub(crate) churn_from_ns: Option<u64>,
}

/// Where a stretch of time begins that is measured.
pub(crate) struct Start {
    pub(crate) ns: u64,
    pub(crate) published: u64,
    pub(crate) server: CpuTimes,
    pub(crate) generator: CpuTimes,
    pub(crate) churned: u64,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        run: u32,
        plan: &'a Plan,
        stalled_role: Role,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, LoadError> {
        let clock = Clock::start();
        Ok(Self {
            plan,
            poll: Poll::new().map_err(|error| LoadError::System(format!("epoll: {error}")))?,
            events: Events::with_capacity(EVENTS),
            crowd: Crowd::new(plan, run, clock, stalled_role),
            publisher: None,
            publisher_failed: None,
            clock,
            generator: Processes::new(&[std::process::id()])?,
            progress,
            churn_from_ns: None,
        })
    }

    pub(crate) fn resident(&self) -> Result<Option<u64>, LoadError> {
        let server = &self.plan.server;
        if server.is_empty() { Ok(None) } else { server.resident_bytes().map(Some) }
    }

    pub(crate) fn connect_publisher(&mut self, publish: &Publish) -> Result<(), LoadError> {
        let publisher = self.publisher.insert(Publisher::connect(publish, self.plan.preset)?);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut publisher.socket, PUBLISHER, interest);
        registered.map_err(|error| LoadError::System(format!("epoll: {error}")))
    }

    pub(crate) fn connect(&mut self) -> Result<Connecting, LoadError> {
        let start = self.start(self.clock.now_ns())?;
        let wanted = self.plan.connections();
        let (mut open_before, mut since_ns) = (0, start.ns);
        while !self.crowd.open_more(self.poll.registry())? {
            self.turn(TURN)?;
            let now_ns = self.clock.now_ns();
            if self.crowd.open > open_before {
                (open_before, since_ns) = (self.crowd.open, now_ns);
            } else if now_ns - since_ns > nanoseconds(self.plan.timeout) {
                let open = self.crowd.open;
                return Err(LoadError::Server(format!(
                    "{open} of {wanted} connections are open, and no more come"
                )));
            }
            (self.progress)(Progress::Connecting { open: self.crowd.open, wanted });
        }
        let now_ns = self.clock.now_ns();
        Ok(Connecting { wall_ns: now_ns - start.ns, server_cpu_ns: self.server_cpu(&start)? })
    }

    pub(crate) fn settle(&mut self, duration: Duration) -> Result<(), LoadError> {
        let until_ns = self.clock.now_ns() + nanoseconds(duration);
        while self.clock.now_ns() < until_ns {
            self.turn(TURN.min(duration))?;
        }
        Ok(())
    }

    pub(crate) fn idle(&mut self) -> Result<Idle, LoadError> {
        let start = self.start(self.clock.now_ns())?;
        self.churn_from_ns = (self.plan.churn_per_second > 0).then_some(start.ns);
        let until_ns = start.ns + nanoseconds(self.plan.duration);
        loop {
            let now_ns = self.clock.now_ns();
            if now_ns >= until_ns {
                return Ok(Idle {
                    wall_ns: now_ns - start.ns,
                    server_cpu_ns: self.server_cpu(&start)?,
                    churned: self.crowd.churned() - start.churned,
                });
            }
            self.turn(TURN)?;
            (self.progress)(Progress::Idle { left_s: (until_ns - now_ns) / 1_000_000_000 });
        }
    }

    /// Publishes as the plan paces it, first to warm up, then to measure, and waits for what is still to come.
    pub(crate) fn drive(&mut self, warmup: Duration, duration: Duration) -> Result<Running, LoadError> {
        let begin_ns = self.clock.now_ns();
        let warm_ns = begin_ns + nanoseconds(warmup);
        self.churn_from_ns = (self.plan.churn_per_second > 0).then_some(begin_ns);
        self.crowd.tally.last_arrival_ns = begin_ns;
        let mut schedule = Schedule::new(self.plan.pace, begin_ns);
        let mut measured: Option<Start> = None;
        loop {
            let now_ns = self.clock.now_ns();
            let quiet = self.crowd.is_quiet();
            let round_over = quiet || !schedule.has_rounds();
            if measured.is_none() && now_ns >= warm_ns && round_over {
                self.crowd.tally.start_measuring(now_ns);
                measured = Some(self.start(now_ns)?);
            }
            let last_ns = measured.as_ref().map_or(u64::MAX, |start| self.last_ns(start, duration));
            // What was due before the end is published after it, if this process comes late: it is what a stall delays.
            let over = now_ns > last_ns && !schedule.is_due(last_ns);
            let left = measured.as_ref().map_or(u64::MAX, |start| if over { 0 } else { self.left(start) });
            if left == 0 && quiet {
                break;
            }
            if !quiet
                && now_ns.saturating_sub(self.crowd.tally.last_arrival_ns) > nanoseconds(self.plan.timeout)
            {
                self.crowd.give_up();
                break;
            }
            self.publish_due(&mut schedule, now_ns, last_ns, left)?;
            self.turn(schedule.wait(now_ns).filter(|_| left > 0).unwrap_or(TURN).min(TURN))?;
            self.show(measured.is_some());
        }
        let start = match measured {
            Some(start) => start,
            None => {
                return Err(LoadError::Server(
                    "messages were lost before the warm-up was over; nothing is measured".into(),
                ));
            }
        };
        self.finish(&start)
    }

    /// The last moment at which messages are due: later, while those who paused have not caught up.
    fn last_ns(&self, start: &Start, duration: Duration) -> u64 {
        let caught_up = self.crowd.tally.missed == 0;
        let longest = if caught_up { duration } else { duration + self.plan.timeout };
        start.ns + nanoseconds(longest) - 1
    }

    /// Messages that may still be published.
    fn left(&self, start: &Start) -> u64 {
        self.plan.messages_max.saturating_sub(self.crowd.tally.published - start.published)
    }

    fn publish_due(
        &mut self,
        schedule: &mut Schedule,
        now_ns: u64,
        last_ns: u64,
        left: u64,
    ) -> Result<(), LoadError> {
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        let (mut message, mut left) = (Vec::new(), left);
        while (left > 0 || schedule.in_round())
            && let Some(due_ns) = schedule.due(now_ns.min(last_ns), self.crowd.tally.outstanding == 0)
        {
            let number = self.crowd.tally.published;
            let (user, audience) = self.crowd.audience(number);
            if audience == 0 {
                return Err(LoadError::Server(format!(
                    "no connection is left: {}",
                    self.crowd.tally.why_ended()
                )));
            }
            if self.crowd.tally.outstanding == 0 {
                self.crowd.tally.last_arrival_ns = now_ns;
            }
            message.clear();
            self.crowd.shared.messages.write(&mut message, Stamp { number, due_ns });
            publisher.push(user, &message)?;
            self.crowd.tally.published += 1;
            self.crowd.tally.outstanding += audience;
            self.crowd.tally.behind += self.crowd.pausing();
            left = left.saturating_sub(1);
        }
        publisher.flush()
    }

    pub(crate) fn finish(&mut self, start: &Start) -> Result<Running, LoadError> {
        let now_ns = self.clock.now_ns();
        Ok(Running {
            wall_ns: now_ns - start.ns,
            published: self.crowd.tally.published - start.published,
            server_cpu_ns: self.server_cpu(start)?,
            generator_cpu_ns: self.generator.cpu_times()?.since(&start.generator),
            churned: self.crowd.churned() - start.churned,
        })
    }

    /// Learns what became of the connections that did not read: what the server had written to them, and its word of
    /// farewell, come in as fast as they are read.
    pub(crate) fn stalled(&mut self) -> Result<Option<Stalled>, LoadError> {
        if self.plan.stalled == 0 {
            return Ok(None);
        }
        self.crowd.wake_stalled(self.poll.registry());
        let (mut open, mut since_ns) = (self.crowd.stalled_open(), self.clock.now_ns());
        while open > 0 && self.clock.now_ns() - since_ns < nanoseconds(FAREWELL) {
            self.turn(TURN)?;
            if self.crowd.stalled_open() < open {
                (open, since_ns) = (self.crowd.stalled_open(), self.clock.now_ns());
            }
        }
        Ok(Some(Stalled { connections: self.plan.stalled, open }))
    }

    pub(crate) fn start(&self, ns: u64) -> Result<Start, LoadError> {
        Ok(Start {
            ns,
            published: self.crowd.tally.published,
            server: self.plan.server.cpu_times()?,
            generator: self.generator.cpu_times()?,
            churned: self.crowd.churned(),
        })
    }

    pub(crate) fn server_cpu(&self, start: &Start) -> Result<Option<u64>, LoadError> {
        let server = &self.plan.server;
        if server.is_empty() { Ok(None) } else { Ok(Some(server.cpu_times()?.since(&start.server))) }
    }

    /// Waits for the next events and deals with them.
    pub(crate) fn turn(&mut self, timeout: Duration) -> Result<(), LoadError> {
        // epoll counts in milliseconds, rounded up: what is due sooner is waited for by asking again.
        let timeout = if timeout < Duration::from_millis(1) { Duration::ZERO } else { timeout };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(LoadError::System(format!("epoll: {error}")));
            }
            _ => {}
        }
        let registry = self.poll.registry();
        for event in &self.events {
            if event.token() == PUBLISHER {
                let Some(publisher) = &mut self.publisher else { continue };
                let done = publisher
                    .flush()
                    .and_then(|()| if event.is_readable() { publisher.read() } else { Ok(()) });
                self.publisher_failed = done.err().or(self.publisher_failed.take());
            } else {
                self.crowd.on_event(registry, event);
            }
        }
        if let Some(start_ns) = self.churn_from_ns {
            self.crowd.churn(registry, start_ns, self.clock.now_ns());
        }
        self.publisher_failed.take().map_or(Ok(()), Err)
    }

    pub(crate) fn show(&mut self, measuring: bool) {
        let Tally { deliveries, outstanding, .. } = self.crowd.tally;
        (self.progress)(Progress::Running { measuring, deliveries, outstanding });
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Unlike that of any other run on this machine for a long time.
pub(crate) fn run_number() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u32) ^ std::process::id().rotate_left(16)
}
