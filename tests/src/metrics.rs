//! What a binary tells Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{PATIENCE, Process};

/// Between two looks at a page.
const LOOK: Duration = Duration::from_millis(20);

/// Where a process that was started with `--metrics` answers.
pub struct Metrics {
    /// Its `ip:port`.
    pub address: String,
}

impl Metrics {
    /// As the process says it.
    #[track_caller]
    pub fn of(process: &Process) -> Self {
        let url = process.line_after("metrics on http://");
        Self { address: url.trim_end_matches("/metrics").to_owned() }
    }

    /// One request, and all of the answer.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str) -> String {
        let address = &self.address;
        let mut stream = TcpStream::connect(address).expect("nobody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The page as it is now.
    #[track_caller]
    pub fn page(&self) -> String {
        self.ask("GET", "/metrics")
    }

    /// Asks until the sum of `series` is as it has to be, and returns the whole page.
    #[track_caller]
    pub fn until(&self, series: &str, sound: impl Fn(f64) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.page();
            if sound(sum(&page, series)) {
                return page;
            }
            assert!(Instant::now() < deadline, "{series} in:\n{page}");
            std::thread::sleep(LOOK);
        }
    }
}

/// The sum of all series of a page that begin so.
pub fn sum(page: &str, series: &str) -> f64 {
    let values = page.lines().filter(|line| line.starts_with(series));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
