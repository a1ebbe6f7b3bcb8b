//! Pieces of work that others do in the writer's transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{ErrorCode, Transaction};
use tokio::sync::oneshot;

use crate::errors::{Failure, TransactError};

/// One piece: it runs once, and is told what became of the transaction that it ran in, or that it will not run.
pub(crate) trait Work: Send {
    /// Runs. What it did is undone if it fails, and nothing else.
    ///
    /// # Errors
    ///
    /// The disk is full, or nothing is left of the whole transaction.
    fn run(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// Answers whoever waits for it.
    fn settle(self: Box<Self>, committed: Result<(), Failure>);
}

/// Makes a piece of work, and what waits for its outcome.
pub(crate) fn work<T, F>(run: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, TransactError>>)
where
    T: Send + 'static,
    F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
{
    let (answer, outcome) = oneshot::channel();
    (Box::new(Piece { run: Some(run), outcome: None, answer }), outcome)
}

struct Piece<T, F> {
    run: Option<F>,
    outcome: Option<Result<T, TransactError>>,
    answer: oneshot::Sender<Result<T, TransactError>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        transaction.execute_batch("SAVEPOINT work")?;
        let failed = match catch_unwind(AssertUnwindSafe(|| run(transaction))) {
            Ok(Ok(value)) => {
                self.outcome = Some(Ok(value));
                return transaction.execute_batch("RELEASE work");
            }
            // SQLite itself gives up the whole transaction at some errors.
            Ok(Err(error)) if is_disk_full(&error) || transaction.is_autocommit() => return Err(error),
            Ok(Err(error)) => TransactError::Sqlite(error),
            Err(_) => TransactError::Panicked,
        };
        self.outcome = Some(Err(failed));
        transaction.execute_batch("ROLLBACK TO work; RELEASE work")
    }

    fn settle(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { outcome, answer, .. } = *self;
        let answered = match (committed, outcome) {
            (Ok(()), Some(outcome)) => answer.send(outcome),
            (Err(failure), _) => answer.send(Err(failure.into())),
            // Whoever waits learns that nothing came.
            (Ok(()), None) => return,
        };
        // Who does not wait any more does not want to know.
        drop(answered);
    }
}

fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}
