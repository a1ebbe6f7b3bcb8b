//! Who has subscribed, with which devices.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use pushnote_store::rusqlite::{self, OptionalExtension, Transaction, params};
use pushnote_store::{Store, TransactError};

use crate::device::{Device, subscription};
use crate::endpoint::{Endpoint, SubscriptionId};
use crate::key::{KeyId, Keys};
use crate::new_device::{AddError, Added, NewDevice, Rules, SubscriptionOptions};
use crate::subscription::Subscription;
use crate::tables::{OpenError, prepare};

const VERSION: i64 = 1;
/// Times are Unix times in seconds; `wrong_key` counts how often a service has said that the key is not the one the browser
/// subscribed with.
const SQL: &str = "
    CREATE TABLE IF NOT EXISTS push_subscriptions (
        id BLOB PRIMARY KEY,
        user TEXT NOT NULL,
        grp TEXT,
        endpoint TEXT NOT NULL,
        origin TEXT NOT NULL,
        p256dh BLOB NOT NULL,
        auth BLOB NOT NULL,
        key_id BLOB NOT NULL,
        address TEXT,
        made INTEGER NOT NULL,
        last_ok INTEGER,
        failures INTEGER NOT NULL DEFAULT 0,
        wrong_key INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS push_subscriptions_user ON push_subscriptions (user);
    CREATE INDEX IF NOT EXISTS push_subscriptions_grp ON push_subscriptions (grp) WHERE grp IS NOT NULL;
    CREATE INDEX IF NOT EXISTS push_subscriptions_address ON push_subscriptions (address) WHERE address IS NOT NULL;
";

/// The table of subscriptions, in a [`Store`]. A user has any number of devices up to a limit, each of them may be in a group.
/// Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Subscriptions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    rules: Rules,
    count: AtomicU64,
}

impl Subscriptions {
    /// Opens the table in a store, and makes it if it is missing. Subscriptions are made with the current one of `keys`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn open(
        store: Arc<Store>,
        options: SubscriptionOptions,
        keys: &Keys,
    ) -> Result<Self, OpenError> {
        let count = store.transact(|transaction| {
            if let Err(newer) = prepare(transaction, "subscriptions", VERSION, SQL)? {
                return Ok(Err(newer));
            }
            transaction
                .query_row("SELECT count(*) FROM push_subscriptions", [], |row| row.get::<_, i64>(0))
                .map(Ok)
        });
        let count = AtomicU64::new(count.await??.unsigned_abs());
        Ok(Self(Arc::new(Inner { store, rules: Rules::new(options, keys), count })))
    }

    /// How many there are in a store that were made with none of these keys: their browsers get nothing until they subscribe
    /// anew.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn count_without_key(store: &Store, keys: Vec<KeyId>) -> Result<u64, OpenError> {
        let count = store.transact(move |transaction| {
            if let Err(newer) = prepare(transaction, "subscriptions", VERSION, SQL)? {
                return Ok(Err(newer));
            }
            let mut of_keys =
                transaction.prepare("SELECT key_id, count(*) FROM push_subscriptions GROUP BY key_id")?;
            let of_keys = of_keys.query_map([], |row| Ok((KeyId(row.get(0)?), row.get::<_, i64>(1)?)))?;
            let lost = of_keys.filter(|of_key| !matches!(of_key, Ok((key, _)) if keys.contains(key)));
            lost.map(|of_key| of_key.map(|(_, count)| count.unsigned_abs()))
                .sum::<rusqlite::Result<_>>()
                .map(Ok)
        });
        count.await?
    }

    /// Stores a user's device. One that is there already is brought up to date: its group, and whose it is.
    ///
    /// `address` is where it came from, if that is to be limited.
    ///
    /// # Errors
    ///
    /// See [`AddError`].
    pub async fn add(
        &self,
        user: &str,
        group: Option<&str>,
        subscription: &Subscription,
        address: Option<IpAddr>,
    ) -> Result<Added, AddError> {
        let device = NewDevice::new(user, group, subscription, address)?;
        let inner = self.0.clone();
        self.change(move |transaction| device.store(transaction, &inner.rules)).await?
    }

    /// Stores a user's only device: all others are removed.
    ///
    /// # Errors
    ///
    /// See [`AddError`].
    pub async fn replace(
        &self,
        user: &str,
        group: Option<&str>,
        subscription: &Subscription,
    ) -> Result<Added, AddError> {
        let device = NewDevice::new(user, group, subscription, None)?;
        let inner = self.0.clone();
        self.change(move |transaction| {
            let others = "DELETE FROM push_subscriptions WHERE user = ?1 AND id <> ?2";
            let removed = transaction.execute(others, params![device.user, device.id()])?;
            let (added, change) = device.store(transaction, &inner.rules)?;
            Ok((added, change - removed as i64))
        })
        .await?
    }

    /// Stores many devices at once, made with `key`; answers what became of each.
    pub(crate) async fn add_all(
        &self,
        devices: Vec<NewDevice>,
        key: KeyId,
    ) -> Result<Vec<Result<Added, AddError>>, TransactError> {
        let inner = self.0.clone();
        self.change(move |transaction| {
            let mut changes = 0;
            let mut outcomes = Vec::with_capacity(devices.len());
            for device in devices {
                let (added, change) = device.store_with_key(transaction, &inner.rules, key)?;
                changes += change;
                outcomes.push(added);
            }
            Ok((outcomes, changes))
        })
        .await
    }

    /// Removes a device of a user; answers whether it was there.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub async fn remove(&self, user: &str, endpoint: &Endpoint) -> Result<bool, TransactError> {
        let (user, id) = (user.to_owned(), endpoint.id());
        let one = "DELETE FROM push_subscriptions WHERE user = ?1 AND id = ?2";
        self.delete(move |transaction| transaction.execute(one, params![user, id.0]))
            .await
            .map(|removed| removed > 0)
    }

    /// Removes a device, whosever it is; answers whether it was there.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub async fn remove_device(&self, id: SubscriptionId) -> Result<bool, TransactError> {
        let one = "DELETE FROM push_subscriptions WHERE id = ?1";
        self.delete(move |transaction| transaction.execute(one, params![id.0]))
            .await
            .map(|removed| removed > 0)
    }

    /// Removes all devices of a user; answers how many.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub async fn remove_user(&self, user: &str) -> Result<u64, TransactError> {
        let user = user.to_owned();
        self.delete(move |transaction| {
            transaction.execute("DELETE FROM push_subscriptions WHERE user = ?1", [user])
        })
        .await
    }

    /// The devices of a user, oldest first.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub async fn of(&self, user: &str) -> Result<Vec<Device>, TransactError> {
        let user = user.to_owned();
        let sql = "SELECT * FROM push_subscriptions WHERE user = ?1 ORDER BY made, rowid";
        self.0
            .store
            .transact(move |transaction| {
                transaction.prepare_cached(sql)?.query_map([user], Device::read)?.collect()
            })
            .await
    }

    /// A device, whosever it is.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub async fn find(&self, id: SubscriptionId) -> Result<Option<Device>, TransactError> {
        let sql = "SELECT * FROM push_subscriptions WHERE id = ?1";
        self.0
            .store
            .transact(move |transaction| {
                transaction.prepare_cached(sql)?.query_row([id.0], Device::read).optional()
            })
            .await
    }

    /// The subscriptions of a user, oldest first, with their endpoints: secrets.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub async fn subscriptions_of(&self, user: &str) -> Result<Vec<Subscription>, TransactError> {
        let user = user.to_owned();
        let sql = "SELECT * FROM push_subscriptions WHERE user = ?1 ORDER BY made, rowid";
        let rows = self.0.store.transact(move |transaction| {
            transaction
                .prepare_cached(sql)?
                .query_map([user], subscription)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(rows.await?.into_iter().flatten().collect())
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Where they are stored.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// That many rows were deleted by somebody else.
    pub(crate) fn deleted(&self, rows: u64) {
        self.0.count.fetch_sub(rows, Ordering::Relaxed);
    }

    async fn delete(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<u64, TransactError> {
        self.change(move |transaction| work(transaction).map(|removed| (removed as u64, -(removed as i64))))
            .await
    }

    /// Does work that also answers by how many rows the table has grown. The work counts for itself, since whoever asked for
    /// it may be gone when it is done.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(T, i64)> + Send + 'static,
    ) -> Result<T, TransactError> {
        let inner = self.0.clone();
        let changed = Arc::new(AtomicI64::new(0));
        let counted = changed.clone();
        let done = self.0.store.transact(move |transaction| {
            let (value, change) = work(transaction)?;
            counted.store(change, Ordering::Relaxed);
            inner.count.fetch_add(change as u64, Ordering::Relaxed);
            Ok(value)
        });
        let done = done.await;
        if done.is_err() {
            self.0.count.fetch_sub(changed.load(Ordering::Relaxed) as u64, Ordering::Relaxed);
        }
        done
    }
}

#[cfg(test)]
mod tests;
