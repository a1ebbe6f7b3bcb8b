// Everything that waits: back-off, pauses, deadlines.

/**
 * Back-off with full jitter: a random time below a ceiling which doubles with each failure. Random from zero,
 * so that the clients of a restarted server do not come back in step.
 *
 * @param {number} failures attempts that have failed in a row before this one
 * @param {number} minMs ceiling of the first delay
 * @param {number} maxMs ceiling of all delays
 * @returns {number} milliseconds
 */
export function backoffMs(failures, minMs, maxMs) {
  return Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
}

/**
 * Waits `ms`, or less: a browser that comes back online need not wait any longer.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} fulfilled also when `signal` is aborted
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      globalThis.removeEventListener?.('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    globalThis.addEventListener?.('online', done);
    if (signal.aborted) done();
  });
}

/**
 * Runs `work` under a deadline.
 *
 * @template T
 * @param {number} ms
 * @param {AbortSignal} outer
 * @param {(signal: AbortSignal) => Promise<T>} work gets a signal that is aborted with `outer` or at the deadline
 * @returns {Promise<T>}
 */
export function within(ms, outer, work) {
  return new Promise((resolve, reject) => {
    const inner = new AbortController();
    // Not only when the work ends, which it may never do.
    const release = () => {
      clearTimeout(timer);
      outer.removeEventListener('abort', quit);
    };
    const stop = (why) => {
      release();
      reject(new Error(why));
      inner.abort();
    };
    const timer = setTimeout(() => stop(`no answer within ${ms} ms`), ms);
    const quit = () => stop('closed');
    outer.addEventListener('abort', quit);
    work(inner.signal).then(resolve, reject).finally(release);
  });
}
