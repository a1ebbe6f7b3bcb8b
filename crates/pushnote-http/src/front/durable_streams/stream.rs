//! What is known of a stream besides its messages, and which requests to write it are right.

use super::content_type::ContentType;
use super::lifetime::Lifetime;
use super::producers::{InStep, OutOfStep, Producers, Step};

/// A stream: a channel's messages from a place in the log on, and up to one once it is closed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    pub(super) content_type: ContentType,
    pub(super) lifetime: Lifetime,
    /// The place in the log where it begins.
    pub(super) begins: u64,
    pub(super) closed: Option<Closed>,
    /// The last `Stream-Seq`.
    pub(super) seq: Option<Box<str>>,
    pub(super) producers: Producers,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    /// Its place in the log: what comes there or later is no part of the stream.
    pub(super) at: u64,
    /// Which request of a producer has closed it.
    pub(super) by: Option<Step>,
}

/// A request to append, to close, or both.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Append {
    /// What the body is; `None` if there is none.
    pub(super) content_type: Option<ContentType>,
    /// The application's own order (`Stream-Seq`).
    pub(super) seq: Option<Box<str>>,
    /// Which request of a producer it is.
    pub(super) step: Option<Step>,
    /// Whether it closes the stream.
    pub(super) close: bool,
}

/// What becomes of a request that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be done.
    New,
    /// It was done before: its producer's last number that was taken.
    Done(Option<u64>),
}

/// Why a request is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Nothing comes behind its end.
    #[error("the stream is closed")]
    Closed,
    /// Other bytes than those of the stream.
    #[error("Content-Type is not that of the stream")]
    ContentType,
    /// Not behind what was appended last.
    #[error("Stream-Seq must be greater than that of the last append, byte by byte")]
    Seq,
    /// Not the producer's next request.
    #[error(transparent)]
    Step(#[from] OutOfStep),
}

impl Stream {
    pub(super) fn new(content_type: ContentType, lifetime: Lifetime, begins: u64) -> Self {
        let (closed, seq, producers) = (None, None, Producers::default());
        Self { content_type, lifetime, begins, closed, seq, producers }
    }

    /// Whether it is what somebody wants to create.
    pub(super) fn is_alike(&self, content_type: &ContentType, lifetime: &Lifetime, closed: bool) -> bool {
        self.content_type.is_alike(content_type)
            && self.lifetime == *lifetime
            && self.closed.is_some() == closed
    }

    /// What becomes of a request. What is wrong with it is told in the order that the protocol recommends.
    pub(super) fn judge(&self, append: &Append) -> Result<Verdict, Refusal> {
        if let Some(closed) = &self.closed {
            return match &append.step {
                None if append.content_type.is_none() && append.close => Ok(Verdict::Done(None)),
                Some(step) if closed.by.as_ref() == Some(step) => Ok(Verdict::Done(Some(step.seq))),
                _ => Err(Refusal::Closed),
            };
        }
        if append.content_type.as_ref().is_some_and(|given| !given.is_alike(&self.content_type)) {
            return Err(Refusal::ContentType);
        }
        if let Some(step) = &append.step
            && let InStep::Again { last } = self.producers.check(step)?
        {
            return Ok(Verdict::Done(Some(last)));
        }
        let last = self.seq.as_deref().map(str::as_bytes);
        match &append.seq {
            Some(seq) if last.is_some_and(|last| seq.as_bytes() <= last) => Err(Refusal::Seq),
            _ => Ok(Verdict::New),
        }
    }

    /// The request was done, and the stream's last message lies before `end`. Says whether there is anything to remember.
    pub(super) fn done(&mut self, append: &Append, end: u64) -> bool {
        if append.seq.is_some() {
            self.seq.clone_from(&append.seq);
        }
        if let Some(step) = &append.step {
            self.producers.took(step);
        }
        if append.close {
            self.closed = Some(Closed { at: end, by: append.step.clone() });
        }
        append.seq.is_some() || append.step.is_some() || append.close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new(ContentType::new("text/plain").unwrap(), Lifetime::Unlimited, 0)
    }

    fn append() -> Append {
        Append { content_type: ContentType::new("text/plain; charset=utf-8").ok(), ..Append::default() }
    }

    fn with_seq(seq: &str) -> Append {
        Append { seq: Some(seq.into()), ..append() }
    }

    fn with_step(epoch: u64, seq: u64) -> Append {
        Append { step: Some(Step { id: "a".into(), epoch, seq }), ..append() }
    }

    const CLOSE: Append = Append { content_type: None, seq: None, step: None, close: true };

    #[test]
    fn an_append_has_the_streams_type() {
        assert_eq!(stream().judge(&append()), Ok(Verdict::New));
        let other = Append { content_type: Some(ContentType::json()), ..append() };
        assert_eq!(stream().judge(&other), Err(Refusal::ContentType));
    }

    #[test]
    fn an_applications_order_is_that_of_bytes() {
        let mut stream = stream();
        assert!(stream.done(&with_seq("2"), 1));
        for seq in ["2", "10", "1", ""] {
            assert_eq!(stream.judge(&with_seq(seq)), Err(Refusal::Seq), "{seq}");
        }
        assert_eq!(stream.judge(&with_seq("20")), Ok(Verdict::New));
        assert!(stream.done(&with_seq("a"), 2));
        assert_eq!(stream.judge(&with_seq("B")), Err(Refusal::Seq));
        assert!(!stream.done(&append(), 3));
        assert_eq!(stream.judge(&with_seq("a")), Err(Refusal::Seq));
    }

    #[test]
    fn a_repeated_request_of_a_producer_is_done_whatever_its_order() {
        let mut stream = stream();
        let first = Append { seq: Some("1".into()), ..with_step(0, 0) };
        stream.done(&first, 1);
        assert_eq!(stream.judge(&first), Ok(Verdict::Done(Some(0))));
        assert_eq!(stream.judge(&with_step(0, 2)), Err(OutOfStep::Gap { expected: 1 }.into()));
        stream.done(&with_step(1, 0), 2);
        assert_eq!(stream.judge(&with_step(0, 1)), Err(OutOfStep::Stale { epoch: 1 }.into()));
    }

    #[test]
    fn a_closed_stream_takes_nothing_but_its_close() {
        let mut stream = stream();
        assert_eq!(stream.judge(&CLOSE), Ok(Verdict::New));
        stream.done(&CLOSE, 5);
        assert_eq!(stream.closed, Some(Closed { at: 5, by: None }));
        assert_eq!(stream.judge(&CLOSE), Ok(Verdict::Done(None)));
        for refused in [append(), Append { close: true, ..append() }, with_step(0, 0)] {
            assert_eq!(stream.judge(&refused), Err(Refusal::Closed));
        }
        let other = Append { content_type: Some(ContentType::json()), ..append() };
        assert_eq!(stream.judge(&other), Err(Refusal::Closed));
    }

    #[test]
    fn the_producer_that_closed_a_stream_may_say_so_again() {
        let mut stream = stream();
        let last = Append { close: true, ..with_step(0, 0) };
        stream.done(&last, 1);
        assert_eq!(stream.judge(&last), Ok(Verdict::Done(Some(0))));
        assert_eq!(stream.judge(&Append { close: true, ..with_step(0, 1) }), Err(Refusal::Closed));
    }

    #[test]
    fn who_creates_it_again_wants_the_same() {
        let text = ContentType::new("TEXT/plain").unwrap();
        assert!(stream().is_alike(&text, &Lifetime::Unlimited, false));
        assert!(!stream().is_alike(&ContentType::json(), &Lifetime::Unlimited, false));
        assert!(!stream().is_alike(&text, &Lifetime::Idle(std::time::Duration::from_secs(1)), false));
        assert!(!stream().is_alike(&text, &Lifetime::Unlimited, true));
    }
}
