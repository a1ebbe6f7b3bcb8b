//! Some connections do not read for a while, in the middle of a steady load, and read on.

use std::time::Duration;

use crate::error::LoadError;
use crate::load::{Load, SETTLE, run_number};
use crate::measurement::Running;
use crate::outcome::{Phase, Stall};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::tally::Role;

/// How long the others are measured while those that paused read on, at least.
const READING_ON: Duration = Duration::from_secs(1);

/// Measures the plan's steady load three times: with all reading, with [`Plan::stalled`] connections that do not, and
/// while these read on, until they have everything.
///
/// # Errors
///
/// As of [`run`](super::run()); and the plan has no steady rate, or publishes nothing.
pub fn stall(plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<Stall, LoadError> {
    let (Pace::Open { per_second }, Some(publish)) = (plan.pace, &plan.publish) else {
        return Err(LoadError::Publish("a stall is measured in a steady rate of messages".into()));
    };
    let mut load = Load::new(run_number(), plan, Role::Pausing, progress)?;
    load.connect()?;
    load.settle(SETTLE)?;
    let resident_idle = load.resident()?;
    load.connect_publisher(publish)?;

    let running = load.drive(plan.warmup, plan.duration)?;
    let none = load.phase("none stalled", running)?;
    load.crowd.sleep_stalled();
    let running = load.drive(plan.warmup, plan.duration)?;
    let some = load.phase("stalled", running)?;
    let woken_ns = load.clock.now_ns();
    load.crowd.wake_stalled(load.poll.registry());
    let missed = load.crowd.tally.missed_at_first;
    let running = load.drive(Duration::ZERO, READING_ON)?;
    let after = load.phase("reading on", running)?;
    // What comes twice may come late.
    load.settle(SETTLE)?;

    let tally = load.crowd.tally;
    Ok(Stall {
        reading: plan.counted,
        pausing: plan.stalled,
        per_second,
        payload_bytes: plan.payload_bytes,
        phases: [none, some, after],
        resident_idle,
        missed,
        caught_up_ns: tally.caught_up_ns.map(|at_ns| at_ns.saturating_sub(woken_ns)),
        tally,
    })
}

impl Load<'_> {
    fn phase(&self, name: &'static str, running: Running) -> Result<Phase, LoadError> {
        let latency = self.crowd.tally.latency.clone();
        Ok(Phase { name, running, latency, resident: self.resident()? })
    }
}
