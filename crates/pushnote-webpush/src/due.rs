//! What is due, read from the database: for each service no more than its queue has room for.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use pushnote_store::rusqlite::{self, OptionalExtension, Transaction, params};

use crate::device::subscription;
use crate::endpoint::SubscriptionId;
use crate::job::{Fate, Job, JobKey, Outcome, Outgoing};
use crate::key::KeyId;
use crate::message::{Message, Urgency};
use crate::queues::Wanted;
use crate::settle::{self, Deleted, Settled};

/// Rows that are looked at for one queue at once, whatever becomes of them.
const ROWS_MAX: usize = 1024;
/// Services that are looked at in one search.
const SEARCH_MAX: usize = 2048;
/// Services that are found in one search.
const FOUND_MAX: usize = 256;

/// Services with due jobs.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) origins: Vec<Arc<str>>,
    /// Where to go on the next time; `None` if that was all.
    pub(crate) from: Option<Arc<str>>,
    /// When the first of the others is due, in milliseconds of Unix time.
    pub(crate) next_ms: Option<i64>,
}

/// Searches for services with due jobs, but for those in `except`.
pub(crate) fn search(
    transaction: &Transaction<'_>,
    from: &str,
    except: &HashSet<Arc<str>>,
    now_ms: i64,
) -> rusqlite::Result<Found> {
    // From one service to the next in the index, however many jobs each has.
    let mut next = transaction.prepare_cached("SELECT min(origin) FROM push_jobs WHERE origin > ?1")?;
    let mut due = transaction.prepare_cached("SELECT min(due_ms) FROM push_jobs WHERE origin = ?1")?;
    let mut later =
        transaction.prepare_cached("SELECT min(due_ms) FROM push_jobs WHERE origin = ?1 AND due_ms > ?2")?;
    let mut found = Found::default();
    let mut at: Arc<str> = from.into();
    for _ in 0..SEARCH_MAX {
        let Some(origin) = next.query_row([&*at], |row| row.get::<_, Option<Arc<str>>>(0))? else {
            return Ok(found);
        };
        at = origin.clone();
        let first: Option<i64> = due.query_row([&*origin], |row| row.get(0))?;
        let is_due = first.is_some_and(|due_ms| due_ms <= now_ms);
        let next_ms =
            if is_due { later.query_row(params![&*origin, now_ms], |row| row.get(0))? } else { first };
        found.next_ms = found.next_ms.into_iter().chain(next_ms).min();
        if is_due && !except.contains(&origin) {
            found.origins.push(origin);
            if found.origins.len() == FOUND_MAX {
                break;
            }
        }
    }
    found.from = Some(at);
    Ok(found)
}

/// What a queue gets.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) origin: Arc<str>,
    pub(crate) jobs: Vec<Job>,
    /// There may be more.
    pub(crate) more: bool,
}

/// What was found of jobs that nobody need try: they are written down already.
pub(crate) type Over = Vec<Settled>;

/// Loads due jobs for queues. Those that are late, or whose subscription is not there any more, are over.
pub(crate) fn load(
    transaction: &Transaction<'_>,
    wanted: Vec<Wanted>,
    now_ms: i64,
) -> rusqlite::Result<(Vec<Loaded>, Over, Deleted)> {
    let (mut messages, mut over) = (HashMap::new(), Vec::new());
    let mut loaded = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        loaded.push(load_one(transaction, &wanted, now_ms, &mut messages, &mut over)?);
    }
    let deleted = settle::settle(transaction, &over, now_ms)?;
    Ok((loaded, over, deleted))
}

fn load_one(
    transaction: &Transaction<'_>,
    wanted: &Wanted,
    now_ms: i64,
    messages: &mut HashMap<i64, Arc<Outgoing>>,
    over: &mut Over,
) -> rusqlite::Result<Loaded> {
    let mut due = transaction.prepare_cached(
        "SELECT j.message, j.subscription, j.attempts, j.user, s.key_id, s.endpoint, s.p256dh, s.auth
         FROM push_jobs j LEFT JOIN push_subscriptions s ON s.id = j.subscription AND s.user = j.user
         WHERE j.origin = ?1 AND j.due_ms <= ?2 ORDER BY j.due_ms, j.message, j.subscription",
    )?;
    let mut rows = due.query(params![&*wanted.origin, now_ms])?;
    let mut loaded = Loaded { origin: wanted.origin.clone(), jobs: Vec::new(), more: false };
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let key = JobKey { message: row.get(0)?, subscription: SubscriptionId(row.get(1)?) };
        if wanted.except.contains(&key) {
            continue;
        }
        if loaded.jobs.len() == wanted.count || looked_at == ROWS_MAX {
            loaded.more = true;
            break;
        }
        looked_at += 1;
        let outgoing = match messages.get(&key.message) {
            Some(outgoing) => Arc::clone(outgoing),
            None => {
                let outgoing = Arc::new(outgoing(transaction, key.message)?);
                messages.entry(key.message).or_insert(outgoing).clone()
            }
        };
        let (message_id, origin) = (outgoing.message_id.clone(), wanted.origin.clone());
        let (attempts, user) = (row.get(2)?, row.get::<_, Arc<str>>(3)?);
        let key_id = row.get::<_, Option<_>>(4)?;
        let subscribed = key_id.is_some();
        let told = user.clone();
        let done =
            |outcome| Settled { key, message_id, origin, user: told, subscribed, fate: Fate::Done(outcome) };
        let Some(key_id) = key_id.map(KeyId) else {
            over.push(done(Outcome::Gone));
            continue;
        };
        if outgoing.is_late(attempts, now_ms) {
            over.push(done(Outcome::Expired));
            continue;
        }
        match subscription(row)? {
            Some(subscription) => {
                let origin = wanted.origin.clone();
                loaded.jobs.push(Job { key, outgoing, origin, subscription, key_id, user, attempts });
            }
            // Nobody could send to it.
            None => over.push(done(Outcome::Gone)),
        }
    }
    Ok(loaded)
}

fn outgoing(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<Outgoing> {
    let mut select = transaction.prepare_cached(
        "SELECT message_id, payload, ttl_s, urgency, topic, expires_ms FROM push_messages WHERE id = ?1",
    )?;
    let row = select.query_row([id], |row| {
        let payload: Option<Vec<u8>> = row.get(1)?;
        let message = payload.map_or_else(|| Ok(Message::without_payload()), Message::new);
        // What came in by the same checks comes out by them, unless somebody else wrote it.
        let mut message = message.unwrap_or_else(|_| Message::without_payload());
        message = message.ttl(Duration::from_secs(row.get::<_, i64>(2)?.unsigned_abs()));
        message = message.urgency(Urgency::from_str(&row.get::<_, String>(3)?).unwrap_or_default());
        message.topic = row.get::<_, Option<String>>(4)?.and_then(|topic| topic.parse().ok());
        Ok(Outgoing { message_id: row.get(0)?, message, expires_ms: row.get(5)? })
    });
    // Without its message, a job is one that is late.
    let nothing =
        || Outgoing { message_id: "".into(), message: Message::without_payload(), expires_ms: i64::MIN };
    Ok(row.optional()?.unwrap_or_else(nothing))
}
