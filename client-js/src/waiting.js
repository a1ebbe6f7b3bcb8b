// Everything that waits: back-off, pauses, deadlines.

/** The longest time of a timer, 23 days. One of more than 2 ** 31 ms, as of infinity, rings at once. */
export const TIMER_MAX_MS = 2e9;

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
  const online = (signal) => new Promise((resolve) => globalThis.addEventListener?.('online', resolve, { signal }));
  return within(ms, signal, online).catch(() => {});
}

/**
 * Runs `work` under a deadline.
 *
 * @template T
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {(signal: AbortSignal) => Promise<T>} work gets a signal that is aborted with `signal`, at the deadline, and when
 *   it is done
 * @returns {Promise<T>}
 */
export function within(ms, signal, work) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    // Not only when the work ends, which it may never do.
    const stop = (why) => {
      clearTimeout(timer);
      reject(new Error(why));
      over.abort();
    };
    const timer = setTimeout(() => stop(`no answer within ${ms} ms`), ms);
    signal.addEventListener('abort', () => stop('closed'), over);
    if (signal.aborted) return stop('closed');
    work(over.signal).then(resolve, reject).finally(stop);
  });
}
