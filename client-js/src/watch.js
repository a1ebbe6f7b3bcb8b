/** How often it looks at the clock. Timers stand still while a laptop sleeps, so that a long one would ring late. */
const LOOK_MS = 5_000;

/** A timer that is so much too late tells that the page itself has stood still. */
const LATE_MS = 1_000;

/** How long a page that has stood still gets to read what lies there for it, before silence counts. */
const READ_FIRST_MS = 2_000;

/**
 * Notices that nothing is heard any more, also right after the page has slept, frozen or been offline. Being offline
 * proves nothing by itself: the server may be on this machine, and a connection outlives a short break.
 *
 * @param {number} limitMs
 * @param {() => void} silent called once, when nothing was heard for so long
 * @returns {{heard(): void, stop(): void}} `heard` is a sign of life
 */
export function watch(limitMs, silent) {
  let heardAt;
  let dueAt;
  let timer;
  /** Time to read first was granted. */
  let isGranted;
  const over = new AbortController();

  const heard = () => {
    heardAt = Date.now();
    isGranted = false;
  };
  const leftMs = () => {
    heardAt = Math.min(heardAt, Date.now()); // or the clock was set back
    return heardAt + limitMs - Date.now();
  };
  const arm = (ms) => {
    clearTimeout(timer);
    dueAt = Date.now() + ms;
    timer = setTimeout(ring, ms);
  };
  const look = (isLate) => {
    if (leftMs() > 0) return arm(Math.min(leftMs(), LOOK_MS));
    if (isGranted || !isLate) return false;
    isGranted = true;
    arm(READ_FIRST_MS);
  };
  const ring = () => {
    if (look(Date.now() - dueAt > LATE_MS) !== false) return;
    stop();
    silent();
  };
  const stop = () => {
    clearTimeout(timer);
    over.abort();
  };
  const wake = () => look(true);

  globalThis.addEventListener?.('online', wake, over);
  globalThis.document?.addEventListener('visibilitychange', wake, over);
  heard();
  look();
  return { heard, stop };
}
