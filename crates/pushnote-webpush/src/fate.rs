//! What an answer makes of a job.

use std::time::Duration;

use crate::answer::Verdict;
use crate::job::{Fate, Job, Outcome};

/// The first pause before another try, which doubles with each.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// And at most. A service that is away for long is asked by few of its jobs.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// So often a job is tried that fails, over a quarter of an hour or so.
const ATTEMPTS_MAX: u32 = 12;

/// What becomes of a job after a verdict. `jitter` is of 0 to 1.
pub(crate) fn fate(verdict: Verdict, job: &Job, now_ms: i64, jitter: f64) -> Fate {
    let attempts = job.attempts.saturating_add(1);
    let again = |after: Duration, attempts| {
        let due_ms = now_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        if due_ms > job.outgoing.expires_ms {
            Fate::Done(Outcome::Expired)
        } else {
            Fate::Retry { due_ms, attempts }
        }
    };
    match verdict {
        Verdict::Accepted => Fate::Done(Outcome::Accepted),
        Verdict::Gone => Fate::Done(Outcome::Gone),
        Verdict::TooLarge => Fate::Done(Outcome::TooLarge),
        // Not the job's fault, and so no attempt of its own; but it is one that was tried.
        Verdict::Paused(pause) => again(pause, job.attempts.max(1)),
        Verdict::Later if attempts >= ATTEMPTS_MAX => Fate::Done(Outcome::GaveUp),
        Verdict::Later => again(backoff(job.attempts, jitter), attempts),
        Verdict::Unauthorized => Fate::Done(Outcome::Unauthorized),
        Verdict::WrongKey => Fate::Done(Outcome::WrongKey),
        Verdict::Refused => Fate::Done(Outcome::Refused),
    }
}

/// How long to wait after so many failures before this one: at random, so that not all come back at once.
pub(crate) fn backoff(failures: u32, jitter: f64) -> Duration {
    let most = BACKOFF_MIN.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(BACKOFF_MAX);
    most.mul_f64(jitter.clamp(0.0, 1.0))
}

/// A number of 0 to 1, at random.
pub(crate) fn jitter() -> f64 {
    // Without random bytes, half of the time is as good as any.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::job;

    const NOW_MS: i64 = 1_800_000_000_000;

    #[test]
    fn what_is_said_for_good_is_not_asked_again() {
        for (verdict, outcome) in [
            (Verdict::Accepted, Outcome::Accepted),
            (Verdict::Gone, Outcome::Gone),
            (Verdict::TooLarge, Outcome::TooLarge),
            (Verdict::Unauthorized, Outcome::Unauthorized),
            (Verdict::WrongKey, Outcome::WrongKey),
            (Verdict::Refused, Outcome::Refused),
        ] {
            assert_eq!(fate(verdict, &job(1, NOW_MS + 60_000), NOW_MS, 1.0), Fate::Done(outcome));
        }
    }

    #[test]
    fn failures_are_tried_again_with_longer_pauses_within_the_ttl() {
        let mut job = job(1, NOW_MS + 3_600_000);
        let mut pauses = Vec::new();
        loop {
            match fate(Verdict::Later, &job, NOW_MS, 1.0) {
                Fate::Retry { due_ms, attempts } => {
                    pauses.push((due_ms - NOW_MS) / 1000);
                    job.attempts = attempts;
                }
                done => {
                    assert_eq!(done, Fate::Done(Outcome::GaveUp));
                    break;
                }
            }
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        job.attempts = 6;
        assert_eq!(
            fate(Verdict::Later, &job, NOW_MS, 0.25),
            Fate::Retry { due_ms: NOW_MS + 16_000, attempts: 7 }
        );
        let last = NOW_MS + 3_600_000 - 64_000;
        assert!(matches!(fate(Verdict::Later, &job, last, 1.0), Fate::Retry { .. }));
        assert_eq!(fate(Verdict::Later, &job, last + 1, 1.0), Fate::Done(Outcome::Expired));
    }

    #[test]
    fn a_pause_of_the_service_is_no_failure_of_the_job() {
        let mut job = job(1, NOW_MS + 3_600_000);
        let verdict = Verdict::Paused(Duration::from_secs(60));
        let again = Fate::Retry { due_ms: NOW_MS + 60_000, attempts: 1 };
        assert_eq!(fate(verdict, &job, NOW_MS, 1.0), again);
        job.attempts = 1;
        assert_eq!(fate(verdict, &job, NOW_MS, 1.0), again);
        assert_eq!(fate(verdict, &job, NOW_MS + 3_550_000, 1.0), Fate::Done(Outcome::Expired));
    }

    #[test]
    fn the_ttl_counts_down_and_ends() {
        let mut job = job(1, NOW_MS + 10_000);
        assert_eq!(job.message(NOW_MS).ttl, Duration::from_secs(10));
        assert_eq!(job.message(NOW_MS + 8_500).ttl, Duration::from_secs(2));
        assert_eq!(job.message(NOW_MS + 20_000).ttl, Duration::ZERO);
        assert_eq!(job.message(NOW_MS - 3_600_000).ttl, Duration::from_secs(10), "the clock was set back");
        assert!(!job.is_late(NOW_MS + 10_000));
        assert!(job.is_late(NOW_MS + 10_001));
        // For who is here now: a first try soon, and no second.
        job = crate::testing::job(1, NOW_MS);
        assert!(!job.is_late(NOW_MS + 60_000));
        assert!(job.is_late(NOW_MS + 60_001));
        assert_eq!(fate(Verdict::Later, &job, NOW_MS, 0.5), Fate::Done(Outcome::Expired));
        job.attempts = 1;
        assert!(job.is_late(NOW_MS + 1));
    }

    #[test]
    fn no_number_of_failures_is_too_large() {
        for failures in [31, 32, 1000, u32::MAX] {
            assert_eq!(backoff(failures, 1.0), BACKOFF_MAX);
        }
        assert!((0.0..=1.0).contains(&jitter()));
    }
}
