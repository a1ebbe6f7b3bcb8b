//! Tables in the store's file, each part with a version of its own.

use pushnote_store::TransactError;
use pushnote_store::rusqlite::{self, OptionalExtension, Transaction, params};

/// Why tables cannot be used. Nothing in them was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Of a version that is to come.
    #[error(
        "the tables of Web Push ({part}) have format {version}, and this version of pushnote knows {known} at most: use a newer one"
    )]
    Newer {
        /// Which tables.
        part: &'static str,
        /// The format they have.
        version: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// Nothing can be read or stored.
    #[error(transparent)]
    Store(#[from] TransactError),
}

/// Makes the tables of a part, by `sql` that does so only if they are missing; answers with an error of ours if they are of a
/// later version.
pub(crate) fn prepare(
    transaction: &Transaction<'_>,
    part: &'static str,
    known: i64,
    sql: &str,
) -> rusqlite::Result<Result<(), OpenError>> {
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS push_version (part TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
    )?;
    let version = transaction
        .query_row("SELECT version FROM push_version WHERE part = ?1", [part], |row| row.get(0))
        .optional()?;
    match version {
        Some(version) if version > known => return Ok(Err(OpenError::Newer { part, version, known })),
        Some(_) => {}
        None => {
            transaction
                .execute("INSERT INTO push_version (part, version) VALUES (?1, ?2)", params![part, known])?;
        }
    }
    transaction.execute_batch(sql)?;
    Ok(Ok(()))
}
