//! What became of jobs, written to the database, many at once.

use std::collections::HashMap;
use std::sync::Arc;

use pushnote_store::rusqlite::{self, Transaction, params};

use crate::job::{Fate, Job, JobKey, Outcome};

/// A subscription that answers so often that it was made with another key is deleted: its browser has to subscribe anew.
const WRONG_KEY_MAX: i64 = 3;

/// What became of a job.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) key: JobKey,
    pub(crate) message_id: Arc<str>,
    pub(crate) origin: Arc<str>,
    pub(crate) user: Arc<str>,
    /// The subscription is there, and the user's.
    pub(crate) subscribed: bool,
    pub(crate) fate: Fate,
}

impl Settled {
    pub(crate) fn new(job: &Job, fate: Fate) -> Self {
        let (message_id, origin) = (job.outgoing.message_id.clone(), job.origin.clone());
        Self { key: job.key, message_id, origin, user: job.user.clone(), subscribed: true, fate }
    }
}

/// What a message's counts grow by.
#[derive(Debug, Default)]
struct Counts {
    accepted: i64,
    gone: i64,
    failed: i64,
    expired: i64,
    /// Jobs that were cancelled when it was too late for that: they are counted as what they became.
    cancelled: i64,
}

/// Rows that are not there any more.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    pub(crate) jobs: u64,
    pub(crate) subscriptions: u64,
}

/// Writes it down.
pub(crate) fn settle(
    transaction: &Transaction<'_>,
    all: &[Settled],
    now_ms: i64,
) -> rusqlite::Result<Deleted> {
    let mut counts: HashMap<i64, Counts> = HashMap::new();
    let mut deleted = Deleted::default();
    for Settled { key, subscribed, fate, .. } in all {
        let outcome = match fate {
            Fate::Done(outcome) => outcome,
            Fate::Retry { due_ms, attempts } => {
                let mut update = transaction.prepare_cached(
                    "UPDATE push_jobs SET due_ms = ?3, attempts = ?4 WHERE message = ?1 AND subscription = ?2",
                )?;
                update.execute(params![key.message, key.subscription.0, due_ms, attempts])?;
                continue;
            }
        };
        let mut delete =
            transaction.prepare_cached("DELETE FROM push_jobs WHERE message = ?1 AND subscription = ?2")?;
        let there = delete.execute(params![key.message, key.subscription.0])?;
        deleted.jobs += there as u64;
        let counts = counts.entry(key.message).or_default();
        counts.cancelled += i64::from(there == 0);
        match outcome {
            Outcome::Accepted => counts.accepted += 1,
            Outcome::Gone => counts.gone += 1,
            Outcome::Expired => counts.expired += 1,
            Outcome::TooLarge
            | Outcome::Refused
            | Outcome::Unauthorized
            | Outcome::WrongKey
            | Outcome::GaveUp => counts.failed += 1,
        }
        if *subscribed {
            deleted.subscriptions += note(transaction, key, *outcome, now_ms)? as u64;
        }
    }
    for (message, counts) in counts {
        count(transaction, message, &counts)?;
    }
    Ok(deleted)
}

/// What an outcome says of the subscription. Says how many are deleted for it.
fn note(
    transaction: &Transaction<'_>,
    key: &JobKey,
    outcome: Outcome,
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let id = key.subscription.0;
    let failed = "UPDATE push_subscriptions SET failures = failures + 1 WHERE id = ?1";
    match outcome {
        Outcome::Accepted => {
            let update =
                "UPDATE push_subscriptions SET last_ok = ?2, failures = 0, wrong_key = 0 WHERE id = ?1";
            transaction.prepare_cached(update)?.execute(params![id, now_ms / 1000])?;
        }
        Outcome::Gone => {
            return transaction.prepare_cached("DELETE FROM push_subscriptions WHERE id = ?1")?.execute([id]);
        }
        Outcome::WrongKey => {
            let update = "UPDATE push_subscriptions SET wrong_key = wrong_key + 1 WHERE id = ?1";
            transaction.prepare_cached(update)?.execute([id])?;
            transaction.prepare_cached(failed)?.execute([id])?;
            let delete = "DELETE FROM push_subscriptions WHERE id = ?1 AND wrong_key >= ?2";
            return transaction.prepare_cached(delete)?.execute(params![id, WRONG_KEY_MAX]);
        }
        Outcome::Refused | Outcome::Unauthorized | Outcome::GaveUp => {
            transaction.prepare_cached(failed)?.execute([id])?;
        }
        // Nothing that the subscription could help.
        Outcome::TooLarge | Outcome::Expired => {}
    }
    Ok(0)
}

fn count(transaction: &Transaction<'_>, message: i64, counts: &Counts) -> rusqlite::Result<()> {
    let Counts { accepted, gone, failed, expired, cancelled } = counts;
    transaction
        .prepare_cached(
            "UPDATE push_messages SET accepted = accepted + ?2, gone = gone + ?3, failed = failed + ?4,
             expired = expired + ?5, cancelled = cancelled - ?6 WHERE id = ?1",
        )?
        .execute(params![message, accepted, gone, failed, expired, cancelled])?;
    // Nobody needs the payload any more.
    transaction
        .prepare_cached(
            "UPDATE push_messages SET payload = NULL WHERE id = ?1 AND cursor IS NULL
             AND devices <= accepted + gone + failed + expired + cancelled",
        )?
        .execute([message])?;
    Ok(())
}
