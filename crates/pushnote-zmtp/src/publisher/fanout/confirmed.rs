//! Messages that subscribers are asked to confirm.

use super::pipe::Pipe;
use super::{Fanout, Shared};
use crate::batch::Batch;
use crate::publisher::confirm::Context;
use pushnote_zmtp_proto::command::put_ping;
use pushnote_zmtp_proto::position::Position;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;

impl Fanout {
    /// As [`Fanout::push`] for one message, and asks the peers concerned to confirm it. Gives what the message's number
    /// is, how many peers it concerns, and what to wait for.
    pub(crate) fn push_confirmed(self: &Arc<Self>, batch: &Batch) -> Option<Asked> {
        let shared = &mut *self.shared();
        let sequence = shared.history.next();
        let topic =
            batch.spans().next().map_or(&b""[..], |span| &batch.bytes()[span.topic_start..span.topic_end]);
        let mut concerned: HashSet<_> = shared.topics.all().iter().copied().collect();
        shared.topics.matching(topic, |peer| concerned.extend([peer]));
        let concerned = concerned.into_iter().filter_map(|peer| shared.subscriber(peer));
        let concerned: Vec<_> = concerned.map(|peer| (peer.outbox.end(), peer)).collect();
        self.push_to(shared, batch)?;
        let Shared { confirmations, .. } = shared;
        let context = confirmations.context();
        let mut asked = HashSet::new();
        for (before, peer) in concerned.iter().filter(|(_, peer)| peer.answers.load(Relaxed)) {
            // A PING that does not follow the message would be answered all the same.
            if peer.outbox.end() > *before {
                peer.outbox.push_mark(|out| put_ping(out, 0, &context));
                asked.insert(peer.id);
            }
        }
        self.counters.add_confirmations_asked(asked.len());
        let settled = confirmations.expect(asked);
        let position = Position { epoch: self.epoch, sequence };
        Some(Asked { fanout: Arc::clone(self), context, settled, position, subscribers: concerned.len() })
    }

    /// A peer has answered a PING.
    pub(crate) fn pong(&self, peer: &Pipe, context: &[u8]) {
        if self.shared().confirmations.pong(peer.id, context) {
            self.counters.add_confirmed();
        }
    }
}

/// A message that subscribers were asked to confirm. Dropping it ends the waiting.
#[derive(Debug)]
pub(crate) struct Asked {
    fanout: Arc<Fanout>,
    context: Context,
    settled: Arc<Notify>,
    pub(crate) position: Position,
    /// Peers that the message concerns, also those that cannot confirm.
    pub(crate) subscribers: usize,
}

impl Asked {
    /// Waits until all that were asked have answered, or are gone, or known not to answer.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// Those that have not answered so far took too long.
    pub(crate) fn give_up(&self) {
        self.fanout.shared().confirmations.give_up(self.context);
    }

    /// How many have confirmed.
    pub(crate) fn confirmed(self) -> usize {
        self.fanout.shared().confirmations.close(self.context)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.fanout.shared().confirmations.close(self.context);
    }
}
