//! What is to be sent, kept in the database until a service has it: a restart loses nothing.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pushnote_store::rusqlite::{self, OptionalExtension, Transaction, params};
use pushnote_store::{Store, TransactError};
use tokio::sync::Notify;

use crate::answer::PAUSE_MAX;
use crate::audience::Audience;
use crate::due::{self, Found, Loaded, Over};
use crate::enqueue::{Begun, Condition, add_piece, begin, json_list, without_device};
use crate::job::{Cancelled, unix_ms};
use crate::message::Message;
use crate::queues::Wanted;
use crate::settle::{self, Deleted, Settled};
use crate::subscriptions::Subscriptions;
use crate::tables::{OpenError, prepare};

/// How long a message is remembered that is sent, in milliseconds.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// Messages that are forgotten in one transaction.
const FORGOTTEN_MAX: i64 = 500;

const VERSION: i64 = 1;
/// `cursor` is the last subscription that has got its job, and `NULL` once all have. A job is for a user, too: a device that
/// is somebody else's by now does not show what the first one was sent.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS push_messages (
        id INTEGER PRIMARY KEY,
        message_id TEXT NOT NULL UNIQUE,
        payload BLOB,
        ttl_s INTEGER NOT NULL,
        urgency TEXT NOT NULL,
        topic TEXT,
        start_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        cursor BLOB,
        devices INTEGER NOT NULL DEFAULT 0,
        accepted INTEGER NOT NULL DEFAULT 0,
        gone INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        expired INTEGER NOT NULL DEFAULT 0,
        cancelled INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS push_messages_start ON push_messages (start_ms);
    CREATE TABLE IF NOT EXISTS push_jobs (
        message INTEGER NOT NULL,
        subscription BLOB NOT NULL,
        user TEXT NOT NULL,
        origin TEXT NOT NULL,
        due_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (message, subscription)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS push_jobs_due ON push_jobs (origin, due_ms);
";

/// The jobs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    subscriptions: Subscriptions,
    waiting: AtomicI64,
    /// What the sender is to know of.
    cancelled: Mutex<Vec<Cancelled>>,
    /// There is something for the sender.
    wake: Notify,
}

/// What became of a message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Subscriptions that it is for.
    pub devices: u64,
    /// A message of this id was there already: nothing is sent twice.
    pub known: bool,
    /// Users it was for by name who have no subscription; none if the message is known.
    pub without_device: Vec<String>,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Subscriptions for which it is still to be sent.
    pub queued: u64,
    /// For which a service has it.
    pub accepted: u64,
    /// Which are none any more.
    pub gone: u64,
    /// For which no service takes it.
    pub failed: u64,
    /// For which its TTL was over.
    pub expired: u64,
    /// For which it was not to be sent any more.
    pub cancelled: u64,
}

impl Jobs {
    /// Makes the tables, if they are missing, beside those of the subscriptions that messages go to.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn open(subscriptions: &Subscriptions) -> Result<Self, OpenError> {
        let now_ms = unix_ms();
        let waiting = subscriptions
            .store()
            .transact(move |transaction| {
                if let Err(newer) = prepare(transaction, "jobs", VERSION, TABLES)? {
                    return Ok(Err(newer));
                }
                call_back(transaction, now_ms)?;
                transaction
                    .query_row("SELECT count(*) FROM push_jobs", [], |row| row.get::<_, i64>(0))
                    .map(Ok)
            })
            .await??;
        let shared = Shared {
            subscriptions: subscriptions.clone(),
            waiting: waiting.into(),
            cancelled: Mutex::default(),
            wake: Notify::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A message is to be sent to all subscriptions of an audience, not before a time, and with its TTL counted from then. Its
    /// id is yours; one that was used in the last day is known, and nothing more is sent. If this breaks off, the same call
    /// goes on where it stopped.
    ///
    /// # Errors
    ///
    /// The store does not store.
    pub async fn enqueue(
        &self,
        message_id: &str,
        audience: &Audience,
        message: &Message,
        not_before: Option<SystemTime>,
    ) -> Result<Enqueued, TransactError> {
        let start_ms = not_before.map_or(0, |time| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2)
        });
        let start_ms = start_ms.max(unix_ms());
        let audience = Arc::new(Condition::of(audience, message));
        let (id, message) = (message_id.to_owned(), message.clone());
        let begun = self.store().transact(move |transaction| begin(transaction, &id, &message, start_ms));
        let Begun { message, complete } = begun.await?;
        if complete {
            let devices = self.devices(message).await?;
            return Ok(Enqueued { devices, known: true, without_device: Vec::new() });
        }
        loop {
            let audience = audience.clone();
            let shared = self.shared.clone();
            // The work counts for itself: who asked for it may be gone when it is done.
            let added = self.store().transact(move |transaction| {
                let (added, complete) = add_piece(transaction, message, &audience)?;
                shared.waiting.fetch_add(added, Ordering::Relaxed);
                complete.then(|| without_device(transaction, &audience)).transpose()
            });
            let without_device = added.await?;
            self.shared.wake.notify_one();
            if let Some(without_device) = without_device {
                return Ok(Enqueued { devices: self.devices(message).await?, known: false, without_device });
            }
        }
    }

    /// The devices of some users are not to get a message any more, as far as they have not got it yet and nothing is under way
    /// to them. Says how many.
    ///
    /// # Errors
    ///
    /// The store does not store.
    pub async fn cancel(&self, message_id: &str, users: &[String]) -> Result<u64, TransactError> {
        let (message_id, list) = (message_id.to_owned(), json_list(users));
        let deleted = self.store().transact(move |transaction| {
            let select = "SELECT id FROM push_messages WHERE message_id = ?1";
            let message: Option<i64> =
                transaction.prepare_cached(select)?.query_row([message_id], |row| row.get(0)).optional()?;
            let Some(message) = message else { return Ok(None) };
            let deleted = transaction
                .prepare_cached(
                    "DELETE FROM push_jobs WHERE message = ?1 AND subscription IN
                     (SELECT id FROM push_subscriptions WHERE user IN (SELECT value FROM json_each(?2)))",
                )?
                .execute(params![message, list])?;
            let update = "UPDATE push_messages SET cancelled = cancelled + ?2 WHERE id = ?1";
            transaction.prepare_cached(update)?.execute(params![message, deleted as i64])?;
            Ok(Some((message, deleted as u64)))
        });
        let Some((message, deleted)) = deleted.await? else { return Ok(0) };
        if deleted > 0 {
            self.shared.waiting.fetch_sub(deleted.cast_signed(), Ordering::Relaxed);
            self.lock_cancelled().push(Cancelled { message, users: users.to_vec() });
            self.shared.wake.notify_one();
        }
        Ok(deleted)
    }

    /// How far a message is; `None` if there is none of this id, or none any more.
    ///
    /// # Errors
    ///
    /// The store does not store.
    pub async fn progress(&self, message_id: &str) -> Result<Option<Progress>, TransactError> {
        let message_id = message_id.to_owned();
        let progress = self.store().transact(move |transaction| {
            let mut select = transaction.prepare_cached(
                "SELECT devices, accepted, gone, failed, expired, cancelled FROM push_messages WHERE message_id = ?1",
            )?;
            let numbers = |row: &rusqlite::Row<'_>| -> rusqlite::Result<[i64; 6]> {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
            };
            select.query_row([message_id], numbers).optional()
        });
        Ok(progress.await?.map(|numbers| {
            let [devices, accepted, gone, failed, expired, cancelled] =
                numbers.map(|number| number.max(0).unsigned_abs());
            let queued = devices.saturating_sub(accepted + gone + failed + expired + cancelled);
            Progress { queued, accepted, gone, failed, expired, cancelled }
        }))
    }

    /// Jobs that are to be done, now or later.
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    async fn devices(&self, id: i64) -> Result<u64, TransactError> {
        let select = "SELECT devices FROM push_messages WHERE id = ?1";
        let devices = self.store().transact(move |transaction| {
            transaction.prepare_cached(select)?.query_row([id], |row| row.get::<_, i64>(0)).optional()
        });
        Ok(devices.await?.unwrap_or_default().unsigned_abs())
    }

    /// Waits until there is something for the sender.
    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    /// What was cancelled since this was asked last.
    pub(crate) fn cancelled(&self) -> Vec<Cancelled> {
        std::mem::take(&mut *self.lock_cancelled())
    }

    /// Searches for services with due jobs, but for those in `except`.
    pub(crate) async fn search(
        &self,
        from: Arc<str>,
        except: HashSet<Arc<str>>,
    ) -> Result<Found, TransactError> {
        let now_ms = unix_ms();
        self.store().transact(move |transaction| due::search(transaction, &from, &except, now_ms)).await
    }

    /// Loads due jobs for queues, and tells which are over without a try.
    pub(crate) async fn load(&self, wanted: Vec<Wanted>) -> Result<(Vec<Loaded>, Over), TransactError> {
        let now_ms = unix_ms();
        let loaded = self.store().transact(move |transaction| due::load(transaction, wanted, now_ms));
        let (loaded, over, deleted) = loaded.await?;
        self.deleted(&deleted);
        Ok((loaded, over))
    }

    /// Writes down what became of jobs.
    pub(crate) async fn settle(&self, settled: Arc<[Settled]>) -> Result<(), TransactError> {
        let now_ms = unix_ms();
        let deleted = self.store().transact(move |transaction| settle::settle(transaction, &settled, now_ms));
        self.deleted(&deleted.await?);
        Ok(())
    }

    /// The clock was set back: what was to be tried again soon is not to wait until it was before.
    pub(crate) async fn call_back(&self) -> Result<(), TransactError> {
        let now_ms = unix_ms();
        self.store().transact(move |transaction| call_back(transaction, now_ms)).await
    }

    /// Forgets messages that were sent a day ago.
    pub(crate) async fn forget(&self) -> Result<(), TransactError> {
        let before_ms = unix_ms().saturating_sub(KEPT_MS);
        let forget = self.store().transact(move |transaction| {
            let delete =
                "DELETE FROM push_messages WHERE id IN (SELECT id FROM push_messages m WHERE start_ms < ?1
                AND NOT EXISTS (SELECT 1 FROM push_jobs WHERE message = m.id) ORDER BY start_ms LIMIT ?2)";
            transaction.execute(delete, params![before_ms, FORGOTTEN_MAX])
        });
        forget.await.map(|_| ())
    }

    fn deleted(&self, deleted: &Deleted) {
        self.shared.waiting.fetch_sub(deleted.jobs.cast_signed(), Ordering::Relaxed);
        self.shared.subscriptions.deleted(deleted.subscriptions);
    }

    fn store(&self) -> &Store {
        self.shared.subscriptions.store()
    }

    fn lock_cancelled(&self) -> std::sync::MutexGuard<'_, Vec<Cancelled>> {
        self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No job that was tried waits for longer than a service may be left alone.
fn call_back(transaction: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    let most = now_ms.saturating_add(i64::try_from(PAUSE_MAX.as_millis()).unwrap_or(i64::MAX));
    let update = "UPDATE push_jobs SET due_ms = ?1 WHERE attempts > 0 AND due_ms > ?2";
    transaction.execute(update, params![now_ms, most]).map(|_| ())
}
