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
const STRANGERS_MAX: usize = 128;
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
    /// In a row.
    failures: u32,
    /// The database may have more that is due.
    more: bool,
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
        loop {
            let before = started.len();
            let from = self.last.clone().map_or(Bound::Unbounded, Bound::Excluded);
            let to = self.last.clone().map_or(Bound::Excluded("".into()), Bound::Included);
            let order = self.origins.range::<Arc<str>, _>((from, Bound::Unbounded));
            let order = order.chain(self.origins.range::<Arc<str>, _>((Bound::Unbounded, to)));
            let order: Vec<Arc<str>> = order
                .filter(|(_, queue)| queue.may_start(now, self.in_flight_max, self.strangers < STRANGERS_MAX))
                .map(|(origin, _)| origin.clone())
                .collect();
            for origin in order {
                if let Some(job) = self.start_one(&origin) {
                    started.push(job);
                    self.last = Some(origin);
                }
            }
            if started.len() == before {
                return started;
            }
        }
    }

    fn start_one(&mut self, origin: &str) -> Option<Job> {
        let queue = self.origins.get_mut(origin)?;
        let stranger = queue.service == Service::Other;
        if stranger && self.strangers >= STRANGERS_MAX {
            return None;
        }
        let free = queue.waiting.iter().position(|job| !self.busy.contains(&job.key.subscription))?;
        let job = queue.waiting.remove(free)?;
        queue.in_flight.insert(job.key);
        self.busy.insert(job.key.subscription);
        self.strangers += usize::from(stranger);
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
            queue.failures = 0;
            // A pause that goes on was asked for by another answer.
            queue.paused_until = queue.paused_until.filter(|until| *until > now);
        }
    }

    /// A service has failed, or was not reached. Says until when it is left alone, if it now is.
    pub(crate) fn fails(&mut self, origin: &str, now: Instant, jitter: f64) -> Option<Instant> {
        let queue = self.origins.get_mut(origin)?;
        queue.failures = queue.failures.saturating_add(1);
        let excess = queue.failures.checked_sub(FAILURES_MAX)?;
        if queue.is_paused(now) {
            return None;
        }
        // Those that were under way together count for one.
        let rounds = excess / u32::try_from(self.in_flight_max).unwrap_or(u32::MAX);
        // Three at least: the first failures took long already.
        let until = now + backoff(rounds.saturating_add(3), jitter.max(0.5));
        self.pause(origin, until);
        Some(until)
    }

    /// Nothing is sent to a service before then.
    pub(crate) fn pause(&mut self, origin: &str, until: Instant) {
        if let Some(queue) = self.origins.get_mut(origin) {
            queue.paused_until = queue.paused_until.max(Some(until));
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
        self.origins.retain(|_, queue| {
            let idle = queue.waiting.is_empty() && queue.in_flight.is_empty() && !queue.more;
            // A service that failed is remembered until it works, or has nothing to do any more.
            !idle || queue.is_paused(now)
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
            failures: 0,
            more: true,
        }
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    fn may_start(&self, now: Instant, in_flight_max: usize, strangers: bool) -> bool {
        // One that has failed is asked by one alone first.
        let most =
            if self.failures >= FAILURES_MAX || self.paused_until.is_some() { 1 } else { in_flight_max };
        !self.waiting.is_empty()
            && self.in_flight.len() < most
            && !self.is_paused(now)
            && (strangers || self.service != Service::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::job_for;

    const FCM: &str = "https://fcm.googleapis.com";

    /// Jobs of one message for so many subscriptions of a service.
    fn jobs(origin: &str, count: usize) -> Vec<Job> {
        (0..count).map(|number| job_for(1, &format!("{origin}/{number}"), i64::MAX)).collect()
    }

    fn queues(in_flight_max: usize, origins: &[(&str, usize)], now: Instant) -> Queues {
        let mut queues = Queues::new(in_flight_max);
        for &(origin, count) in origins {
            queues.discovered(origin.into(), now);
            queues.loaded(origin, jobs(origin, count), false);
        }
        queues
    }

    #[test]
    fn each_service_has_so_many_at_once_and_one_to_each_subscription() {
        let now = Instant::now();
        let mut queues = queues(8, &[(FCM, 20), ("https://a.example", 3)], now);
        let started = queues.start(now);
        assert_eq!(started.iter().filter(|job| *job.origin == *FCM).count(), 8);
        assert_eq!((started.len(), queues.in_flight()), (11, 11));
        assert!(queues.start(now).is_empty());
        queues.settled(&started[0]);
        queues.settled(&started[0]);
        assert_eq!(queues.start(now).len(), usize::from(*started[0].origin == *FCM));
        // A second message for a subscription that has one under way.
        let mut queues = self::queues(8, &[("https://a.example", 1)], now);
        queues.loaded("https://a.example", vec![job_for(2, "https://a.example/0", i64::MAX)], false);
        let first = queues.start(now);
        assert_eq!(first.len(), 1);
        queues.settled(&first[0]);
        assert_eq!(queues.start(now)[0].key.message, 2);
    }

    #[test]
    fn strangers_do_not_hold_up_the_great_ones() {
        let now = Instant::now();
        let names: Vec<_> = (0..20).map(|number| format!("https://{number}.example")).collect();
        let mut origins: Vec<_> = names.iter().map(|name| (name.as_str(), 32)).collect();
        origins.push((FCM, 32));
        let mut queues = queues(32, &origins, now);
        let started = queues.start(now);
        assert_eq!(started.iter().filter(|job| *job.origin == *FCM).count(), 32);
        assert_eq!(started.len(), 32 + STRANGERS_MAX);
        // And each of them has its turn.
        let served: HashSet<_> = started.iter().map(|job| job.origin.clone()).collect();
        assert_eq!(served.len(), 21);
    }

    #[test]
    fn a_service_that_wants_nothing_is_left_alone_and_takes_no_memory() {
        let now = Instant::now();
        let mut queues = queues(8, &[(FCM, 20), ("https://a.example", 3)], now);
        let started = queues.start(now);
        queues.pause(FCM, now + Duration::from_secs(60));
        started.iter().for_each(|job| queues.settled(job));
        assert_eq!(queues.waiting(), [("https://a.example", 0), (FCM, 0)]);
        assert!(queues.wanted(now).is_empty());
        assert_eq!(queues.next_end_of_pause(now), Some(now + Duration::from_secs(60)));
        queues.tidy(now);
        assert_eq!(queues.origins().len(), 1, "it is remembered");
        let later = now + Duration::from_secs(60);
        assert_eq!(queues.wanted(later)[0].count, WAITING_MAX);
        queues.loaded(FCM, jobs(FCM, 20), false);
        // One by one, until one is taken.
        let probe = queues.start(later);
        assert_eq!(probe.len(), 1);
        queues.works(FCM, later);
        queues.settled(&probe[0]);
        assert_eq!(queues.start(later).len(), 8);
    }

    #[test]
    fn a_service_that_fails_is_left_alone_for_longer_and_longer() {
        let now = Instant::now();
        let mut queues = queues(8, &[(FCM, 20)], now);
        let fail =
            |queues: &mut Queues, now, times: u32| (0..times).find_map(|_| queues.fails(FCM, now, 1.0));
        assert_eq!(fail(&mut queues, now, FAILURES_MAX - 1), None);
        let first = queues.fails(FCM, now, 1.0).unwrap();
        assert_eq!(first - now, Duration::from_secs(8));
        assert_eq!(fail(&mut queues, now, 7), None, "those that were under way");
        let second = fail(&mut queues, first, 8).unwrap();
        assert_eq!(second - first, Duration::from_secs(16));
        queues.works(FCM, second);
        assert_eq!(fail(&mut queues, second, FAILURES_MAX - 1), None);
    }

    #[test]
    fn what_is_wanted_leaves_out_what_is_here() {
        let now = Instant::now();
        let mut queues = queues(8, &[(FCM, 20)], now);
        assert!(queues.wanted(now).is_empty(), "there are no more");
        queues.look_again();
        let started = queues.start(now);
        let wanted = queues.wanted(now);
        assert_eq!((wanted[0].count, wanted[0].except.len()), (WAITING_MAX - 12, 20));
        assert!(started.iter().all(|job| wanted[0].except.contains(&job.key)));
    }

    #[test]
    fn what_is_cancelled_is_not_started() {
        let now = Instant::now();
        let mut queues = queues(1, &[(FCM, 3)], now);
        let under_way = queues.start(now);
        queues.cancel(&[Cancelled { message: 1, users: vec!["bob".to_owned()] }]);
        assert_eq!(queues.waiting(), [(FCM, 2)]);
        queues.cancel(&[Cancelled { message: 1, users: vec!["bob".to_owned(), "ann".to_owned()] }]);
        assert_eq!(queues.waiting(), [(FCM, 0)]);
        queues.settled(&under_way[0]);
        assert!(queues.start(now).is_empty());
        queues.tidy(now);
        assert!(queues.origins().is_empty());
    }

    #[test]
    fn no_number_of_strangers_fills_the_memory_or_shuts_out_the_others() {
        let now = Instant::now();
        let mut queues = Queues::new(8);
        for number in 0..ORIGINS_MAX {
            queues.discovered(format!("https://{number}.example").into(), now);
        }
        queues.discovered("https://one-more.example".into(), now);
        queues.discovered(FCM.into(), now);
        assert_eq!(queues.origins().len(), ORIGINS_MAX + 1);
        assert!(queues.origins().contains(FCM));
        // Who wants nothing gives way to who does.
        queues.pause("https://7.example", now + Duration::from_secs(3600));
        queues.discovered("https://one-more.example".into(), now);
        assert!(queues.origins().contains("https://one-more.example"));
        assert!(!queues.origins().contains("https://7.example"));
    }
}
