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
        let marked: Vec<_> =
            self.outlets().into_iter().map(|outlet| (outlet.outbox.accepted(), outlet)).collect();
        let next = self.shared().history.next();
        let (kept, passing): (Vec<_>, Vec<_>) = marked.iter().partition(|(_, outlet)| outlet.kept);
        for (_, outlet) in passing {
            // First it gets what it missed.
            outlet.outbox.stirred_until(|| outlet.cursor.load(Relaxed) >= next).await;
            outlet.outbox.flushed(outlet.outbox.accepted()).await;
        }
        if kept.is_empty() {
            return;
        }
        let mut flushing: Vec<_> =
            kept.iter().map(|(mark, outlet)| Some(Box::pin(outlet.outbox.flushed(*mark)))).collect();
        poll_fn(|context| {
            let (mut done, mut awaited) = (0, 0);
            for (flush, (_, outlet)) in flushing.iter_mut().zip(&kept) {
                if flush.as_mut().is_none_or(|flush| flush.as_mut().poll(context).is_ready()) {
                    *flush = None;
                    done += 1;
                } else if outlet.is_open() {
                    awaited += 1;
                }
            }
            if done > 0 && awaited == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
