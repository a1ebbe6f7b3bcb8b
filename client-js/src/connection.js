import { Conversation, envelope } from './conversation.js';
import { describe, fault } from './errors.js';
import { Listeners } from './listeners.js';
import { openSession } from './session.js';
import { backoffMs, pause, within } from './waiting.js';

/** A connection that has lasted so long was a good one: the next failure starts the back-off anew. */
const STABLE_MS = 10_000;

/** SockJS's own interval of heartbeats, for a server that does not say another. */
const HEARTBEAT_MS = 25_000;

/** What a heartbeat may be late, besides half an interval. */
const ON_THE_WAY_MS = 2_500;

/** Close codes of a server that stops as it is meant to: of WebSockets (RFC 6455 section 7.4.1), and pushnote's. */
const PLANNED = [1001, 1012, 3001];

/** How long a restart may take until somebody must look at it. */
const RESTART_MS = 10_000;

const CLOSED = 'the connection is closed';

/** What nobody calls a channel: a signature of Django's behind a colon, or a JWT. */
const TOKEN = /:[\w-]{43}$|^eyJ[\w-]+\./;

const CHANNELS_NEED = 'channels need the option resume: true';

/**
 * What a page holds: a stream of messages that outlives the sessions which carry it.
 *
 * States: `connecting` (also while it waits to try again), `connected`, `disconnected` (for good).
 */
export class Connection {
  #base;
  #settings;
  #state = 'disconnected';
  #session = null;
  #transport = null;
  #queue = [];
  #failures = 0;
  /** Until then nobody has to look at what fails: the server has said that it stops. */
  #quietUntil = 0;
  #listeners = new Listeners(['message', 'state', 'error', 'gap', 'ack']);
  #life = new AbortController();
  #conversation;

  /** Use `connect`. */
  constructor(base, settings) {
    this.#base = base;
    this.#settings = settings;
    this.#conversation = new Conversation({
      settings,
      signal: this.#life.signal,
      listeners: this.#listeners,
      emit: (name, data) => this.emit(name, data),
      fail: (text, code) => this.#fail(text, code),
      retry: (failures, reason) => this.#retry(failures, reason),
    });
    if (settings.token) this.#conversation.subscribe({ token: settings.token });
    this.#enter('connecting');
    Object.assign(this, settings.push?.(this, base, () => this.#conversation.userToken()));
    // Not at once, so that the page can add its listeners first.
    queueMicrotask(() => this.#run());
  }

  /** @returns {'disconnected' | 'connecting' | 'connected'} */
  get state() {
    return this.#state;
  }

  /** @returns {string | null} name of the transport in use */
  get transport() {
    return this.#transport;
  }

  /** @returns {string | undefined} where it is in the log, with the option `resume` */
  get cursor() {
    return this.#conversation.cursor;
  }

  /**
   * @param {'message' | 'state' | 'error' | 'gap' | 'ack'} name
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) {
    return this.#listeners.add(name, listener);
  }

  /**
   * Receives what is published for the user of a token, or in a channel, now and after every reconnect.
   *
   * With the option `resume`: `subscribe(channel, {token, since})`, or `subscribe({token, since})` as a user. Without it:
   * `subscribe(token)`.
   *
   * @returns {Promise<object> | boolean} with `resume` how it began, or why it did not; without it false when it could
   *   not be accepted. That is an `error` event, too
   */
  subscribe(what, options) {
    const { resume } = this.#settings;
    try {
      if (this.#life.signal.aborted) throw new Error(CLOSED);
      if (resume) {
        // A page that had no channels before said it so. The server would take it for a channel's name, and quote it.
        if (!options && TOKEN.test(what)) throw new Error('that is a token, and no channel: give { token }');
        return this.#conversation.subscribe(typeof what === 'string' ? { ...options, channel: what } : { ...what });
      }
      // The server would only say that the token is invalid, and end the connection for good.
      if (options || what?.match?.(/^[^:.]+$/)) throw new Error(`that is no token; ${CHANNELS_NEED}`);
      this.#conversation.subscribe({ token: what });
      return true;
    } catch (error) {
      this.#refuse(error.message);
      return resume ? Promise.reject(error) : false;
    }
  }

  /**
   * Ends the subscription to a channel, and takes the channel's listeners away.
   *
   * @returns {Promise<void>} when nothing more of it will come
   */
  unsubscribe(channel) {
    return this.#resuming.unsubscribe(channel);
  }

  /** @returns {{name: string, on: Function, history: Function, presence: Function}} what concerns one channel */
  channel(name) {
    return this.#resuming.channel(name);
  }

  /**
   * Sends an event to the server; one that is emitted while there is no connection waits for the next.
   *
   * @param {string} name
   * @param {unknown} data
   * @returns {boolean} false, and an `error` event, when there was no room for it
   */
  emit(name, data) {
    // A page of the original says `emit('subscribe', {token})`: it must survive a reconnect, too.
    if (name === 'subscribe') {
      const token = data?.token ?? data;
      return !!this.subscribe(this.#settings.resume ? { token } : token);
    }
    if (this.#life.signal.aborted) return this.#refuse(CLOSED);
    const text = envelope(name, data);
    if (this.#state === 'connected') {
      return this.#session.send(text) || this.#refuse('too much is waiting to be sent');
    }
    if (this.#queue.length >= this.#settings.queueMax) {
      return this.#refuse(`${this.#queue.length} events are waiting already`);
    }
    this.#queue.push(text);
    return true;
  }

  /** Ends the connection for good. */
  close() {
    if (this.#life.signal.aborted) return;
    this.#finish({ code: 1000, reason: 'closed by the page' });
  }

  /** The life of a connection: connect, stay until it ends, wait, again. */
  async #run() {
    const { signal } = this.#life;
    while (!signal.aborted) {
      const end = await this.#connect().catch((error) => ({ code: 1006, reason: describe(error) }));
      if (signal.aborted) return;
      this.#session = this.#transport = null;
      this.#conversation.ended('the connection was lost');
      if (isFinal(end.code)) {
        this.#fail(`the server ended the connection for good: ${end.reason} (${end.code})`, end.code);
        return this.#finish(end);
      }
      // One that stops again and again, without having stayed in between, has to be looked at.
      if (PLANNED.includes(end.code)) this.#quietUntil ||= Date.now() + RESTART_MS;
      else if (end.opened) this.#quietUntil = 0;
      const retryInMs = this.#retry(this.#failures++, end.reason, end.code, Date.now() < this.#quietUntil);
      this.#enter('connecting', { code: end.code, reason: end.reason, retryInMs });
      await pause(retryInMs, signal);
    }
  }

  /** Tries each transport until one opens, and returns when that one has ended. */
  async #connect() {
    const { signal } = this.#life;
    this.#conversation.prepare();
    const info = await this.#info();
    const { io } = this.#settings;
    const base = info.base_url ? new URL(info.base_url, this.#base).href.replace(/\/+$/, '') : this.#base;
    const limits = { openTimeoutMs: this.#settings.openTimeoutMs, ...this.#silence(info.heartbeat_delay) };
    const absent = { websocket: !io.WebSocket, eventsource: !io.EventSource };
    const failures = [];
    for (const transport of this.#settings.transports) {
      if (absent[transport] || info[transport] === false) {
        failures.push(`${transport}: ${absent[transport] ? 'not here' : 'not at this server'}`);
        continue;
      }
      const session = openSession(transport, base, io, limits, {
        open: () => this.#opened(session, transport),
        message: (data) => this.#conversation.receive(data),
      });
      this.#session = session;
      const end = await session.ended;
      if (end.opened || signal.aborted || isFinal(end.code)) return end;
      failures.push(`${transport}: ${end.reason}`);
    }
    throw new Error(`no transport works at ${base} (${failures.join('; ')})`);
  }

  /** How long a server that sends something every so many ms may be silent; others say nothing of it. */
  #silence(heartbeatMs) {
    const beats = heartbeatMs > 0;
    const patienceMs = 1.5 * (beats ? heartbeatMs : HEARTBEAT_MS) + ON_THE_WAY_MS;
    return { beats, silenceMs: this.#settings.silenceTimeoutMs || patienceMs };
  }

  #opened(session, transport) {
    this.#transport = transport;
    const stable = setTimeout(() => (this.#failures = this.#quietUntil = 0), STABLE_MS);
    session.ended.then(() => clearTimeout(stable));
    this.#conversation.opened(session);
    for (const text of this.#queue.splice(0)) session.send(text);
    this.#enter('connected', { transport });
  }

  async #info() {
    const address = `${this.#base}/info`;
    try {
      return await within(this.#settings.openTimeoutMs, this.#life.signal, async (signal) => {
        const { fetch, credentials } = this.#settings.io;
        const response = await fetch(address, { cache: 'no-store', credentials, signal });
        if (!response.ok) throw new Error(`status ${response.status}; is the route right?`);
        return Object(await response.json());
      });
    } catch (error) {
      throw new Error(`cannot get ${address}: ${describe(error)}`);
    }
  }

  #finish({ code, reason }) {
    const session = this.#session;
    this.#session = this.#transport = null;
    this.#queue.length = 0;
    this.#life.abort();
    this.#conversation.ended(CLOSED, true);
    session?.close(reason);
    this.#enter('disconnected', { code, reason });
  }

  get #resuming() {
    if (!this.#settings.resume) throw new TypeError(`pushnote: ${CHANNELS_NEED}`);
    return this.#conversation;
  }

  #enter(state, detail = {}) {
    this.#state = state;
    this.#listeners.call('state', state, detail);
  }

  /**
   * Says what has failed and is tried again, if somebody has to look at it.
   *
   * @returns {number} in how many ms
   */
  #retry(failures, reason, code, isQuiet) {
    const { backoffMinMs, backoffMaxMs } = this.#settings;
    const ms = Math.round(backoffMs(failures, backoffMinMs, backoffMaxMs));
    if (!isQuiet) this.#fail(`${reason}; next try in ${(ms / 1000).toFixed(1)} s`, code);
    return ms;
  }

  #refuse(reason) {
    this.#fail(reason);
    return false;
  }

  #fail(text, code) {
    if (!this.#listeners.call('error', fault(text, code))) console.warn(`pushnote: ${text}`);
  }
}

/** What a server says with codes of these ranges will be no other after a reconnect. */
function isFinal(code) {
  return /^[34][5-9]\d\d$/.test(code);
}
