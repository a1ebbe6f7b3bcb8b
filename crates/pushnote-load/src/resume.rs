//! All connections break off, miss messages, and come back at once.

use std::time::Duration;

use crate::error::LoadError;
use crate::load::{Load, SETTLE, TURN, nanoseconds, run_as, run_number};
use crate::measurement::{Connecting, Memory};
use crate::outcome::Resumption;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::preset::Preset;
use crate::progress::Progress;
use crate::tally::{Role, Tally};

/// Has the plan's connections say hello and break off, publishes the plan's messages, and measures what it takes until
/// all have come back with their cursors and have every message.
///
/// # Errors
///
/// As of [`run`](super::run()), and one connection that stayed did not get every message.
pub fn resume(plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<Resumption, LoadError> {
    let plan = Plan { preset: Preset::Pushnote, ..plan.clone() };
    let run = run_number();
    let mut load = Load::new(run, &plan, Role::Stalled, progress)?;
    let before = load.resident()?;
    let first = load.connect()?;
    load.settle(SETTLE)?;
    let idle = load.resident()?;
    load.crowd.break_off();
    let messages = publish_to_one(run, &plan, load.progress)?;

    let deliveries = messages * plan.counted as u64;
    load.crowd.tally = Tally { published: messages, outstanding: deliveries, ..Tally::new() };
    let back = load.come_back()?;
    let end = load.resident()?;
    // What comes twice may come late.
    load.settle(SETTLE)?;
    let memory = match (before, idle, end) {
        (Some(before), Some(idle), Some(end)) => Some(Memory { before, idle, end }),
        _ => None,
    };
    let tally = load.crowd.tally;
    let bytes = tally.bytes;
    Ok(Resumption {
        connections: plan.counted,
        messages,
        payload_bytes: plan.payload_bytes,
        first,
        back,
        bytes,
        memory,
        tally,
    })
}

/// Publishes all messages to one connection that stays; when it has them, the server has. Returns how many there are.
fn publish_to_one(run: u32, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<u64, LoadError> {
    let in_flight = plan.messages_max.try_into().unwrap_or(u32::MAX);
    let pace = Pace::Closed { in_flight };
    let witness = Plan { counted: 1, pace, warmup: Duration::ZERO, ..plan.clone() };
    let measurement = run_as(run, &witness, progress)?;
    match (measurement.fault(), measurement.running) {
        (None, Some(running)) => Ok(running.published),
        (fault, _) => {
            let fault = fault.unwrap_or_else(|| "nothing was published".to_owned());
            Err(LoadError::Server(format!("a connection that stayed did not get every message: {fault}")))
        }
    }
}

impl Load<'_> {
    /// Opens all connections again and reads until each has everything.
    fn come_back(&mut self) -> Result<Connecting, LoadError> {
        let start = self.start(self.clock.now_ns())?;
        self.connect()?;
        self.crowd.tally.last_arrival_ns = self.crowd.tally.last_arrival_ns.max(start.ns);
        loop {
            let now_ns = self.clock.now_ns();
            let tally = &self.crowd.tally;
            let done = tally.outstanding == 0;
            if !done && now_ns.saturating_sub(tally.last_arrival_ns) > nanoseconds(self.plan.timeout) {
                self.crowd.give_up();
            } else if done {
                return Ok(Connecting {
                    wall_ns: now_ns - start.ns,
                    server_cpu_ns: self.server_cpu(&start)?,
                });
            }
            self.turn(TURN)?;
            self.show(true);
        }
    }
}
