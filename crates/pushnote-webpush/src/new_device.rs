//! What is checked before a subscription is stored.

use std::net::{IpAddr, Ipv6Addr};

use pushnote_net::unix_now;
use pushnote_store::TransactError;
use pushnote_store::rusqlite::{self, OptionalExtension, Row, Transaction, params};

use crate::key::{KeyId, Keys};
use crate::subscription::Subscription;

/// Bytes of a user's id, and of a group's name.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// How many subscriptions there may be: each is a request that the server makes for whoever stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Of one user.
    pub per_user_max: u32,
    /// From one address; from one /64 with IPv6.
    pub per_address_max: u32,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { per_user_max: 20, per_address_max: 100 }
    }
}

/// What became of a subscription that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not there.
    New,
    /// The user had it already.
    Known,
    /// Another user had it: somebody else uses this device now.
    Moved,
}

/// Why a subscription was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// No user has such an id.
    #[error("a user's id has 1 to {NAME_BYTES_MAX} bytes, none of them control characters")]
    User,
    /// No group has such a name.
    #[error("a group's name has 1 to {NAME_BYTES_MAX} bytes, none of them control characters")]
    Group,
    /// Of this user there are enough.
    #[error("the user has {max} devices already, as many as are allowed: remove one of them")]
    UserFull {
        /// The limit.
        max: u32,
    },
    /// From this address there are enough.
    #[error("{max} subscriptions have come from this address already, as many as are allowed")]
    AddressFull {
        /// The limit.
        max: u32,
    },
    /// Nothing can be stored.
    #[error(transparent)]
    Store(#[from] TransactError),
}

/// What all that is stored keeps to.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) options: SubscriptionOptions,
    current_key: KeyId,
    /// All keys that are there.
    keys: Vec<KeyId>,
}

impl Rules {
    pub(crate) fn new(options: SubscriptionOptions, keys: &Keys) -> Self {
        Self { options, current_key: keys.current().id(), keys: keys.ids().collect() }
    }
}

/// A device that is to be stored.
pub(crate) struct NewDevice {
    pub(crate) user: String,
    group: Option<String>,
    subscription: Subscription,
    address: Option<String>,
}

impl NewDevice {
    pub(crate) fn new(
        user: &str,
        group: Option<&str>,
        subscription: &Subscription,
        address: Option<IpAddr>,
    ) -> Result<Self, AddError> {
        let fits =
            |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        if !fits(user) {
            return Err(AddError::User);
        }
        if !group.is_none_or(fits) {
            return Err(AddError::Group);
        }
        let (user, group) = (user.to_owned(), group.map(str::to_owned));
        Ok(Self { user, group, subscription: subscription.clone(), address: address.map(shared_address) })
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        self.subscription.endpoint().id().0
    }

    pub(crate) fn store(
        &self,
        transaction: &Transaction<'_>,
        rules: &Rules,
    ) -> rusqlite::Result<(Result<Added, AddError>, i64)> {
        self.store_with_key(transaction, rules, rules.current_key)
    }

    /// Answers also by how many rows the table has grown.
    pub(crate) fn store_with_key(
        &self,
        transaction: &Transaction<'_>,
        rules: &Rules,
        key: KeyId,
    ) -> rusqlite::Result<(Result<Added, AddError>, i64)> {
        let before = "SELECT user, p256dh, auth, key_id, wrong_key FROM push_subscriptions WHERE id = ?1";
        let before = transaction.prepare_cached(before)?.query_row([self.id()], Before::read).optional()?;
        let added = match &before {
            Some(before) if before.user == self.user => Added::Known,
            Some(_) => Added::Moved,
            None => Added::New,
        };
        if added != Added::Known
            && let Some(full) = self.is_too_many(transaction, rules.options)?
        {
            return Ok((Err(full), 0));
        }
        let key = before.and_then(|before| before.key_that_holds(self, rules)).unwrap_or(key);
        let endpoint = self.subscription.endpoint();
        transaction
            .prepare_cached(
                "INSERT INTO push_subscriptions (id, user, grp, endpoint, origin, p256dh, auth, key_id, address, made)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                    ON CONFLICT (id) DO UPDATE SET user = excluded.user, grp = excluded.grp, p256dh = excluded.p256dh,
                        auth = excluded.auth, key_id = excluded.key_id, address = excluded.address, wrong_key = 0",
            )?
            .execute(params![
                self.id(),
                self.user,
                self.group,
                endpoint.as_str(),
                endpoint.origin(),
                self.subscription.p256dh(),
                self.subscription.auth(),
                key.0,
                self.address,
                unix_now() as i64,
            ])?;
        Ok((Ok(added), i64::from(added == Added::New)))
    }

    fn is_too_many(
        &self,
        transaction: &Transaction<'_>,
        options: SubscriptionOptions,
    ) -> rusqlite::Result<Option<AddError>> {
        let SubscriptionOptions { per_user_max, per_address_max } = options;
        let count = |sql, name: &str| -> rusqlite::Result<u32> {
            transaction.prepare_cached(sql)?.query_row(params![name, self.id()], |row| row.get(0))
        };
        if count("SELECT count(*) FROM push_subscriptions WHERE user = ?1 AND id <> ?2", &self.user)?
            >= per_user_max
        {
            return Ok(Some(AddError::UserFull { max: per_user_max }));
        }
        let Some(address) = &self.address else { return Ok(None) };
        let from_there =
            count("SELECT count(*) FROM push_subscriptions WHERE address = ?1 AND id <> ?2", address)?;
        Ok((from_there >= per_address_max).then_some(AddError::AddressFull { max: per_address_max }))
    }
}

/// What is there of a subscription that comes again.
struct Before {
    user: String,
    p256dh: [u8; 65],
    auth: [u8; 16],
    key: KeyId,
    wrong_key: u32,
}

impl Before {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            user: row.get("user")?,
            p256dh: row.get("p256dh")?,
            auth: row.get("auth")?,
            key: KeyId(row.get("key_id")?),
            wrong_key: row.get("wrong_key")?,
        })
    }

    /// A page gives what its browser has, and that may have been made with an old key.
    fn key_that_holds(&self, device: &NewDevice, rules: &Rules) -> Option<KeyId> {
        let same = self.p256dh == *device.subscription.p256dh() && self.auth == *device.subscription.auth();
        (same && self.wrong_key == 0 && rules.keys.contains(&self.key)).then_some(self.key)
    }
}

/// What is counted as one address: who has one of IPv6 has all 2^64 beside it.
fn shared_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}
