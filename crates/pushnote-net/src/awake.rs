//! Timeouts that are judged only after what has arrived is read.

use std::pin::pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// A timeout that is noticed so much later than it was due tells of this process, not of whoever is waited for: it
/// stood still (it was paused, swapped out, moved to another machine), and what has arrived meanwhile lies unread.
pub const LATE: Duration = Duration::from_secs(1);

/// As [`tokio::time::timeout`], but only time in which this process runs counts: after it stood still, `future` has
/// all of `patience` again, and so time to read what lies there.
///
/// # Errors
/// [`Elapsed`] when `future` was not ready in time.
pub async fn timeout_awake<F: Future>(patience: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    loop {
        let Some(deadline) = Instant::now().checked_add(patience) else { return Ok(future.await) };
        match timeout_at(deadline, &mut future).await {
            Err(_) if Instant::now() > deadline + LATE => {}
            judged => return judged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::sync::oneshot;
    use tokio::time::advance;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn whoever_is_in_time_is_and_whoever_is_not_is_not() {
        assert_eq!(timeout_awake(PATIENCE, ready(1)).await, Ok(1));
        assert_eq!(timeout_awake(Duration::MAX, ready(1)).await, Ok(1));
        let began = Instant::now();
        assert!(timeout_awake(PATIENCE, pending::<()>()).await.is_err());
        assert!(began.elapsed() < PATIENCE + LATE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_reads_before_it_judges() {
        let (word, heard) = oneshot::channel();
        let waiting = tokio::spawn(timeout_awake(PATIENCE, heard));
        tokio::task::yield_now().await;
        // It stands still; what it was to hear lies there, and is read some moments later.
        advance(PATIENCE * 3).await;
        tokio::task::yield_now().await;
        word.send("in time").unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Ok("in time")));
    }

    #[tokio::test(start_paused = true)]
    async fn after_that_silence_counts_again() {
        let waiting = tokio::spawn(timeout_awake(PATIENCE, pending::<()>()));
        tokio::task::yield_now().await;
        advance(PATIENCE * 3).await;
        let awake = Instant::now();
        assert!(waiting.await.unwrap().is_err());
        assert!((PATIENCE..PATIENCE + LATE).contains(&awake.elapsed()));
    }
}
