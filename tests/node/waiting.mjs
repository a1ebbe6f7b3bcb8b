// Waiting for what others do: always bounded, and a failure says what came instead.

/** How long anything may take before a test says what it waited for: less than who hears nothing needs to notice it. */
let patienceMs = 20_000;

/** For a file that starts much at a time, or what takes its time. */
export function bePatient(ms) {
  patienceMs = ms;
}

/** Rejects with what was awaited, and what came instead, if `promise` is not settled in time. */
export async function soon(promise, what, context = () => '', ms = patienceMs) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms. ${context()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Keeps all that it hears, so that nothing is missed by who asks late. */
export class Heard {
  heard = [];
  #waiting = new Set();
  #over;

  hear(entry) {
    this.heard.push(entry);
    for (const check of this.#waiting) check();
  }

  /** Nothing more will come. */
  silence(why) {
    this.#over = why;
    for (const check of this.#waiting) check();
  }

  /** What it heard, for a failing test. */
  get story() {
    return this.heard.map((entry) => `\n  ${JSON.stringify(entry)}`).join('') || ' nothing';
  }

  /**
   * Waits until `find` gives something for what was heard so far.
   *
   * @template T
   * @param {() => T} find
   * @param {string} what is awaited
   * @returns {Promise<NonNullable<T>>}
   */
  async until(find, what) {
    let check;
    const found = new Promise((resolve, reject) => {
      check = () => {
        const value = find();
        if (value) resolve(value);
        else if (this.#over) reject(new Error(`${what}: ${this.#over}. ${this.name}:${this.story}`));
      };
    });
    this.#waiting.add(check);
    check();
    return soon(found, what, () => `${this.name}:${this.story}`).finally(() => this.#waiting.delete(check));
  }
}

/** What a client does, in Node or in a page, over its `events`: `{event: 'open' | 'message' | …, …}`. */
export const withEvents = (Base) =>
  class extends Base {
    get messages() {
      return this.events.filter(({ event }) => event === 'message').map(({ data }) => data);
    }

    /** Those that a test means, without the ones that System.warm sends ahead. */
    get received() {
      return this.messages.filter((data) => !data?.warm);
    }

    /** Waits for the `nth` event of that name. */
    event(name, nth = 1) {
      return this.until(() => this.events.filter(({ event }) => event === name)[nth - 1], `event ${name} (${nth})`);
    }

    /** Waits for a message that is equal to `expected`. */
    message(expected) {
      const wanted = JSON.stringify(expected);
      return this.until(() => this.messages.some((data) => JSON.stringify(data) === wanted), `message ${wanted}`);
    }
  };
