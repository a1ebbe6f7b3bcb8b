//! The sender's task: it searches, loads, sends and writes down, each while the others go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pushnote_net::LogOnce;
use pushnote_store::TransactError;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::answer::{Answer, Verdict};
use crate::client::Client;
use crate::counters::Counters;
use crate::due::{Found, Loaded, Over};
use crate::fate::{fate, jitter};
use crate::job::{Cancelled, Fate, Job, Outcome, unix_ms};
use crate::jobs::Jobs;
use crate::message::{Message, MessageError};
use crate::queues::Queues;
use crate::sender_options::{Event, Personal, SenderOptions};
use crate::service::Service;
use crate::settle::Settled;

/// From one search for services to the next, at least.
const SEARCH_PAUSE: Duration = Duration::from_millis(20);
/// With more services than one search looks at.
const SEARCH_ON: Duration = Duration::from_millis(500);
/// From one search to the next, at most: clocks are set.
const SEARCH_INTERVAL: Duration = Duration::from_secs(30);
/// Until the database is asked again that did not do something.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// From one look for old messages to the next.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);
/// A clock that goes back by less was corrected, not set.
const CLOCK_SET_MS: i64 = 10_000;

pub(crate) struct Round {
    options: SenderOptions,
    client: Arc<Client>,
    jobs: Jobs,
    counters: Arc<Counters>,
    queues: Queues,
    tasks: JoinSet<Done>,
    /// What the tasks that ask services are about.
    flying: HashMap<Id, Arc<Job>>,
    /// Answers that are not written down yet.
    answered: Vec<(Arc<Job>, Fate)>,
    settling: bool,
    settle_at: Instant,
    loading: bool,
    load_at: Instant,
    searching: bool,
    search_at: Instant,
    /// When the next search may be, at the earliest.
    search_ready: Instant,
    search_from: Arc<str>,
    forget_at: Instant,
    /// What was cancelled while jobs were being loaded: they may be among these.
    cancelled: Vec<Cancelled>,
    /// The clock, as it was seen last.
    last_ms: i64,
    log: LogOnce<(Service, &'static str)>,
}

/// What a task has done.
enum Done {
    Asked(Answer),
    Searched(Result<Found, TransactError>),
    Loaded(Result<(Vec<Loaded>, Over), TransactError>),
    Settled(Vec<(Arc<Job>, Fate)>, Result<(), TransactError>),
    /// Something that nothing waits for.
    Tidied(Result<(), TransactError>),
}

impl Round {
    pub(crate) fn new(
        options: SenderOptions,
        client: Arc<Client>,
        jobs: Jobs,
        counters: Arc<Counters>,
    ) -> Self {
        let now = Instant::now();
        Self {
            queues: Queues::new(options.in_flight_max),
            options,
            client,
            jobs,
            counters,
            tasks: JoinSet::new(),
            flying: HashMap::new(),
            answered: Vec::new(),
            settling: false,
            settle_at: now,
            loading: false,
            load_at: now,
            searching: false,
            search_at: now,
            search_ready: now,
            search_from: "".into(),
            forget_at: now,
            cancelled: Vec::new(),
            last_ms: unix_ms(),
            log: LogOnce::new(),
        }
    }

    /// Works until it is stopped, and what was under way is written down.
    pub(crate) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut stopping = false;
        loop {
            let now = Instant::now();
            if !stopping {
                self.begin(now);
            }
            self.settle(now);
            if stopping && self.queues.in_flight() == 0 {
                return;
            }
            let wake_at = self.wake_at(now, stopping);
            let jobs = self.jobs.clone();
            tokio::select! {
                Some(done) = self.tasks.join_next_with_id() => {
                    self.done(done);
                    // Whatever else is done is written down with it.
                    while let Some(done) = self.tasks.try_join_next_with_id() {
                        self.done(done);
                    }
                }
                () = jobs.woken(), if !stopping => {
                    self.search_at = self.search_at.min(self.search_ready);
                    self.queues.look_again();
                }
                () = sleep_until(wake_at) => {}
                _ = &mut stopped, if !stopping => stopping = true,
            }
        }
    }

    fn begin(&mut self, now: Instant) {
        let cancelled = self.jobs.cancelled();
        self.queues.cancel(&cancelled);
        if self.loading {
            self.cancelled.extend(cancelled);
        }
        self.tidy(now);
        self.search(now);
        self.load(now);
        self.send(now);
    }

    /// What is done now and then.
    fn tidy(&mut self, now: Instant) {
        let now_ms = unix_ms();
        if now_ms + CLOCK_SET_MS < self.last_ms {
            let jobs = self.jobs.clone();
            self.tasks.spawn(async move { Done::Tidied(jobs.call_back().await) });
            self.search_at = now;
        }
        self.last_ms = now_ms;
        if self.forget_at <= now {
            self.forget_at = now + FORGET_INTERVAL;
            let jobs = self.jobs.clone();
            self.tasks.spawn(async move { Done::Tidied(jobs.forget().await) });
        }
    }

    fn search(&mut self, now: Instant) {
        if self.searching || self.search_at.max(self.search_ready) > now {
            return;
        }
        self.searching = true;
        self.search_at = now + SEARCH_INTERVAL;
        self.queues.look_again();
        let (jobs, from, except) = (self.jobs.clone(), self.search_from.clone(), self.queues.origins());
        self.tasks.spawn(async move { Done::Searched(jobs.search(from, except).await) });
    }

    fn load(&mut self, now: Instant) {
        self.queues.tidy(now);
        if self.loading || self.load_at > now {
            return;
        }
        let wanted = self.queues.wanted(now);
        if !wanted.is_empty() {
            self.loading = true;
            let jobs = self.jobs.clone();
            self.tasks.spawn(async move { Done::Loaded(jobs.load(wanted).await) });
        }
    }

    fn send(&mut self, now: Instant) {
        for job in self.queues.start(now) {
            let now_ms = unix_ms();
            let job = Arc::new(job);
            if job.is_late(now_ms) {
                self.answered.push((job, Fate::Done(Outcome::Expired)));
                continue;
            }
            let (client, asked, personal) = (self.client.clone(), job.clone(), self.options.personal.clone());
            let task = self.tasks.spawn(async move {
                Done::Asked(match message_of(&asked, now_ms, personal.as_ref()) {
                    Ok(message) => client.send(&asked.subscription, asked.key_id, &message).await,
                    Err(error) => Answer::none(Verdict::TooLarge, &error.to_string(), ""),
                })
            });
            self.flying.insert(task.id(), job);
        }
    }

    fn settle(&mut self, now: Instant) {
        if self.settling || self.settle_at > now || self.answered.is_empty() {
            return;
        }
        self.settling = true;
        let (jobs, answered) = (self.jobs.clone(), std::mem::take(&mut self.answered));
        self.tasks.spawn(async move {
            let settled = answered.iter().map(|(job, fate)| Settled::new(job, fate.clone())).collect();
            let written = jobs.settle(settled).await;
            Done::Settled(answered, written)
        });
    }

    fn wake_at(&self, now: Instant, stopping: bool) -> Instant {
        let mut wakes = vec![self.settle_at];
        if !stopping {
            wakes.extend([self.search_at.max(self.search_ready), self.load_at, self.forget_at]);
            wakes.extend(self.queues.next_end_of_pause(now));
        }
        // What is due already waits for a task, whose end wakes, too.
        wakes.into_iter().filter(|at| *at > now).min().unwrap_or(now + SEARCH_INTERVAL)
    }

    fn done(&mut self, done: Result<(Id, Done), JoinError>) {
        let now = Instant::now();
        let done = match done {
            Ok((id, Done::Asked(answer))) => return self.asked(id, &answer, now),
            Ok((_, done)) => done,
            // A panic; it was told on stderr.
            Err(error) => return self.asked(error.id(), &Answer::none(Verdict::Later, "panicked", ""), now),
        };
        match done {
            Done::Asked(_) | Done::Tidied(Ok(())) => {}
            Done::Searched(found) => {
                self.searching = false;
                let Some(found) = self.stored(found) else {
                    self.search_at = now + STORE_RETRY;
                    return;
                };
                self.search_ready = now + if found.from.is_some() { SEARCH_ON } else { SEARCH_PAUSE };
                self.search_at = self.search_at.min(now + next_search(&found));
                self.search_from = found.from.unwrap_or_else(|| "".into());
                for origin in found.origins {
                    self.queues.discovered(origin, now);
                }
            }
            Done::Loaded(loaded) => {
                self.loading = false;
                let cancelled = std::mem::take(&mut self.cancelled);
                let Some((loaded, over)) = self.stored(loaded) else {
                    self.load_at = now + STORE_RETRY;
                    return;
                };
                for Loaded { origin, jobs, more } in loaded {
                    self.queues.loaded(&origin, jobs, more);
                }
                self.queues.cancel(&cancelled);
                over.iter().for_each(|settled| self.over(settled));
            }
            Done::Settled(answered, written) => {
                self.settling = false;
                if self.stored(written).is_none() {
                    self.settle_at = now + STORE_RETRY;
                    self.answered.extend(answered);
                    return;
                }
                for (job, fate) in answered {
                    if let Fate::Retry { due_ms, .. } = fate {
                        let pause = due_ms.saturating_sub(unix_ms()).max(0).unsigned_abs();
                        self.search_at = self.search_at.min(now + Duration::from_millis(pause));
                    }
                    self.queues.settled(&job);
                    self.over(&Settled::new(&job, fate));
                }
            }
            Done::Tidied(tidied) => drop(self.stored(tidied)),
        }
    }

    /// A service has answered, or has not.
    fn asked(&mut self, task: Id, answer: &Answer, now: Instant) {
        let Some(job) = self.flying.remove(&task) else { return };
        let service = Service::of(&job.origin);
        match answer.verdict {
            Verdict::Paused(pause) => {
                self.queues.pause(&job.origin, now + pause);
                self.counters.paused(service);
            }
            Verdict::Later if self.queues.fails(&job.origin, now, jitter()).is_some() => {
                self.counters.paused(service);
            }
            Verdict::Later => {}
            _ if answer.status.is_some() => self.queues.works(&job.origin, now),
            _ => {}
        }
        self.log(&job, service, answer);
        let fate = fate(answer.verdict, &job, unix_ms(), jitter());
        if matches!(fate, Fate::Retry { .. }) {
            self.counters.retried(service);
        }
        self.answered.push((job, fate));
    }

    /// What is written down is told.
    fn over(&self, settled: &Settled) {
        let Fate::Done(outcome) = settled.fate else { return };
        self.counters.done(Service::of(&settled.origin), outcome);
        if let Some(events) = &self.options.events {
            let (message_id, user) = (settled.message_id.clone(), settled.user.clone());
            events(&Event { message_id, user, outcome });
        }
    }

    fn log(&self, job: &Job, service: Service, answer: &Answer) {
        let what = match answer.verdict {
            Verdict::Accepted => return,
            Verdict::Gone => {
                tracing::debug!("Web Push: {} is gone", job.subscription.endpoint());
                return;
            }
            Verdict::TooLarge => "takes no message of this size",
            Verdict::Paused(_) => "wants nothing for a while",
            Verdict::Later => "is to be asked again later",
            Verdict::Unauthorized => "does not believe the token",
            Verdict::WrongKey => "has a subscription of another key",
            Verdict::Refused => "refuses a message",
        };
        if let Some(unlogged) = self.log.due((service, what)) {
            let (endpoint, reason) = (job.subscription.endpoint(), &answer.reason);
            let status = answer.status.map_or_else(String::new, |status| format!("{} ", status.as_u16()));
            tracing::warn!(
                "Web Push: {endpoint} {what}: {status}{reason}; {unlogged} more since the last such line"
            );
        }
    }

    /// What the store has done; if nothing, that is told.
    fn stored<T>(&self, done: Result<T, TransactError>) -> Option<T> {
        let unlogged = |error: TransactError| {
            if let Some(unlogged) = self.log.due((Service::Other, "store")) {
                tracing::error!("Web Push: {error}; {unlogged} more since the last such line");
            }
        };
        done.map_err(unlogged).ok()
    }
}

/// The message as this user is sent it now.
fn message_of(job: &Job, now_ms: i64, personal: Option<&Personal>) -> Result<Message, MessageError> {
    let message = job.message(now_ms);
    let (Some(personal), Some(payload)) = (personal, message.payload()) else { return Ok(message) };
    let mut made = Message::new(personal(&job.outgoing.message_id, &job.user, payload.clone()))?;
    (made.ttl, made.urgency, made.topic) = (message.ttl, message.urgency, message.topic);
    Ok(made)
}

/// How long until the next search, if nothing happens before.
fn next_search(found: &Found) -> Duration {
    if found.from.is_some() {
        return SEARCH_ON;
    }
    let next = found.next_ms.map(|next_ms| next_ms.saturating_sub(unix_ms()).max(0).unsigned_abs());
    next.map_or(SEARCH_INTERVAL, Duration::from_millis).clamp(SEARCH_PAUSE, SEARCH_INTERVAL)
}
