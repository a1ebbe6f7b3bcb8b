/** Listeners by the name of their event. */
export class Listeners {
  #byName = { message: new Set(), state: new Set(), error: new Set() };

  add(name, listener) {
    const listeners = Object.hasOwn(this.#byName, name) && this.#byName[name];
    if (!listeners) {
      const names = Object.keys(this.#byName).join(', ');
      throw new TypeError(`pushnote: there is no event ${JSON.stringify(name)}, only ${names}`);
    }
    if (typeof listener !== 'function') throw new TypeError('pushnote: a listener must be a function');
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** @returns {boolean} whether anybody listens */
  call(name, ...args) {
    for (const listener of this.#byName[name]) {
      try {
        listener(...args);
      } catch (error) {
        // The fault is the page's, and must neither be hidden nor harm the connection or the other listeners.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return this.#byName[name].size > 0;
  }
}
