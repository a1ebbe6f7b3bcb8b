import { mustBeOne } from './errors.js';

/** Listeners by the name of their event. */
export class Listeners {
  #byName = new Map();
  #names;

  /** @param {string[]} [names] the only events there are; any without */
  constructor(names) {
    this.#names = names;
  }

  add(name, listener) {
    if (this.#names) mustBeOne(this.#names, 'event', name);
    if (typeof listener !== 'function') throw new TypeError('pushnote: a listener must be a function');
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners.add(listener));
    return () => {
      const rest = this.#byName.get(name);
      if (rest?.delete(listener) && !rest.size) this.#byName.delete(name);
    };
  }

  /** Of how many events there are any. */
  get size() {
    return this.#byName.size;
  }

  /** @returns {boolean} whether anybody listens */
  call(name, ...args) {
    const listeners = this.#byName.get(name) ?? [];
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        // The fault is the page's, and must neither be hidden nor harm the connection or the other listeners.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.size > 0;
  }
}
