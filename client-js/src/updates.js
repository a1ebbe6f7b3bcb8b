import { describe, fault } from './errors.js';
import { Listeners } from './listeners.js';
import { backoffMs, pause, TIMER_MAX_MS } from './waiting.js';

const DEFAULTS = {
  // A request on a path that leads nowhere any more is not noticed otherwise. To ask again misses nothing.
  holdMaxMs: 120_000,
  intervalMs: 5_000,
  backoffMinMs: 500,
  backoffMaxMs: 20_000,
};

/** Answers that bring no message: where a server waits no longer, or where it is polled in intervals. */
const NOTHING_NEW = [204, 304, 408];

const HINTS = {
  400: ': the place was not understood; once more from the beginning',
  404: ': there is no such channel yet',
  409: ': another page has taken the channel over',
  410: ': the channel was deleted',
};

/**
 * What a page gets of channels over the Basic HTTP Push Relay Protocol (revision 2.23): JSON objects, each dispatched by
 * its `type`. One request for each channel and message; a channel's place is what the last answer said of it.
 */
class Updates {
  #channels = new Map();
  #processors = new Map();
  #listeners = new Listeners(['error', 'gap']);

  /**
   * Receives what comes in channels, from the oldest message on that the server has.
   *
   * @param {Record<string, string | URL>} channels address of each channel, by a name of the page's choice
   * @param {object} [options] see updates.d.ts
   * @throws {TypeError} when an address or option makes no sense, or a name stands for another address already
   */
  subscribe(channels, options = {}) {
    const settings = settingsOf(options);
    const addresses = Object.entries(channels).map(([name, url]) => [name, new URL(url, globalThis.location?.href).href]);
    for (const [name, address] of addresses) {
      if ((this.#channels.get(name)?.address ?? address) !== address) {
        throw new TypeError(`updates: ${name} is subscribed already, with another address; unsubscribe it first`);
      }
    }
    for (const [name, address] of addresses) {
      if (this.#channels.has(name)) continue;
      const life = new AbortController();
      this.#channels.set(name, { address, life });
      this.#run(name, address, life.signal, settings);
    }
  }

  /**
   * Ends a subscription. Its processors stay.
   *
   * @returns {boolean} whether there was one
   */
  unsubscribe(name) {
    this.#channels.get(name)?.life.abort();
    return this.#channels.delete(name);
  }

  /**
   * Has `processor` called with each message of a channel whose `type` is this one; before or after `subscribe`.
   *
   * @returns {() => void} takes it away again
   */
  registerProcessor(name, type, processor) {
    const processors = this.#processors.get(name) ?? new Listeners();
    this.#processors.set(name, processors);
    return processors.add(type, processor);
  }

  /**
   * @param {'error' | 'gap'} event
   * @param {(what: object) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(event, listener) {
    return this.#listeners.add(event, listener);
  }

  async #run(name, address, signal, settings) {
    let place = {};
    let failures = 0;
    let isTold = false;
    while (!signal.aborted) {
      const begun = Date.now();
      try {
        const answer = await ask(address, place, signal, settings);
        if (signal.aborted) return;
        // Else one that it cannot read is sent for ever; what comes from the beginning may come again.
        if (answer?.status === 400) place = {};
        const isMessage = answer && !NOTHING_NEW.includes(answer.status);
        // Once, however often it is said before the next message.
        const isGap = answer?.headers.has('Pushnote-Gap');
        if (isGap && !isTold) this.#listeners.call('gap', { channel: name });
        isTold = isGap && !isMessage;
        if (isMessage) {
          place = nextPlace(answer, place);
          this.#dispatch(name, answer.text);
        } else {
          await pause(Math.max(0, answer ? settings.intervalMs + begun - Date.now() : 0), signal);
        }
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = Math.round(backoffMs(failures++, settings.backoffMinMs, settings.backoffMaxMs));
        this.#fail(name, `${describe(error)}; next try in ${(retryInMs / 1000).toFixed(1)} s`, error.code);
        await pause(retryInMs, signal);
      }
    }
  }

  /** The place is behind a message before it is read: one that is no JSON holds up none. */
  #dispatch(name, text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      return this.#fail(name, `a message is no JSON, and skipped: ${error.message}`);
    }
    this.#processors.get(name)?.call(data?.type, data);
  }

  #fail(channel, text, code) {
    const error = Object.assign(fault(`${channel}: ${text}`, code), { channel });
    if (!this.#listeners.call('error', error)) console.warn(`updates: ${error.message}`);
  }
}

/** One for a page. */
export const updates = new Updates();

function settingsOf(options) {
  // As a method of anything but the window, a browser's fetch throws.
  const settings = { fetch: (...args) => globalThis.fetch(...args), credentials: 'include', ...DEFAULTS, ...options };
  for (const name of Object.keys(DEFAULTS)) {
    if (!(settings[name] >= 0)) throw new TypeError(`updates: ${name} must be a number, not ${settings[name]}`);
    settings[name] = Math.min(settings[name], TIMER_MAX_MS);
  }
  return settings;
}

/** @returns {Promise<{status: number, headers: Headers, text: string} | undefined>} undefined when it was held too long */
async function ask(address, place, signal, { fetch, credentials, holdMaxMs }) {
  const request = new AbortController();
  const stop = () => request.abort();
  let isHeld = false;
  const timer = setTimeout(() => {
    isHeld = true;
    stop();
  }, holdMaxMs);
  signal.addEventListener('abort', stop);
  try {
    const options = { headers: place, cache: 'no-store', credentials, signal: request.signal };
    const response = await fetch(address, options);
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    if (!isHeld) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Where the next message is asked for: behind the one of this answer.
 *
 * @throws {Error} when it is no message, or does not say so
 */
function nextPlace({ status, headers }, place) {
  if (status !== 200) throw fault(`status ${status}${HINTS[status] ?? ''}`, status);
  const modified = headers.get('Last-Modified');
  if (!modified) throw new Error('no Last-Modified and Etag; a server of another origin has to expose them (CORS)');
  // Some browsers, and proxies that compress, hide the Etag, or make a weak one in quotes of a bare number.
  const etag = headers.get('Etag') ?? /\betag=([^\s,]+)/i.exec(headers.get('Cache-Control'))?.[1] ?? '';
  const next = { 'If-Modified-Since': modified, 'If-None-Match': etag.replace(/^W\/|"/g, '') };
  if (JSON.stringify(next) === JSON.stringify(place)) throw new Error('a message came twice: is the Etag lost on the way?');
  return next;
}
