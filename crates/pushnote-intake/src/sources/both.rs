//! Two sources as one.

use pushnote_core::Answer;

use crate::source::{Expected, Incoming, Reply, Source};

/// What either yields. It ends when the first one does.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

/// Where the answer to one of either goes.
#[derive(Debug)]
pub enum EitherReply<A, B> {
    /// Of the first.
    First(A),
    /// Of the second.
    Second(B),
}

impl<A: Source, B: Source> Source for Both<A, B> {
    type Reply = EitherReply<A::Reply, B::Reply>;

    async fn next(&mut self) -> Option<Incoming<Self::Reply>> {
        let Self(first, second) = self;
        tokio::select! {
            incoming = first.next() => incoming.map(|one| one.map_reply(EitherReply::First)),
            Some(incoming) = second.next() => Some(incoming.map_reply(EitherReply::Second)),
        }
    }

    /// Those of the first: only one may have them.
    fn streams(&self) -> Option<Expected> {
        self.0.streams()
    }
}

impl<A: Reply, B: Reply> Reply for EitherReply<A, B> {
    fn answer(self, answer: &Answer) {
        match self {
            Self::First(reply) => reply.answer(answer),
            Self::Second(reply) => reply.answer(answer),
        }
    }
}
