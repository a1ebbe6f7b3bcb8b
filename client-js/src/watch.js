/** How often it looks at the clock. Timers stand still while a laptop sleeps, so that a long one would ring late. */
const LOOK_MS = 5_000;

/** A timer that is so much too late tells that the page itself has stood still. */
const LATE_MS = 1_000;

/** How long a page that has stood still gets to read what lies there for it, before silence counts. */
const READ_FIRST_MS = 2_000;

/**
 * Notices that nothing is heard any more, also right after the page has slept, frozen or been offline. Being offline
 * proves nothing by itself: the server may be on this machine, and a connection outlives a short break.
 */
export class Watch {
  #limitMs;
  #silent;
  #heardAt = Date.now();
  #dueAt;
  #timer;
  #granted = false;
  #woken = () => this.#wake();

  /**
   * @param {number} limitMs
   * @param {() => void} silent called once, when nothing was heard for so long
   */
  constructor(limitMs, silent) {
    this.#limitMs = limitMs;
    this.#silent = silent;
    globalThis.addEventListener?.('online', this.#woken);
    globalThis.document?.addEventListener('visibilitychange', this.#woken);
    this.#look();
  }

  /** A sign of life. */
  heard() {
    this.#heardAt = Date.now();
    this.#granted = false;
  }

  stop() {
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('online', this.#woken);
    globalThis.document?.removeEventListener('visibilitychange', this.#woken);
  }

  #wake() {
    if (this.#leftMs() <= 0 && !this.#granted) this.#grant();
  }

  #ring() {
    if (this.#leftMs() > 0) return this.#look();
    if (Date.now() - this.#dueAt > LATE_MS && !this.#granted) return this.#grant();
    this.stop();
    this.#silent();
  }

  #leftMs() {
    const now = Date.now();
    if (now < this.#heardAt) this.#heardAt = now; // the clock was set back
    return this.#heardAt + this.#limitMs - now;
  }

  #grant() {
    this.#granted = true;
    this.#arm(READ_FIRST_MS);
  }

  #look() {
    this.#arm(Math.min(this.#leftMs(), LOOK_MS));
  }

  #arm(ms) {
    clearTimeout(this.#timer);
    this.#dueAt = Date.now() + ms;
    this.#timer = setTimeout(() => this.#ring(), ms);
  }
}
