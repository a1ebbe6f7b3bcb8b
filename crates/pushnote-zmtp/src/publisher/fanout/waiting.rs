//! Waiting for subscribers: for room in their queues, and for what is queued to be written.

use super::Fanout;
use super::pipe::{Accepted, Pipe};
use crate::options::SlowSubscriber;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

impl Fanout {
    pub(crate) async fn ready(&self) {
        let dialled = self.dialled();
        let mut rooms: Vec<_> = dialled.iter().map(|pipe| Box::pin(pipe.outbox.room())).collect();
        if !rooms.is_empty() {
            poll_fn(|context| {
                let any = rooms.iter_mut().any(|room| room.as_mut().poll(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        if self.options.slow_subscriber == SlowSubscriber::Wait {
            // Also for those who came, or fell behind, while others were waited for.
            let waits = |peer: &&Arc<Accepted>| !peer.has_room();
            let next = || self.shared().accepted.values().find(waits).cloned();
            while let Some(peer) = next() {
                peer.outbox.room_and(|| !peer.is_behind()).await;
            }
        }
    }

    /// Waits until those who connect to us have everything, and of those we connect to one and all others that are
    /// there: the others bring the same.
    pub(crate) async fn flush(&self) {
        let (accepted, next) = {
            let shared = self.shared();
            (shared.accepted.values().cloned().collect::<Vec<_>>(), shared.history.next())
        };
        for peer in accepted {
            // First it gets what it missed.
            peer.outbox.notified_until(|| peer.cursor.load(Relaxed) >= next).await;
            peer.outbox.written_up_to(peer.outbox.end()).await;
        }
        self.dialled_until(next, |done, awaited| done > 0 && awaited == 0).await;
    }

    /// Waits until one of those we connect to has everything before `offset`.
    pub(crate) async fn written_by_one(&self, offset: u64) {
        self.dialled_until(offset, |done, _| done > 0).await;
    }

    /// The offset before which one of those we connect to has everything.
    pub(crate) fn written(&self) -> u64 {
        self.shared().dialled.iter().map(|pipe| pipe.outbox.written()).max().unwrap_or_default()
    }

    /// Forgets what waits for those we connect to.
    pub(crate) fn forget(&self) {
        for pipe in &self.shared().dialled {
            pipe.outbox.abandon();
        }
    }

    /// Bytes that wait for the one of those we connect to that is furthest.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.shared().dialled.iter().map(|pipe| pipe.outbox.bytes()).min().unwrap_or_default()
    }

    fn dialled(&self) -> Vec<Arc<Pipe>> {
        self.shared().dialled.clone()
    }

    /// Waits for those we connect to: until so many have everything before `offset`, and so many that are there do not.
    async fn dialled_until(&self, offset: u64, enough: impl Fn(usize, usize) -> bool) {
        let dialled = self.dialled();
        if dialled.is_empty() {
            return;
        }
        // One may have had no room for the last ones, and then it is not who brings them.
        let writing = |pipe: &Arc<Pipe>| {
            let (pipe, all) = (Arc::clone(pipe), offset.min(pipe.outbox.end()));
            async move { pipe.outbox.written_up_to(all).await }
        };
        let mut writing: Vec<_> = dialled.iter().map(|pipe| Some(Box::pin(writing(pipe)))).collect();
        poll_fn(|context| {
            let (mut done, mut awaited) = (0, 0);
            for (written, pipe) in writing.iter_mut().zip(&dialled) {
                if written.as_mut().is_none_or(|written| written.as_mut().poll(context).is_ready()) {
                    *written = None;
                    done += usize::from(pipe.outbox.written() >= offset);
                } else if pipe.is_open() {
                    awaited += 1;
                }
            }
            if enough(done, awaited) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
