//! Producers that number what they append, so that a request may be repeated and counts once (section 5.2.1).

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

/// Who appends.
pub(super) const PRODUCER_ID: HeaderName = HeaderName::from_static("producer-id");
/// Which run of it.
pub(super) const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
/// Which of its requests.
pub(super) const PRODUCER_SEQ: HeaderName = HeaderName::from_static("producer-seq");
/// Which request is to come next.
pub(super) const PRODUCER_EXPECTED_SEQ: HeaderName = HeaderName::from_static("producer-expected-seq");
/// Which has come instead.
pub(super) const PRODUCER_RECEIVED_SEQ: HeaderName = HeaderName::from_static("producer-received-seq");

/// Producers that a stream remembers: those which were heard last.
const PRODUCERS_MAX: usize = 64;

/// Longest id of a producer, in bytes.
const ID_BYTES_MAX: usize = 256;

/// Largest epoch and number: what a number of JavaScript holds (2⁵³ − 1).
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// One request of a producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) id: Box<str>,
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

/// Headers that name no step of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepError {
    /// One of three is missing.
    #[error("Producer-Id, Producer-Epoch and Producer-Seq come together or not at all")]
    Incomplete,
    /// No id.
    #[error("Producer-Id must be 1 to {ID_BYTES_MAX} visible ASCII characters")]
    Id,
    /// No number.
    #[error("Producer-Epoch and Producer-Seq must be whole numbers from 0 to 2^53 - 1")]
    Number,
}

/// Why a producer's request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutOfStep {
    /// Another run of it has been heard since.
    #[error("this producer has begun epoch {epoch}")]
    Stale {
        /// The newest run.
        epoch: u64,
    },
    /// A run begins with 0.
    #[error("a new epoch begins with Producer-Seq 0")]
    LateBegin,
    /// Requests are missing.
    #[error("Producer-Seq {expected} is to come next")]
    Gap {
        /// The next that would be taken.
        expected: u64,
    },
}

/// What becomes of a request that is in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InStep {
    /// It is the next one.
    Next,
    /// It was taken before.
    Again {
        /// The last that was taken.
        last: u64,
    },
}

impl Step {
    /// What the headers say.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>, StepError> {
        let of = |name| headers.get(name);
        match (of(PRODUCER_ID), of(PRODUCER_EPOCH), of(PRODUCER_SEQ)) {
            (None, None, None) => Ok(None),
            (Some(id), Some(epoch), Some(seq)) => {
                let id = id.to_str().map_err(|_| StepError::Id)?;
                if id.is_empty() || id.len() > ID_BYTES_MAX {
                    return Err(StepError::Id);
                }
                Ok(Some(Self { id: id.into(), epoch: number(epoch)?, seq: number(seq)? }))
            }
            _ => Err(StepError::Incomplete),
        }
    }
}

fn number(value: &http::HeaderValue) -> Result<u64, StepError> {
    let text = value.to_str().map_err(|_| StepError::Number)?;
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= NUMBER_MAX).ok_or(StepError::Number)
}

/// The producers of a stream, each with its last step; who was heard last stands last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Producers(Vec<Step>);

impl Producers {
    /// What becomes of a request. One whose producer is not known begins with 0, in whichever epoch.
    pub(super) fn check(&self, step: &Step) -> Result<InStep, OutOfStep> {
        match self.0.iter().find(|known| known.id == step.id) {
            Some(known) if step.epoch < known.epoch => Err(OutOfStep::Stale { epoch: known.epoch }),
            Some(known) if step.epoch > known.epoch && step.seq > 0 => Err(OutOfStep::LateBegin),
            Some(known) if step.epoch == known.epoch && step.seq <= known.seq => {
                Ok(InStep::Again { last: known.seq })
            }
            Some(known) if step.epoch == known.epoch && step.seq > known.seq + 1 => {
                Err(OutOfStep::Gap { expected: known.seq + 1 })
            }
            None if step.seq > 0 => Err(OutOfStep::Gap { expected: 0 }),
            _ => Ok(InStep::Next),
        }
    }

    /// A request was taken.
    pub(super) fn took(&mut self, step: &Step) {
        self.0.retain(|known| known.id != step.id);
        if self.0.len() == PRODUCERS_MAX {
            self.0.remove(0);
        }
        self.0.push(step.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, epoch: u64, seq: u64) -> Step {
        Step { id: id.into(), epoch, seq }
    }

    fn read(values: [Option<&str>; 3]) -> Result<Option<Step>, StepError> {
        let names = [PRODUCER_ID, PRODUCER_EPOCH, PRODUCER_SEQ];
        let headers =
            names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?.parse().unwrap())));
        Step::read(&headers.collect())
    }

    #[test]
    fn all_three_headers_or_none() {
        assert_eq!(read([None; 3]), Ok(None));
        assert_eq!(
            read([Some("a"), Some("0"), Some("9007199254740991")]),
            Ok(Some(step("a", 0, NUMBER_MAX)))
        );
        assert_eq!(read([Some("a"), None, Some("1")]), Err(StepError::Incomplete));
        assert_eq!(read([Some(""), Some("0"), Some("1")]), Err(StepError::Id));
        assert_eq!(read([Some(&"x".repeat(257)), Some("0"), Some("1")]), Err(StepError::Id));
        for number in ["", "-1", "+1", "1.0", "1e3", "1abc", "9007199254740992"] {
            assert_eq!(read([Some("a"), Some(number), Some("1")]), Err(StepError::Number), "{number}");
            assert_eq!(read([Some("a"), Some("1"), Some(number)]), Err(StepError::Number), "{number}");
        }
    }

    #[test]
    fn a_request_counts_once() {
        let mut producers = Producers::default();
        assert_eq!(producers.check(&step("a", 3, 1)), Err(OutOfStep::Gap { expected: 0 }));
        for seq in 0..3 {
            assert_eq!(producers.check(&step("a", 3, seq)), Ok(InStep::Next));
            producers.took(&step("a", 3, seq));
        }
        assert_eq!(producers.check(&step("a", 3, 0)), Ok(InStep::Again { last: 2 }));
        assert_eq!(producers.check(&step("a", 3, 4)), Err(OutOfStep::Gap { expected: 3 }));
        assert_eq!(producers.check(&step("b", 0, 0)), Ok(InStep::Next));
    }

    #[test]
    fn a_new_run_shuts_out_the_old_one() {
        let mut producers = Producers::default();
        producers.took(&step("a", 1, 7));
        assert_eq!(producers.check(&step("a", 2, 8)), Err(OutOfStep::LateBegin));
        assert_eq!(producers.check(&step("a", 2, 0)), Ok(InStep::Next));
        producers.took(&step("a", 2, 0));
        assert_eq!(producers.check(&step("a", 1, 8)), Err(OutOfStep::Stale { epoch: 2 }));
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let mut producers = Producers::default();
        (0..=PRODUCERS_MAX).for_each(|n| producers.took(&step(&n.to_string(), 0, 0)));
        assert_eq!(producers.0.len(), PRODUCERS_MAX);
        assert_eq!(producers.check(&step("0", 0, 0)), Ok(InStep::Next));
        assert_eq!(producers.check(&step("1", 0, 0)), Ok(InStep::Again { last: 0 }));
    }
}
