//! Makes a job for each subscription that a message is for.

use pushnote_store::rusqlite::{self, OptionalExtension, Transaction, named_params, params};

use crate::audience::{Audience, Recipients};
use crate::message::{Message, Topic};

/// Subscriptions that get a job in one transaction: the log waits for it.
const PIECE: i64 = 5000;

/// A message that was written down.
pub(crate) struct Begun {
    /// Its row.
    pub(crate) message: i64,
    /// All its jobs are there.
    pub(crate) complete: bool,
}

/// Writes a message down, if it is not there yet.
pub(crate) fn begin(
    transaction: &Transaction<'_>,
    message_id: &str,
    message: &Message,
    start_ms: i64,
) -> rusqlite::Result<Begun> {
    let select = "SELECT id, cursor IS NULL FROM push_messages WHERE message_id = ?1";
    let known = |row: &rusqlite::Row<'_>| Ok(Begun { message: row.get(0)?, complete: row.get(1)? });
    if let Some(known) = transaction.prepare_cached(select)?.query_row([message_id], known).optional()? {
        return Ok(known);
    }
    let ttl_s = i64::try_from(message.ttl.as_secs()).unwrap_or(i64::MAX / 2000);
    let expires_ms = start_ms.saturating_add(ttl_s.saturating_mul(1000));
    let (topic, payload) = (message.topic.as_ref().map(Topic::as_str), message.payload());
    transaction
        .prepare_cached(
            "INSERT INTO push_messages (message_id, payload, ttl_s, urgency, topic, start_ms, expires_ms, cursor)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, x'')",
        )?
        .execute(params![
            message_id,
            payload.map(|payload| &payload[..]),
            ttl_s,
            message.urgency.as_str(),
            topic,
            start_ms,
            expires_ms
        ])?;
    Ok(Begun { message: transaction.last_insert_rowid(), complete: false })
}

/// Users of an audience who have no device now. Asked where the last jobs are made: a device that goes before then has none, and
/// one that goes later has a job, of which that is told.
pub(crate) fn without_device(
    transaction: &Transaction<'_>,
    audience: &Condition,
) -> rusqlite::Result<Vec<String>> {
    let Some(users) = &audience.users else { return Ok(Vec::new()) };
    let mut select = transaction.prepare_cached(
        "SELECT DISTINCT value FROM json_each(?1) WHERE NOT EXISTS
         (SELECT 1 FROM push_subscriptions WHERE user = value)",
    )?;
    select.query_map([users], |row| row.get(0))?.collect()
}

/// An audience, as a condition of SQL needs it.
#[derive(Debug)]
pub(crate) struct Condition {
    /// With the parameters below, and the last subscription that has its job.
    condition: &'static str,
    /// A list in JSON.
    users: Option<String>,
    group: Option<String>,
    /// A list in JSON.
    except: String,
    quiet: bool,
}

impl Condition {
    pub(crate) fn of(audience: &Audience, message: &Message) -> Self {
        let (except, quiet) = (json_list(&audience.except), message.quiet);
        let (mut users, mut group) = (None, None);
        // The plus signs let SQLite find users and groups by their index, and not by the order of subscriptions.
        let condition = match &audience.to {
            Recipients::Users(list) => {
                users = Some(json_list(list));
                "+id > :cursor AND user IN (SELECT value FROM json_each(:users))"
            }
            Recipients::Group(name) => {
                group = Some(name.clone());
                "+id > :cursor AND grp = :group"
            }
            Recipients::Everyone => "id > :cursor",
        };
        Self { condition, users, group, except, quiet }
    }
}

/// A list of users, as SQLite reads it.
pub(crate) fn json_list(users: &[String]) -> String {
    serde_json::Value::from(users).to_string()
}

/// Makes jobs for the next subscriptions of an audience. Says how many, and whether these were the last.
pub(crate) fn add_piece(
    transaction: &Transaction<'_>,
    message: i64,
    audience: &Condition,
) -> rusqlite::Result<(i64, bool)> {
    let select = "SELECT cursor, start_ms FROM push_messages WHERE id = ?1";
    let begun = transaction
        .prepare_cached(select)?
        .query_row([message], |row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((Some(cursor), start_ms)) = begun else { return Ok((0, true)) };
    // Apple takes the permission from pages whose messages show nothing. The last conditions are always true: a parameter that
    // is given has to be somewhere.
    let insert = format!(
        "INSERT INTO push_jobs (message, subscription, user, origin, due_ms)
         SELECT :message, id, user, origin, :start FROM push_subscriptions WHERE {}
         AND user NOT IN (SELECT value FROM json_each(:except))
         AND NOT (:quiet AND origin LIKE 'https://%push.apple.com')
         AND :users IS :users AND :group IS :group ORDER BY id LIMIT :piece RETURNING subscription",
        audience.condition
    );
    let mut insert = transaction.prepare_cached(&insert)?;
    let Condition { users, group, except, quiet, .. } = audience;
    let mut rows = insert.query(named_params! {
        ":message": message, ":start": start_ms, ":cursor": cursor, ":piece": PIECE,
        ":users": users, ":group": group, ":except": except, ":quiet": quiet,
    })?;
    let (mut added, mut last) = (0i64, None);
    while let Some(row) = rows.next()? {
        added += 1;
        last = last.max(Some(row.get::<_, Vec<u8>>(0)?));
    }
    let complete = added < PIECE;
    let update = "UPDATE push_messages SET devices = devices + ?2, cursor = ?3 WHERE id = ?1";
    let cursor = if complete { None } else { last };
    transaction.prepare_cached(update)?.execute(params![message, added, cursor])?;
    Ok((added, complete))
}
