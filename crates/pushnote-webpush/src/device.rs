//! A row of the table of subscriptions.

use pushnote_store::rusqlite::{self, Row};

use crate::endpoint::{Endpoint, SubscriptionId};
use crate::key::KeyId;
use crate::subscription::Subscription;

/// A subscription in the table, as it may be shown: without its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is known by.
    pub id: SubscriptionId,
    /// Whose it is.
    pub user: String,
    /// The group it is in.
    pub group: Option<String>,
    /// Its push service.
    pub origin: String,
    /// The key it was made with.
    pub key: KeyId,
    /// When it was stored, in Unix seconds.
    pub made: u64,
    /// When its service last took a message, in Unix seconds.
    pub last_ok: Option<u64>,
    /// Messages in a row that its service did not take.
    pub failures: u32,
    /// How often its service said that it was made with another key.
    pub wrong_key: u32,
}

impl Device {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: SubscriptionId(row.get("id")?),
            user: row.get("user")?,
            group: row.get("grp")?,
            origin: row.get("origin")?,
            key: KeyId(row.get("key_id")?),
            made: row.get::<_, i64>("made")?.unsigned_abs(),
            last_ok: row.get::<_, Option<i64>>("last_ok")?.map(i64::unsigned_abs),
            failures: row.get("failures")?,
            wrong_key: row.get("wrong_key")?,
        })
    }
}

/// A row's subscription; `None` if somebody has written nonsense into the table.
pub(crate) fn subscription(row: &Row<'_>) -> rusqlite::Result<Option<Subscription>> {
    let (endpoint, p256dh, auth): (String, _, _) =
        (row.get("endpoint")?, row.get("p256dh")?, row.get("auth")?);
    Ok(Endpoint::parse(endpoint).ok().and_then(|endpoint| Subscription::new(endpoint, p256dh, auth).ok()))
}
