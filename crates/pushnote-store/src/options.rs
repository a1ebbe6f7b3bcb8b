//! How much is kept, and what a power failure may cost.

use std::time::Duration;

/// When the disk is made to have what was committed. A server that is killed loses nothing that was committed, whatever
/// is set here; this is about power failures and crashes of the machine. The file itself survives these, too, in every
/// case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit: nothing that was durable is lost.
    Always,
    /// At most this long after a commit: that much of the newest may be lost.
    Interval(Duration),
    /// When the system gets round to it, with Linux after about 30 seconds, or when some megabytes have come together and
    /// move from the write-ahead log into the file. What came since then may be lost.
    Never,
}

impl Default for Fsync {
    /// A power failure costs a second.
    fn default() -> Self {
        Self::Interval(Duration::from_secs(1))
    }
}

/// How a store keeps what it is given. The log is bounded by bytes, count and age at once; the oldest goes first. While
/// the server runs, the file may hold some hundredths more than that, and what was committed last; what is recovered is
/// within the bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// When the disk is made to have what was committed.
    pub fsync: Fsync,
    /// Bytes of all records' bodies. The file is larger than that, with small records by a fifth, and has some megabytes of
    /// write-ahead log beside it.
    pub bytes_max: u64,
    /// Records.
    pub count_max: u64,
    /// How old a record may be, by its own time and the system's clock.
    pub age_max: Duration,
    /// Bytes that may wait to be written, beside as many that are being written.
    pub queue_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: Fsync::default(),
            bytes_max: 64 << 20,
            count_max: 1_000_000,
            age_max: Duration::from_secs(3600),
            queue_bytes_max: 16 << 20,
        }
    }
}
