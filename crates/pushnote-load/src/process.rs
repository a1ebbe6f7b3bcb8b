//! What the kernel knows of the processes that are measured.

use std::collections::HashMap;
use std::fs;
use std::io;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::LoadError;

/// Files that are open besides the connections.
const FILES_APART: u64 = 64;

/// The processes of one server.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    pids: Vec<u32>,
}

/// CPU time of every thread so far, in nanoseconds.
#[derive(Debug)]
pub(crate) struct CpuTimes(HashMap<(u32, u32), u64>);

impl Processes {
    /// The processes of these ids.
    ///
    /// # Errors
    ///
    /// One of them is not there, or its figures are not to be read.
    pub fn new(pids: &[u32]) -> Result<Self, LoadError> {
        let processes = Self { pids: pids.to_vec() };
        processes.cpu_times()?;
        Ok(processes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pids.is_empty()
    }

    /// Reads the scheduler's own count, which is exact where `/proc/PID/stat` counts in ticks.
    pub(crate) fn cpu_times(&self) -> Result<CpuTimes, LoadError> {
        let mut times = HashMap::new();
        for &pid in &self.pids {
            for thread in threads(pid)? {
                let path = format!("/proc/{pid}/task/{thread}/schedstat");
                // A thread may have ended since the folder was read.
                let Ok(text) = fs::read_to_string(path) else { continue };
                let time = text.split(' ').next().and_then(|number| number.parse().ok());
                times.insert((pid, thread), time.unwrap_or(0));
            }
        }
        Ok(CpuTimes(times))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, LoadError> {
        self.pids.iter().map(|&pid| resident_bytes(pid)).sum()
    }

    /// Keeps every thread, and those they start, on one core.
    ///
    /// # Errors
    ///
    /// There is no such core, or the kernel refuses.
    pub fn pin(&self, core: usize) -> Result<(), LoadError> {
        for &pid in &self.pids {
            for thread in threads(pid)? {
                pin(Pid::from_raw(thread as i32), core)?;
            }
        }
        Ok(())
    }
}

impl CpuTimes {
    /// CPU time since `earlier`. What threads used that have ended since is not known and left out.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let used = |(thread, time): (&(u32, u32), &u64)| {
            time.saturating_sub(earlier.0.get(thread).copied().unwrap_or(0))
        };
        self.0.iter().map(used).sum()
    }
}

/// Keeps this process on one core.
///
/// # Errors
///
/// There is no such core, or the kernel refuses.
pub fn pin_self(core: usize) -> Result<(), LoadError> {
    pin(None, core)
}

/// Sees to it that `connections` files can be open.
///
/// # Errors
///
/// The hard limit is lower.
pub fn allow_files(connections: usize) -> Result<(), LoadError> {
    let wanted = connections as u64 + FILES_APART;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: Some(limit.maximum.map_or(wanted, |hard| hard.max(wanted))),
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        let hard = limit.maximum.unwrap_or(0);
        LoadError::System(format!(
            "{connections} connections need {wanted} open files, and only {hard} are allowed here; raise the hard limit \
             (ulimit -Hn {wanted} as root, or LimitNOFILE) or take fewer"
        ))
    })
}

fn pin(thread: Option<Pid>, core: usize) -> Result<(), LoadError> {
    let mut cores = CpuSet::new();
    if core >= CpuSet::MAX_CPU {
        return Err(LoadError::NoCore(core));
    }
    cores.set(core);
    sched_setaffinity(thread, &cores)
        .map_err(|error| LoadError::System(format!("cannot pin to core {core}: {error}")))
}

fn threads(pid: u32) -> Result<Vec<u32>, LoadError> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| unreadable(pid, &error))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

fn resident_bytes(pid: u32) -> Result<u64, LoadError> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| unreadable(pid, &error))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
    Ok(kibibytes * 1024)
}

fn unreadable(pid: u32, error: &io::Error) -> LoadError {
    LoadError::Server(format!("process {pid} cannot be measured: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_to_work() {
        let me = Processes::new(&[std::process::id()]).unwrap();
        let before = me.cpu_times().unwrap();
        let sum = (0..20_000_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number));
        assert!(me.cpu_times().unwrap().since(&before) > 100_000, "{sum}");
        assert!(me.resident_bytes().unwrap() > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let failure = Processes::new(&[u32::MAX]).unwrap_err().to_string();
        assert!(failure.contains("process 4294967295"), "{failure}");
    }
}
