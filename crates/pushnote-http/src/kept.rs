//! The log on disk: the hub's, kept by a store.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pushnote_core::{Limits, UserId};
use pushnote_hub::{Counter, Keep, KeptLog, RecordError, Recovered, Waiting};
use pushnote_store::{AppendError, Epochs, Failure, Fsync, OpenError, Options, Record, Remembered, Store};
use pushnote_webpush::{KeyId, Subscriptions};

/// What the names begin with that revocations have in the store; the user's follows.
const REVOKED: &str = "revoked/";

/// A log that was opened, to go on with.
#[derive(Debug)]
pub struct OpenedLog {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) next_offset: u64,
    pub(crate) recovered: Vec<Recovered>,
    /// Users of whom tokens are revoked that were made until then.
    pub(crate) revoked: Vec<(UserId, u64)>,
}

/// Why a log cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The file cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// What is in it cannot be read.
    #[error("{}: {source}: use a newer version of pushnote, or another directory", file.display())]
    Record {
        /// Which.
        file: PathBuf,
        /// Why.
        source: RecordError,
    },
}

impl OpenedLog {
    /// Opens the log in a directory, which is made if it is missing. It is kept within the bounds of the one in memory.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`], which names the file.
    pub fn open(directory: &Path, fsync: Fsync, limits: &Limits) -> Result<Self, OpenLogError> {
        let options = Options {
            fsync,
            bytes_max: limits.log_bytes_max as u64,
            count_max: limits.log_messages_max as u64,
            age_max: Duration::from_secs(limits.log_age_s),
            ..Options::default()
        };
        let (store, opened) = Store::open(directory, &options)?;
        let now_ms = unix_ms();
        let read = |record: Record| {
            Recovered::read(&record.body, Duration::from_millis(now_ms.saturating_sub(record.unix_ms)))
        };
        let recovered = opened.records.into_iter().map(read).collect::<Result<_, _>>();
        let recovered =
            recovered.map_err(|source| OpenLogError::Record { file: store.file().to_owned(), source })?;
        let (epochs, lost) = (opened.epochs, Counter::default());
        let revoked = opened.remembered.iter().filter_map(revoked).collect();
        let remembered = Mutex::new(opened.remembered);
        let keeper =
            Arc::new(Keeper { store: Arc::new(store), epochs, remembered, lost, lost_to: AtomicU64::new(0) });
        Ok(Self { keeper, next_offset: opened.next_offset, recovered, revoked })
    }

    /// Whether no message was ever kept in it.
    pub fn is_new(&self) -> bool {
        self.next_offset == 0
    }

    /// How many browsers are subscribed to Web Push with none of these keys.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub async fn subscriptions_without_key(
        &self,
        keys: Vec<KeyId>,
    ) -> Result<u64, pushnote_webpush::OpenError> {
        Subscriptions::count_without_key(&self.keeper.store, keys).await
    }

    pub(crate) fn into_kept(self) -> KeptLog {
        KeptLog { keep: self.keeper, next_offset: self.next_offset, recovered: self.recovered }
    }
}

/// Keeps the hub's log in a store.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Arc<Store>,
    epochs: Epochs,
    /// What earlier runs had remembered, until somebody takes it.
    remembered: Mutex<Vec<(String, Bytes)>>,
    /// Publications that were not kept.
    pub(crate) lost: Counter,
    /// The place behind the last of them: once there is room again, the log on disk begins there.
    lost_to: AtomicU64,
}

impl Keeper {
    /// The number of this run.
    pub(crate) fn epoch(&self) -> u64 {
        self.epochs.current()
    }

    /// Where it is kept, and what else has tables there.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Why nothing is kept; `None` if all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        self.store.failure().map(|failure| failure.to_string())
    }

    /// Names and values that earlier runs had remembered. Once: then they are whose who has taken them.
    pub(crate) fn take_remembered(&self) -> Vec<(String, Bytes)> {
        std::mem::take(&mut *self.remembered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers a value by its name, or forgets it without one, and waits until that is stored.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn remember(&self, name: String, value: Option<Bytes>) -> Result<(), Failure> {
        self.store.remember(Remembered { name, value }).await
    }

    /// Remembers that tokens of a user are revoked that were made until then.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn revoke(&self, user: &UserId, until: u64) -> Result<(), Failure> {
        self.remember(format!("{REVOKED}{user}"), Some(until.to_string().into())).await
    }

    /// Keeps what waits for it, and nothing that comes later.
    pub(crate) async fn close(&self) {
        // The store has logged what is wrong.
        let _ = self.store.close().await;
    }
}

impl Keep for Keeper {
    fn keep(&self, offset: u64, body: &Bytes) -> bool {
        let taken = self.store.append(Record { offset, unix_ms: unix_ms(), body: body.clone() });
        match taken {
            Ok(()) => true,
            Err(AppendError::Full) => false,
            Err(AppendError::Failed(_)) => {
                self.lost.add(1);
                self.lost_to.store(offset + 1, Relaxed);
                true
            }
        }
    }

    fn room(&self) -> Waiting<'_, ()> {
        Box::pin(self.store.ready())
    }

    fn kept(&self, place: u64) -> Waiting<'_, Result<(), String>> {
        Box::pin(async move {
            if let Some(last) = place.checked_sub(1) {
                self.store.durable(last).await.map_err(|failure| failure.to_string())?;
            }
            // What lies before a hole is forgotten with it.
            if place <= self.lost_to.load(Relaxed) {
                return Err("the disk was full".to_owned());
            }
            Ok(())
        })
    }

    fn holds(&self, epoch: u64, place: u64) -> bool {
        self.epochs.hold(epoch, place)
    }
}

/// A user of whom tokens are revoked, and until when, if that is what is remembered.
fn revoked((name, value): &(String, Bytes)) -> Option<(UserId, u64)> {
    let user = UserId::new(name.strip_prefix(REVOKED)?).ok()?;
    Some((user, std::str::from_utf8(value).ok()?.parse().ok()?))
}

/// Milliseconds since 1970; 0 if the clock stands before that.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
