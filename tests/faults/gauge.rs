//! What a process takes of the machine, read from /proc.

use std::fs;
use std::time::{Duration, Instant};

use pushnote_tests::PATIENCE;

pub(crate) const MIB: u64 = 1 << 20;

/// Linux counts processor time of a process in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(20);

/// A process as it was before the fault.
pub(crate) struct Gauge {
    process: u32,
    memory: u64,
    address_space: u64,
    files: usize,
}

impl Gauge {
    pub(crate) fn of(process: u32) -> Self {
        Self {
            process,
            memory: status(process, "VmRSS:"),
            address_space: status(process, "VmSize:"),
            files: files(process),
        }
    }

    /// Asserts that at no time since the start its memory was `bytes` larger than when this gauge was made.
    pub(crate) fn grew_less_than(&self, bytes: u64) {
        let grown = self.growth();
        assert!(grown < bytes, "grew by {} KiB, {} are allowed", grown >> 10, bytes >> 10);
    }

    /// Bytes of memory that it had at most, beyond what it had when this gauge was made.
    pub(crate) fn growth(&self) -> u64 {
        status(self.process, "VmHWM:").saturating_sub(self.memory)
    }

    /// Asserts that it never reserved `bytes` of memory more, used or not.
    pub(crate) fn reserved_less_than(&self, bytes: u64) {
        let grown = status(self.process, "VmPeak:").saturating_sub(self.address_space);
        assert!(grown < bytes, "reserved {} KiB, {} are allowed", grown >> 10, bytes >> 10);
    }

    /// Waits until it has no more open files than when this gauge was made.
    pub(crate) async fn files_are_back(&self) {
        let deadline = Instant::now() + PATIENCE;
        while files(self.process) > self.files {
            let now = files(self.process);
            assert!(Instant::now() < deadline, "{now} open files, there were {}", self.files);
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Open files of a process.
pub(crate) fn files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("a running process").count()
}

/// Processor time a process has used, in user and system mode.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    // The command's name, in parentheses, may contain anything.
    let (_, numbers) = stat.rsplit_once(')').expect("a name");
    let ticks: u32 = numbers
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u32>().expect("a number of ticks"))
        .sum();
    TICK * ticks
}

fn status(process: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line with memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") << 10
}

/// Lets this process hold as many connections as the system allows.
pub(crate) fn raise_own_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a soft limit may be raised to the hard one");
}
