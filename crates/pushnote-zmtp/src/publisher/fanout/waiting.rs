//! Waiting for subscribers: for room in their queues, and for what is queued to be written.

use super::{Fanout, Outlet};
use crate::options::SlowSubscriber;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

impl Fanout {
    pub(crate) async fn ready(&self) {
        let kept: Vec<_> = self.outlets().into_iter().filter(|outlet| outlet.kept).collect();
        let mut rooms: Vec<_> = kept.iter().map(|outlet| Box::pin(outlet.outbox.room())).collect();
        if !rooms.is_empty() {
            poll_fn(|context| {
                let any = rooms.iter_mut().any(|room| room.as_mut().poll(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        if self.options.slow_subscriber == SlowSubscriber::Wait {
            // Also for those who came, or fell behind, while others were waited for.
            let waits = |outlet: &&Arc<Outlet>| !outlet.kept && !outlet.has_room();
            let next = || self.shared().outlets.values().find(waits).cloned();
            while let Some(outlet) = next() {
                outlet.outbox.room_and(|| !outlet.is_behind()).await;
            }
        }
    }

    /// Waits until those who connect to us have everything, and of those we connect to one and all others that are
    /// there: the others bring the same.
    pub(crate) async fn flush(&self) {
        let next = self.shared().history.next();
        for outlet in self.outlets().iter().filter(|outlet| !outlet.kept) {
            // First it gets what it missed.
            outlet.outbox.stirred_until(|| outlet.cursor.load(Relaxed) >= next).await;
            outlet.outbox.flushed(outlet.outbox.accepted()).await;
        }
        self.kept_until(|done, awaited| done > 0 && awaited == 0).await;
    }

    /// Waits until one of those we connect to has everything.
    pub(crate) async fn flush_one(&self) {
        self.kept_until(|done, _| done > 0).await;
    }

    /// Waits for those we connect to: until so many have everything, and so many that are there do not.
    async fn kept_until(&self, enough: impl Fn(usize, usize) -> bool) {
        let kept: Vec<_> = self.outlets().into_iter().filter(|outlet| outlet.kept).collect();
        if kept.is_empty() {
            return;
        }
        let flushed = |outlet: &Arc<Outlet>| {
            let (outlet, mark) = (Arc::clone(outlet), outlet.outbox.accepted());
            async move { outlet.outbox.flushed(mark).await }
        };
        let mut flushing: Vec<_> = kept.iter().map(|outlet| Some(Box::pin(flushed(outlet)))).collect();
        poll_fn(|context| {
            let (mut done, mut awaited) = (0, 0);
            for (flush, outlet) in flushing.iter_mut().zip(&kept) {
                if flush.as_mut().is_none_or(|flush| flush.as_mut().poll(context).is_ready()) {
                    *flush = None;
                    done += 1;
                } else if outlet.is_open() {
                    awaited += 1;
                }
            }
            if enough(done, awaited) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
