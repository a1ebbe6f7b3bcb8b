//! A coalescing window: under a steady stream, messages wait for each other and leave together.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Lets at most one fan-out begin per window. The first message after a pause goes at once: the window costs
/// latency only where it saves system calls.
///
/// It sleeps on a thread of its own, because Tokio's timers count milliseconds and a window is a fraction of one.
pub(crate) struct Window {
    length: Duration,
    alarms: mpsc::Sender<Alarm>,
    last_begun: Option<Instant>,
}

struct Alarm {
    after: Duration,
    ring: oneshot::Sender<()>,
}

impl Window {
    /// A window of `length`; `None` if that is zero.
    pub(crate) fn new(length: Duration) -> io::Result<Option<Self>> {
        if length.is_zero() {
            return Ok(None);
        }
        let (alarms, due) = mpsc::channel::<Alarm>();
        // Ends with the shard, which holds the sender.
        thread::Builder::new().name("coalescing".to_owned()).spawn(move || {
            for alarm in due {
                thread::sleep(alarm.after);
                // A shard that does not wait any more is gone.
                let _ = alarm.ring.send(());
            }
        })?;
        Ok(Some(Self { length, alarms, last_begun: None }))
    }

    /// Waits for the end of the window that the last fan-out opened, and opens the next.
    pub(crate) async fn open(&mut self) {
        let since = self.last_begun.map_or(Duration::MAX, |begun| begun.elapsed());
        if let Some(after) = self.length.checked_sub(since) {
            let (ring, rung) = oneshot::channel();
            // Without its thread there is no pause: messages leave sooner, and none is lost.
            let _ = self.alarms.send(Alarm { after, ring });
            let _ = rung.await;
        }
        self.last_begun = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_goes_at_once_and_the_next_waits() {
        let length = Duration::from_millis(40);
        let mut window = Window::new(length).unwrap().unwrap();
        window.open().await;
        let started = window.last_begun.unwrap();
        window.open().await;
        assert!(started.elapsed() >= length);
        window.open().await;
        assert!(started.elapsed() >= 2 * length);
    }

    #[test]
    fn no_length_is_no_window() {
        assert!(Window::new(Duration::ZERO).unwrap().is_none());
    }
}
