//! One read buffer per thread, so that a connection at rest has none.

use std::cell::Cell;

/// Enough for a whole message of the default limit.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer. Its contents are left over from whoever had it before.
pub(super) fn lend<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    // Taken out rather than borrowed: should `read` come here again, it gets a buffer of its own.
    let mut buffer = SCRATCH.take();
    buffer.resize(SCRATCH_BYTES, 0);
    let result = read(&mut buffer);
    SCRATCH.set(buffer);
    result
}
