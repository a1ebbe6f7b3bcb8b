//! The tables of messages that may be pushed: how far each has come with each of its users.

use pushnote_core::{Push, UserId};
use pushnote_hub::Publication;
use pushnote_store::rusqlite::{OptionalExtension, Result, Row, Transaction, params};

use super::state::State;

/// Rows that go in one piece, so that the log, which has the same writer, is not held up.
const FORGOTTEN_TOGETHER: usize = 5_000;

/// Messages whose pushes are queued in one round.
const QUEUED_TOGETHER: usize = 64;

/// `queued`: its pushes are in the queue of jobs. `due`: that users have no device has not been noted yet. `device`: the user had
/// one when they were queued.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sent_messages(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    push TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    queued INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS sent_messages_to_queue ON sent_messages(number) WHERE queued = 0;
CREATE INDEX IF NOT EXISTS sent_messages_due ON sent_messages(due_ms) WHERE due = 1;
CREATE TABLE IF NOT EXISTS sent_users(
    message INTEGER NOT NULL,
    user TEXT NOT NULL,
    state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    device INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY(message, user)
) WITHOUT ROWID;
";

/// A message that may be pushed.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// By what it is acknowledged.
    pub(super) id: String,
    /// What is pushed, and when.
    pub(super) push: Push,
    /// Its users, and how far it has come with each.
    pub(super) users: Vec<(UserId, State)>,
    /// When it was published, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl Sent {
    /// Of a message that was published at this time, in milliseconds since 1970, if it may be pushed.
    pub(crate) fn of(publication: &Publication, at_ms: u64) -> Option<Self> {
        let (id, push) = (publication.ack()?.to_owned(), publication.push()?.clone());
        let users = publication.audience().user_ids();
        Some(Self { id, push, users: users.map(|user| (user.clone(), State::Accepted)).collect(), at_ms })
    }
}

/// One of which the pushes are not in the queue of jobs yet.
#[derive(Debug)]
pub(super) struct ToQueue {
    pub(super) id: String,
    pub(super) push: Push,
    /// When, in milliseconds since 1970.
    pub(super) due_ms: u64,
    /// Those of its users who have not acknowledged it.
    pub(super) users: Vec<String>,
}

/// A user with whom a message has come further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advanced {
    pub(super) user: String,
    pub(super) before: State,
}

/// A message as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it was published, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Its users, their states, and since when, likewise.
    pub(crate) users: Vec<(String, State, u64)>,
}

/// How much is kept of how far messages with a push have come.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// For how long, in milliseconds.
    pub age_max_ms: u64,
    /// Of how many users of messages.
    pub users_max: u64,
}

impl Default for Bounds {
    /// A day, and 100,000 users.
    fn default() -> Self {
        Self { age_max_ms: 24 * 3600 * 1000, users_max: 100_000 }
    }
}

/// Makes the tables. How many users of messages are in them.
pub(super) fn open(tx: &Transaction<'_>) -> Result<u64> {
    tx.execute_batch(TABLES)?;
    tx.query_row("SELECT count(*) FROM sent_users", [], |row| unsigned(row, 0))
}

/// What was added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// Users of messages.
    pub(super) users: u64,
    /// Messages that were known, and so were not.
    pub(super) known: u64,
}

/// Adds messages, but for those that are known.
pub(super) fn add(tx: &Transaction<'_>, messages: &[Sent]) -> Result<Added> {
    let mut added = Added::default();
    let mut message = tx.prepare_cached(
        "INSERT INTO sent_messages(id, push, at_ms, due_ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(id) DO NOTHING",
    )?;
    let mut user = tx.prepare_cached(
        "INSERT INTO sent_users(message, user, state, at_ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    for Sent { id, push, users, at_ms } in messages {
        let due_ms = at_ms + u64::from(push.after_s) * 1000;
        if message.execute(params![id, push.to_json(), signed(*at_ms), signed(due_ms)])? == 0 {
            added.known += 1;
            continue;
        }
        let number = tx.last_insert_rowid();
        for (name, state) in users {
            added.users +=
                user.execute(params![number, name.as_str(), state.number(), signed(*at_ms)])? as u64;
        }
    }
    Ok(added)
}

/// Messages whose pushes are not queued yet, the oldest first.
pub(super) fn to_queue(tx: &Transaction<'_>) -> Result<Vec<ToQueue>> {
    let mut messages = tx.prepare_cached(
        "SELECT number, id, push, due_ms FROM sent_messages WHERE queued = 0 ORDER BY number LIMIT ?1",
    )?;
    let rows = messages.query_map([QUEUED_TOGETHER as i64], |row| {
        let push: String = row.get(2)?;
        Ok((row.get::<_, i64>(0)?, row.get(1)?, push, unsigned(row, 3)?))
    })?;
    let mut users = tx.prepare_cached("SELECT user FROM sent_users WHERE message = ?1 AND state < ?2")?;
    let mut to_queue = Vec::new();
    for row in rows {
        let (number, id, push, due_ms) = row?;
        let names = users.query_map(params![number, State::Acknowledged.number()], |row| row.get(0))?;
        let users = names.collect::<Result<_>>()?;
        // It was written here.
        let push = Push::parse(push.as_bytes()).unwrap_or_default();
        to_queue.push(ToQueue { id, push, due_ms, users });
    }
    Ok(to_queue)
}

/// The pushes of a message are in the queue of jobs; some of its users have no device.
pub(super) fn queued(tx: &Transaction<'_>, id: &str, without_device: &[String]) -> Result<()> {
    let Some(number) = number(tx, id)? else { return Ok(()) };
    tx.prepare_cached("UPDATE sent_messages SET queued = 1 WHERE number = ?1")?.execute([number])?;
    let mut lacks = tx.prepare_cached("UPDATE sent_users SET device = 0 WHERE message = ?1 AND user = ?2")?;
    without_device.iter().try_for_each(|user| lacks.execute(params![number, user]).map(|_| ()))
}

/// A message has come so far with these users. Those with whom it had not come as far.
pub(super) fn advance(
    tx: &Transaction<'_>,
    id: &str,
    users: &[String],
    state: State,
    now_ms: u64,
) -> Result<Vec<Advanced>> {
    let Some(number) = number(tx, id)? else { return Ok(Vec::new()) };
    let mut find =
        tx.prepare_cached("SELECT state FROM sent_users WHERE message = ?1 AND user = ?2 AND state < ?3")?;
    let mut update =
        tx.prepare_cached("UPDATE sent_users SET state = ?3, at_ms = ?4 WHERE message = ?1 AND user = ?2")?;
    let mut advanced = Vec::new();
    for user in users {
        let before = find.query_row(params![number, user, state.number()], |row| state_in(row, 0));
        if let Some(before) = before.optional()? {
            update.execute(params![number, user, state.number(), signed(now_ms)])?;
            advanced.push(Advanced { user: user.clone(), before });
        }
    }
    Ok(advanced)
}

/// Where the time is over, no connection was open and a user has no device, it has failed. A message's users, of one message.
pub(super) fn fail_without_device(
    tx: &Transaction<'_>,
    now_ms: u64,
) -> Result<Option<(String, Vec<Advanced>)>> {
    let mut due = tx.prepare_cached(
        "SELECT number, id FROM sent_messages WHERE due = 1 AND queued = 1 AND due_ms <= ?1 ORDER BY due_ms LIMIT 1",
    )?;
    let due = due.query_row([signed(now_ms)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let Some((number, id)) = due.optional()? else { return Ok(None) };
    let mut users =
        tx.prepare_cached("SELECT user FROM sent_users WHERE message = ?1 AND device = 0 AND state < ?2")?;
    let users = users.query_map(params![number, State::Delivered.number()], |row| row.get(0))?;
    let users = users.collect::<Result<Vec<String>>>()?;
    tx.execute("UPDATE sent_messages SET due = 0 WHERE number = ?1", [number])?;
    let failed = advance(tx, &id, &users, State::Failed, now_ms)?;
    Ok(Some((id, failed)))
}

/// Forgets what is too old, or too much; of the oldest message so many users at a time. How many users went, unless nothing is to
/// go.
pub(super) fn forget(tx: &Transaction<'_>, users: u64, bounds: Bounds, now_ms: u64) -> Result<Option<u64>> {
    let oldest = tx
        .prepare_cached("SELECT number, at_ms FROM sent_messages ORDER BY number LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)));
    let Some((number, at_ms)) = oldest.optional()? else { return Ok(None) };
    if users <= bounds.users_max && at_ms.saturating_add(bounds.age_max_ms) > now_ms {
        return Ok(None);
    }
    let gone = tx.execute(
        "DELETE FROM sent_users WHERE message = ?1 AND user IN (SELECT user FROM sent_users WHERE message = ?1 LIMIT ?2)",
        params![number, FORGOTTEN_TOGETHER as i64],
    )?;
    if gone < FORGOTTEN_TOGETHER {
        tx.execute("DELETE FROM sent_messages WHERE number = ?1", [number])?;
    }
    Ok(Some(gone as u64))
}

/// A message as it stands, if it is known.
pub(super) fn standing(tx: &Transaction<'_>, id: &str) -> Result<Option<Standing>> {
    let message = tx.query_row("SELECT number, at_ms FROM sent_messages WHERE id = ?1", [id], |row| {
        Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?))
    });
    let Some((number, at_ms)) = message.optional()? else { return Ok(None) };
    let mut users =
        tx.prepare_cached("SELECT user, state, at_ms FROM sent_users WHERE message = ?1 ORDER BY user")?;
    let users = users.query_map([number], |row| Ok((row.get(0)?, state_in(row, 1)?, unsigned(row, 2)?)))?;
    Ok(Some(Standing { at_ms, users: users.collect::<Result<_>>()? }))
}

/// What is still to be acknowledged, the oldest first, up to so many users: messages, each with its users.
pub(super) fn awaited(tx: &Transaction<'_>, users_max: usize) -> Result<Vec<(String, Vec<UserId>)>> {
    let mut rows = tx.prepare(
        "SELECT id, user FROM (SELECT message, user FROM sent_users WHERE state < ?1 ORDER BY message DESC LIMIT ?2) \
         JOIN sent_messages ON number = message ORDER BY message",
    )?;
    let rows = rows.query_map(params![State::Acknowledged.number(), users_max as i64], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut awaited: Vec<(String, Vec<UserId>)> = Vec::new();
    for row in rows {
        let (id, user) = row?;
        let Ok(user) = UserId::new(&user) else { continue };
        match awaited.last_mut() {
            Some((last, users)) if *last == id => users.push(user),
            _ => awaited.push((id, vec![user])),
        }
    }
    Ok(awaited)
}

/// Those of these users who have acknowledged a message.
pub(super) fn acknowledged(tx: &Transaction<'_>, id: &str, users: &[String]) -> Result<Vec<String>> {
    let Some(number) = number(tx, id)? else { return Ok(Vec::new()) };
    let mut find =
        tx.prepare_cached("SELECT 1 FROM sent_users WHERE message = ?1 AND user = ?2 AND state = ?3")?;
    let mut acknowledged = Vec::new();
    for user in users {
        if find.exists(params![number, user, State::Acknowledged.number()])? {
            acknowledged.push(user.clone());
        }
    }
    Ok(acknowledged)
}

/// What is pushed of a message.
pub(super) fn push_of(tx: &Transaction<'_>, id: &str) -> Result<Option<Push>> {
    let push =
        tx.query_row("SELECT push FROM sent_messages WHERE id = ?1", [id], |row| row.get::<_, String>(0));
    Ok(push.optional()?.and_then(|push| Push::parse(push.as_bytes()).ok()))
}

fn number(tx: &Transaction<'_>, id: &str) -> Result<Option<i64>> {
    let mut find = tx.prepare_cached("SELECT number FROM sent_messages WHERE id = ?1")?;
    find.query_row([id], |row| row.get(0)).optional()
}

fn state_in(row: &Row<'_>, at: usize) -> Result<State> {
    // None but these is ever written.
    Ok(State::of_number(row.get(at)?).unwrap_or(State::Accepted))
}

/// SQLite's integers are signed; no time is so late that it matters.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, at: usize) -> Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or_default())
}

#[cfg(test)]
#[path = "states_tests.rs"]
mod tests;
