//! What is sent next: a queue for each push service, without IO and without a clock.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tokio::time::Instant;

use crate::endpoint::SubscriptionId;
use crate::fate::backoff;
use crate::job::{Cancelled, Job, JobKey};
use crate::service::Service;

/// Jobs of one service that wait in memory; the others wait in the database.
pub(crate) const WAITING_MAX: usize = 256;
/// With fewer than this, more are loaded.
const WAITING_MIN: usize = 128;
/// Requests at once to all services that are not one of the great ones: anybody can subscribe with hosts of his own that never
/// answer, and must not hold up the others with them.
pub(crate) const STRANGERS_MAX: usize = 128;
/// Those of them that have not answered yet, or fail: who has answered has room beside all that never do.
const UNPROVEN_MAX: usize = 64;
/// Services that have answered and are remembered, though they have nothing to do.
const PROVEN_MAX: usize = 256;
/// Services that have queues at once.
pub(crate) const ORIGINS_MAX: usize = 1024;
/// After so many failures in a row, a service is left alone for a while: its jobs would use up their attempts.
const FAILURES_MAX: u32 = 16;

/// The queues.
#[derive(Debug)]
pub(crate) struct Queues {
    origins: BTreeMap<Arc<str>, Queue>,
    /// Subscriptions that a request is under way to: what comes later for these comes later.
    busy: HashSet<SubscriptionId>,
    /// Requests under way to services that are not one of the great ones.
    strangers: usize,
    /// Where the last pass ended: the next begins behind it, so that each has its turn.
    last: Option<Arc<str>>,
    in_flight_max: usize,
}

#[derive(Debug)]
struct Queue {
    service: Service,
    waiting: VecDeque<Job>,
    /// Requests under way, and those whose answer is not written down yet.
    in_flight: HashSet<JobKey>,
    paused_until: Option<Instant>,
    /// It has answered, and not failed too often since. Before that, it is asked by one request at a time: many would open a
    /// connection each, or wait together for one that never answers.
    works: bool,
    /// Failures in a row.
    failures: u32,
    /// Pauses for them in a row.
    rounds: u32,
    /// The database may have more that is due.
    more: bool,
}

/// Who may be asked.
struct Room {
    /// So many requests at once each.
    each: usize,
    strangers: bool,
    unproven: bool,
}

/// What a queue wants of the database.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) origin: Arc<str>,
    /// So many.
    pub(crate) count: usize,
    /// But for these, which are here.
    pub(crate) except: HashSet<JobKey>,
}

impl Queues {
    /// Each service gets so many requests at once.
    pub(crate) fn new(in_flight_max: usize) -> Self {
        let (origins, busy) = (BTreeMap::new(), HashSet::new());
        Self { origins, busy, strangers: 0, last: None, in_flight_max: in_flight_max.max(1) }
    }

    /// A service has jobs that are due. It gets a queue, if there is room for one more.
    pub(crate) fn discovered(&mut self, origin: Arc<str>, now: Instant) {
        let service = Service::of(&origin);
        if self.origins.len() >= ORIGINS_MAX && service == Service::Other {
            // Whoever wants nothing at the moment gives way: it is asked once more, sooner than it wanted.
            let gives_way = |queue: &Queue| queue.is_paused(now) && queue.in_flight.is_empty();
            let found =
                self.origins.iter().find(|(_, queue)| gives_way(queue)).map(|(origin, _)| origin.clone());
            let Some(found) = found else { return };
            self.origins.remove(&found);
        }
        self.origins.entry(origin).or_insert_with(|| Queue::new(service)).more = true;
    }

    /// The database may have more, for all.
    pub(crate) fn look_again(&mut self) {
        self.origins.values_mut().for_each(|queue| queue.more = true);
    }

    /// Whose queues are here.
    pub(crate) fn origins(&self) -> HashSet<Arc<str>> {
        self.origins.keys().cloned().collect()
    }

    /// What to load now.
    pub(crate) fn wanted(&self, now: Instant) -> Vec<Wanted> {
        let hungry = self
            .origins
            .iter()
            .filter(|(_, queue)| queue.more && queue.waiting.len() < WAITING_MIN && !queue.is_paused(now));
        let wanted = hungry.map(|(origin, queue)| Wanted {
            origin: origin.clone(),
            count: WAITING_MAX - queue.waiting.len(),
            except: queue.waiting.iter().map(|job| job.key).chain(queue.in_flight.iter().copied()).collect(),
        });
        wanted.collect()
    }

    /// What was loaded: these jobs, and whether there are more.
    pub(crate) fn loaded(&mut self, origin: &str, jobs: Vec<Job>, more: bool) {
        let Some(queue) = self.origins.get_mut(origin) else { return };
        queue.waiting.extend(jobs);
        queue.more = more;
    }

    /// Jobs whose requests begin now.
    pub(crate) fn start(&mut self, now: Instant) -> Vec<Job> {
        let mut started = Vec::new();
        // Each of these has one.
        let mut unproven =
            self.origins.values().filter(|queue| queue.is_unproven() && queue.is_asked()).count();
        loop {
            let room = Room {
                each: self.in_flight_max,
                strangers: self.strangers < STRANGERS_MAX,
                unproven: unproven < UNPROVEN_MAX,
            };
            let before = started.len();
            let from = self.last.clone().map_or(Bound::Unbounded, Bound::Excluded);
            let to = self.last.clone().map_or(Bound::Excluded("".into()), Bound::Included);
            let order = self.origins.range::<Arc<str>, _>((from, Bound::Unbounded));
            let order = order.chain(self.origins.range::<Arc<str>, _>((Bound::Unbounded, to)));
            let order: Vec<Arc<str>> = order
                .filter(|(_, queue)| queue.may_start(now, &room))
                .map(|(origin, _)| origin.clone())
                .collect();
            for origin in order {
                if let Some(job) = self.start_one(&origin, &mut unproven) {
                    started.push(job);
                    self.last = Some(origin);
                }
            }
            if started.len() == before {
                return started;
            }
        }
    }

    fn start_one(&mut self, origin: &str, unproven: &mut usize) -> Option<Job> {
        let queue = self.origins.get_mut(origin)?;
        let stranger = queue.service == Service::Other;
        if (stranger && self.strangers >= STRANGERS_MAX) || (queue.is_unproven() && *unproven >= UNPROVEN_MAX)
        {
            return None;
        }
        let free = queue.waiting.iter().position(|job| !self.busy.contains(&job.key.subscription))?;
        let job = queue.waiting.remove(free)?;
        queue.in_flight.insert(job.key);
        self.busy.insert(job.key.subscription);
        self.strangers += usize::from(stranger);
        *unproven += usize::from(queue.is_unproven());
        Some(job)
    }

    /// What became of a job is written down.
    pub(crate) fn settled(&mut self, job: &Job) {
        let Some(queue) = self.origins.get_mut(&job.origin) else { return };
        if queue.in_flight.remove(&job.key) {
            self.busy.remove(&job.key.subscription);
            self.strangers -= usize::from(queue.service == Service::Other);
        }
    }

    /// A service has answered as one that works.
    pub(crate) fn works(&mut self, origin: &str, now: Instant) {
        if let Some(queue) = self.origins.get_mut(origin) {
            (queue.failures, queue.rounds) = (0, 0);
            // A pause that goes on was asked for by another answer.
            queue.works = !queue.is_paused(now);
        }
    }

    /// A service has failed, or was not reached. Says until when it is left alone, if it now is.
    pub(crate) fn fails(&mut self, origin: &str, now: Instant, jitter: f64) -> Option<Instant> {
        let queue = self.origins.get_mut(origin)?;
        queue.failures = queue.failures.saturating_add(1);
        // Those that were under way when a pause began are part of what it is for.
        if queue.failures < FAILURES_MAX || queue.is_paused(now) {
            return None;
        }
        queue.rounds = queue.rounds.saturating_add(1);
        // The first failures took a while already.
        let until = now + backoff(queue.rounds.saturating_add(2), jitter.max(0.5));
        self.pause(origin, until);
        Some(until)
    }

    /// Nothing is sent to a service before then.
    pub(crate) fn pause(&mut self, origin: &str, until: Instant) {
        if let Some(queue) = self.origins.get_mut(origin) {
            queue.paused_until = queue.paused_until.max(Some(until));
            queue.works = false;
            // They wait in the database: a service that is away takes no memory.
            queue.waiting = VecDeque::new();
            queue.more = true;
        }
    }

    /// Jobs that were cancelled are not sent any more, but for those under way.
    pub(crate) fn cancel(&mut self, cancelled: &[Cancelled]) {
        for queue in self.origins.values_mut() {
            queue.waiting.retain(|job| !cancelled.iter().any(|cancelled| cancelled.is_of(job)));
        }
    }

    /// When the first of the pauses ends.
    pub(crate) fn next_end_of_pause(&self, now: Instant) -> Option<Instant> {
        self.origins.values().filter_map(|queue| queue.paused_until).filter(|until| *until > now).min()
    }

    /// Forgets the queues that have nothing to do.
    pub(crate) fn tidy(&mut self, now: Instant) {
        let mut proven = 0;
        self.origins.retain(|_, queue| {
            let idle = queue.waiting.is_empty() && queue.in_flight.is_empty() && !queue.more;
            if !idle || queue.is_paused(now) {
                return true;
            }
            proven += usize::from(queue.works);
            queue.works && proven <= PROVEN_MAX
        });
    }

    /// Requests under way, to all services together.
    pub(crate) fn in_flight(&self) -> usize {
        self.busy.len()
    }

    /// Of each service: jobs that wait here.
    #[cfg(test)]
    fn waiting(&self) -> Vec<(&str, usize)> {
        self.origins.iter().map(|(origin, queue)| (&**origin, queue.waiting.len())).collect()
    }
}

impl Queue {
    fn new(service: Service) -> Self {
        Self {
            service,
            waiting: VecDeque::new(),
            in_flight: HashSet::new(),
            paused_until: None,
            works: false,
            failures: 0,
            rounds: 0,
            more: true,
        }
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// Whether it is anybody's, and may be one that never answers.
    fn is_unproven(&self) -> bool {
        self.service == Service::Other && !self.works
    }

    fn is_asked(&self) -> bool {
        !self.in_flight.is_empty()
    }

    fn may_start(&self, now: Instant, room: &Room) -> bool {
        let most = if self.works { room.each } else { 1 };
        !self.waiting.is_empty()
            && self.in_flight.len() < most
            && !self.is_paused(now)
            && (room.strangers || self.service != Service::Other)
            && (room.unproven || !self.is_unproven())
    }
}

#[cfg(test)]
mod tests;
