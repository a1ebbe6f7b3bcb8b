/*! pushnote 0.1.0, MIT OR Apache-2.0; made from client-js/src by build.mjs */
var pushnote = (() => {
'use strict';

/** Listeners by the name of their event. */
class Listeners {
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

// SockJS frames (sockjs-protocol 0.3, "Session framing"): no IO, no clock.

/** Longest frame taken from a server, in UTF-16 units: a bound on memory, far above any server's queue. */
const FRAME_LENGTH_MAX = 4 * 1024 * 1024;

/**
 * Reads one frame.
 *
 * Elements of `a[…]` may be any JSON value, not only strings.
 *
 * @param {unknown} text
 * @returns {{kind: 'open'} | {kind: 'heartbeat'} | {kind: 'messages', messages: unknown[]}
 *   | {kind: 'close', code: number, reason: string}}
 * @throws {Error} when `text` is no SockJS frame
 */
function parseFrame(text) {
  if (typeof text !== 'string') throw new Error('a binary frame, where SockJS has only text');
  if (text === 'o') return { kind: 'open' };
  if (text === 'h') return { kind: 'heartbeat' };
  const body = text.slice(1);
  switch (text[0]) {
    case 'a':
      return { kind: 'messages', messages: parseArray(body, text) };
    case 'm':
      return { kind: 'messages', messages: [parseJson(body, text)] };
    case 'c': {
      const [code, reason] = parseArray(body, text);
      return { kind: 'close', code: Number(code) || 1005, reason: String(reason ?? '') };
    }
    default:
      throw notAFrame(text);
  }
}

function parseJson(body, text) {
  try {
    return JSON.parse(body);
  } catch {
    throw notAFrame(text);
  }
}

function parseArray(body, text) {
  const value = parseJson(body, text);
  if (!Array.isArray(value)) throw notAFrame(text);
  return value;
}

function notAFrame(text) {
  return new Error(`not a SockJS frame: ${JSON.stringify(text.slice(0, 40))}`);
}

/** Cuts a stream of text into lines, of which an HTTP transport carries one for each frame. */
class LineSplitter {
  #rest = '';

  /** Text after the last line feed: a frame that has not wholly arrived. */
  get rest() {
    return this.#rest;
  }

  /**
   * @param {string} chunk
   * @returns {string[]} the lines that `chunk` completed, without their line feeds
   * @throws {Error} when a line grows over FRAME_LENGTH_MAX
   */
  push(chunk) {
    const lines = chunk.split('\n');
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    if (this.#rest.length > FRAME_LENGTH_MAX) {
      throw new Error(`a frame of more than ${FRAME_LENGTH_MAX} characters`);
    }
    return lines;
  }
}

// How frames travel. A transport is `open(address, io, sink)`, which returns `{ send(text), close() }`:
//   address  URL of the session, `…/SERVER/SESSION`
//   io       { fetch, WebSocket, credentials }
//   sink     { heard(), frame(text), lost(reason, code) }; nothing is called before `open` has returned, and
//            nothing after `close`
// `send` takes one message and says whether there was room for it.


/** Most that waits to be sent, in UTF-16 units. */
const OUTBOX_LENGTH_MAX = 1024 * 1024;

/** Most that goes into one xhr_send request: servers bound the body (ours to 128 KiB). */
const BATCH_LENGTH_MAX = 32 * 1024;

const websocket = {
  name: 'websocket',
  /** Not every server's does: a ping, which a page cannot see, is enough for SockJS. */
  beats: false,
  open(address, { WebSocket }, sink) {
    const socket = new WebSocket(`${address.replace(/^http/, 'ws')}/websocket`);
    socket.onmessage = (event) => {
      sink.heard();
      sink.frame(event.data);
    };
    socket.onclose = (event) => sink.lost(event.reason, event.code);
    socket.onerror = () => {}; // says nothing, and a close always follows
    return {
      send(text) {
        if (socket.bufferedAmount + text.length > OUTBOX_LENGTH_MAX) return false;
        socket.send(JSON.stringify([text]));
        return true;
      },
      close() {
        socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
  },
};

const xhrStreaming = {
  name: 'xhr-streaming',
  beats: true,
  open: (address, io, sink) => new HttpLink(address, 'xhr_streaming', io, sink),
};

const xhrPolling = {
  name: 'xhr-polling',
  beats: true,
  open: (address, io, sink) => new HttpLink(address, 'xhr', io, sink),
};

/** In order of preference. */
const TRANSPORTS = [websocket, xhrStreaming, xhrPolling];

/**
 * Frames over HTTP: one request after another receives, `xhr_send` sends. Polling differs from streaming only in
 * where the server ends its response, which is why one class is enough.
 */
class HttpLink {
  #address;
  #io;
  #sink;
  #abort = new AbortController();
  #outbox = [];
  #outboxLength = 0;
  #sending = false;

  constructor(address, route, io, sink) {
    this.#address = address;
    this.#io = io;
    this.#sink = sink;
    this.#guard(this.#receive(route));
  }

  send(text) {
    if (this.#outboxLength + text.length > OUTBOX_LENGTH_MAX) return false;
    this.#outbox.push(text);
    this.#outboxLength += text.length;
    if (!this.#sending) this.#guard(this.#drain());
    return true;
  }

  close() {
    this.#abort.abort();
  }

  async #guard(work) {
    try {
      await work;
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#sink.lost(describe(error));
    }
  }

  async #receive(route) {
    while (!this.#abort.signal.aborted) {
      const response = await this.#post(route);
      if (!response.ok) throw new Error(`${route} was answered with status ${response.status}`);
      // Else a server, or a cache before it, that answers at once with nothing would be asked in a tight loop.
      if (!(await this.#read(response))) throw new Error(`${route} was answered without a frame`);
    }
  }

  async #read(response) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const lines = new LineSplitter();
    let framed = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      this.#sink.heard();
      for (const line of lines.push(decoder.decode(value, { stream: true }))) {
        if (line.startsWith('hh')) continue; // the prelude, which only fills the buffers on its way
        framed = true;
        this.#sink.frame(line);
        if (this.#abort.signal.aborted) return framed;
      }
    }
    if (lines.rest) throw new Error('a response ended in the middle of a frame');
    return framed;
  }

  /** One request at a time, or two of them might overtake each other. */
  async #drain() {
    this.#sending = true;
    while (this.#outbox.length > 0) {
      const response = await this.#post('xhr_send', `[${this.#batch().join()}]`);
      if (response.status === 404) throw new Error('the server lost the session');
      if (!response.ok) throw new Error(`xhr_send was answered with status ${response.status}`);
    }
    this.#sending = false;
  }

  #batch() {
    const batch = [];
    let length = 0;
    while (this.#outbox.length > 0 && (length === 0 || length + this.#outbox[0].length <= BATCH_LENGTH_MAX)) {
      const text = this.#outbox.shift();
      length += text.length;
      batch.push(JSON.stringify(text));
    }
    this.#outboxLength -= length;
    return batch;
  }

  #post(route, body) {
    return this.#io.fetch(`${this.#address}/${route}`, {
      method: 'POST',
      body,
      // A type that needs no preflight when the page is of another origin.
      headers: body === undefined ? {} : { 'Content-Type': 'text/plain' },
      cache: 'no-store',
      credentials: this.#io.credentials,
      signal: this.#abort.signal,
    });
  }
}

/** What went wrong, in words: `fetch` hides the cause of a failure behind "fetch failed". */
function describe(error) {
  const cause = error?.cause?.code ?? error?.cause?.message;
  const message = error?.message || String(error);
  return cause ? `${message} (${cause})` : message;
}

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
class Watch {
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

/** Close code of a session that ended without one (RFC 6455 section 7.4.1). */
const ABNORMAL = 1006;

/**
 * One SockJS session over one transport, from the request for it to its end. It opens once, ends once, and is
 * never opened again: who reconnects makes a new one.
 */
class Session {
  /** @type {Promise<{opened: boolean, code: number, reason: string}>} */
  ended;

  #on;
  #resolve;
  #link;
  #opening;
  #silenceMs;
  #beats;
  #watch;
  #opened = false;
  #over = false;

  /**
   * @param {object} transport one of TRANSPORTS
   * @param {string} base URL of the SockJS service, without a trailing slash
   * @param {object} io see transports.js
   * @param {{openTimeoutMs: number, silenceMs: number, beats: boolean}} limits `beats`: the server says that it sends
   *   heartbeats, whatever the transport
   * @param {{open(): void, message(data: unknown): void}} on
   */
  constructor(transport, base, io, limits, on) {
    this.#on = on;
    this.#beats = transport.beats || limits.beats;
    this.#silenceMs = limits.silenceMs;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
    const late = () => this.#end(ABNORMAL, `it did not open within ${limits.openTimeoutMs} ms`);
    this.#opening = setTimeout(late, limits.openTimeoutMs);
    try {
      this.#link = transport.open(`${base}/${serverId()}/${sessionId()}`, io, {
        heard: () => this.#heard(),
        frame: (text) => this.#frame(text),
        lost: (reason, code = ABNORMAL) => this.#end(code, reason || (this.#opened ? 'it was lost' : 'it did not open')),
      });
    } catch (error) {
      this.#end(ABNORMAL, describe(error)); // `new WebSocket` throws when a page may not open one
    }
  }

  /**
   * @param {string} text
   * @returns {boolean} false when the transport holds too much unsent
   */
  send(text) {
    return this.#link.send(text);
  }

  /** Ends the session from this side. */
  close(reason) {
    this.#end(1000, reason);
  }

  #frame(text) {
    let frame;
    try {
      frame = parseFrame(text);
    } catch (error) {
      return this.#end(ABNORMAL, `the server sent ${error.message}`);
    }
    switch (frame.kind) {
      case 'open':
        return this.#open();
      case 'heartbeat':
        // A server that beats can be missed, whatever the transport.
        this.#beats = true;
        return this.#heard();
      case 'messages':
        for (const message of frame.messages) {
          if (this.#over) return; // a listener has closed it
          this.#on.message(message);
        }
        return;
      case 'close':
        return this.#end(frame.code, frame.reason);
    }
  }

  #open() {
    if (this.#opened) return this.#end(ABNORMAL, 'the server lost the session');
    this.#opened = true;
    clearTimeout(this.#opening);
    this.#heard();
    this.#on.open();
  }

  /** Any byte is a sign of life: a long frame on a slow line must not look like silence. */
  #heard() {
    if (!this.#opened || !this.#beats || this.#over) return;
    const silent = () => this.#end(ABNORMAL, `the server was silent for ${this.#silenceMs} ms`);
    this.#watch ??= new Watch(this.#silenceMs, silent);
    this.#watch.heard();
  }

  #end(code, reason) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#opening);
    this.#watch?.stop();
    this.#link?.close();
    this.#resolve({ opened: this.#opened, code, reason });
  }
}

/** Of use to load balancers only. */
function serverId() {
  return String(Math.floor(Math.random() * 1000)).padStart(3, '0');
}

/** Whoever knows it can read the session: 124 bits of a good random source. */
function sessionId() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('');
}

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
function backoffMs(failures, minMs, maxMs) {
  return Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
}

/**
 * Waits `ms`, or less: a browser that comes back online need not wait any longer.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} fulfilled also when `signal` is aborted
 */
function pause(ms, signal) {
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
function within(ms, outer, work) {
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

/** A connection that has lasted so long was a good one: the next failure starts the back-off anew. */
const STABLE_MS = 10_000;

/** SockJS's own interval of heartbeats, for a server that does not say another. */
const HEARTBEAT_MS = 25_000;

/** What a heartbeat may be late, besides half an interval. */
const ON_THE_WAY_MS = 2_500;

/**
 * What a page holds: a stream of messages that outlives the sessions which carry it.
 *
 * States: `connecting` (also while it waits to try again), `connected`, `disconnected` (for good).
 */
class Connection {
  #base;
  #settings;
  #state = 'disconnected';
  #session = null;
  #transport = null;
  #subscriptions = new Set();
  #queue = [];
  #failures = 0;
  #listeners = new Listeners();
  #life = new AbortController();

  /** Use `connect`. */
  constructor(base, settings) {
    this.#base = base;
    this.#settings = settings;
    if (settings.token) this.#subscriptions.add(settings.token);
    this.#enter('connecting');
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

  /**
   * @param {'message' | 'state' | 'error'} name
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) {
    return this.#listeners.add(name, listener);
  }

  /**
   * Receives what is published for the user of `token`, now and after every reconnect.
   *
   * @param {string | (() => string | null | Promise<string | null>)} token the token, or what gets a fresh one; it
   *   may give null as long as there is no user
   * @returns {boolean} false, and an `error` event, when it could not be accepted
   */
  subscribe(token) {
    if (this.#life.signal.aborted) return this.#refuse('the connection is closed');
    if (!token || !['string', 'function'].includes(typeof token)) {
      return this.#refuse('a token must be a string that is not empty, or a function that gets one');
    }
    const { subscriptionsMax } = this.#settings;
    if (this.#subscriptions.size >= subscriptionsMax && !this.#subscriptions.has(token)) {
      return this.#refuse(`there are ${subscriptionsMax} subscriptions already`);
    }
    this.#subscriptions.add(token);
    if (this.#state === 'connected') this.#subscribeNow(token);
    return true;
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
    if (name === 'subscribe') return this.subscribe(data?.token ?? data);
    if (this.#life.signal.aborted) return this.#refuse('the connection is closed');
    const text = envelope(name, data);
    if (this.#state === 'connected') {
      return this.#session.send(text) || this.#refuse('too much is waiting to be sent');
    }
    if (this.#queue.length >= this.#settings.queueMax) {
      return this.#refuse(`${this.#queue.length} events are waiting for a connection already`);
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
      if (isFinal(end.code)) {
        this.#fail(`the server ended the connection for good: ${end.reason} (${end.code})`, end.code);
        return this.#finish(end);
      }
      const { backoffMinMs, backoffMaxMs } = this.#settings;
      const retryInMs = Math.round(backoffMs(this.#failures++, backoffMinMs, backoffMaxMs));
      this.#fail(`${end.reason}; next try in ${(retryInMs / 1000).toFixed(1)} s`, end.code);
      this.#enter('connecting', { code: end.code, reason: end.reason, retryInMs });
      await pause(retryInMs, signal);
    }
  }

  /** Tries each transport until one opens, and returns when that one has ended. */
  async #connect() {
    const { signal } = this.#life;
    const [info, tokens] = await Promise.all([this.#info(), this.#tokens([...this.#subscriptions])]);
    const { io } = this.#settings;
    const base = info.base_url ? new URL(info.base_url, this.#base).href.replace(/\/+$/, '') : this.#base;
    const limits = { openTimeoutMs: this.#settings.openTimeoutMs, ...this.#silence(info.heartbeat_delay) };
    const failures = [];
    for (const transport of this.#settings.transports) {
      if (transport.name === 'websocket' && !(io.WebSocket && info.websocket !== false)) continue;
      const session = new Session(transport, base, io, limits, {
        open: () => this.#opened(session, transport, tokens),
        message: (data) => this.#listeners.call('message', data),
      });
      this.#session = session;
      const end = await session.ended;
      if (end.opened || signal.aborted || isFinal(end.code)) return end;
      failures.push(`${transport.name}: ${end.reason}`);
    }
    throw new Error(`no transport works at ${base} (${failures.join('; ') || 'none is left to try'})`);
  }

  /** How long a server that sends something every so many ms may be silent; others say nothing of it. */
  #silence(heartbeatMs) {
    const beats = Number.isInteger(heartbeatMs) && heartbeatMs > 0;
    const patienceMs = 1.5 * (beats ? heartbeatMs : HEARTBEAT_MS) + ON_THE_WAY_MS;
    return { beats, silenceMs: this.#settings.silenceTimeoutMs ?? patienceMs };
  }

  #opened(session, transport, tokens) {
    this.#transport = transport.name;
    const stable = setTimeout(() => (this.#failures = 0), STABLE_MS);
    session.ended.then(() => clearTimeout(stable));
    for (const token of tokens.values()) if (token !== null) session.send(envelope('subscribe', { token }));
    for (const text of this.#queue.splice(0)) session.send(text);
    this.#enter('connected', { transport: transport.name });
    for (const subscription of this.#subscriptions) {
      const late = !tokens.has(subscription); // added while the session opened
      if (late && this.#session === session) this.#subscribeNow(subscription);
    }
  }

  async #subscribeNow(subscription) {
    const session = this.#session;
    try {
      const token = (await this.#tokens([subscription])).get(subscription);
      if (token === null || session !== this.#session) return;
      if (!session.send(envelope('subscribe', { token }))) throw new Error('too much is waiting to be sent');
    } catch (error) {
      // To stay connected would be to miss that user's messages without a word: the next connection tries again.
      if (session === this.#session) session.close(describe(error));
    }
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

  /** @returns {Promise<Map<unknown, string | null>>} the token of each subscription */
  async #tokens(subscriptions) {
    const { openTimeoutMs } = this.#settings;
    const pairs = subscriptions.map(async (subscription) => {
      if (typeof subscription !== 'function') return [subscription, subscription];
      try {
        const token = (await within(openTimeoutMs, this.#life.signal, async () => subscription())) ?? null;
        if (token !== null && typeof token !== 'string') throw new Error('the function gave no string');
        return [subscription, token];
      } catch (error) {
        throw new Error(`cannot get a token: ${describe(error)}`);
      }
    });
    return new Map(await Promise.all(pairs));
  }

  #finish({ code, reason }) {
    const session = this.#session;
    this.#session = this.#transport = null;
    this.#queue.length = 0;
    this.#life.abort();
    session?.close(reason);
    this.#enter('disconnected', { code, reason });
  }

  #enter(state, detail = {}) {
    this.#state = state;
    this.#listeners.call('state', state, detail);
  }

  #refuse(reason) {
    this.#fail(reason);
    return false;
  }

  #fail(text, code) {
    const error = Object.assign(new Error(text), code === undefined ? {} : { code });
    if (!this.#listeners.call('error', error)) console.warn(`pushnote: ${text}`);
  }
}

/** What a server says with codes of these ranges will be no other after a reconnect. */
function isFinal(code) {
  return (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999);
}

function envelope(name, data) {
  return JSON.stringify({ name, data });
}

const DEFAULTS = {
  openTimeoutMs: 5_000,
  // By the server's heartbeat.
  silenceTimeoutMs: undefined,
  backoffMinMs: 500,
  backoffMaxMs: 20_000,
  queueMax: 100,
  // As many as a server takes on one connection.
  subscriptionsMax: 128,
};

/**
 * Connects to a pushnote server and stays connected.
 *
 * @param {string | URL} url of the server's SockJS route, as `http://push.example/sockjs`; relative to the page if
 *   there is one
 * @param {object} [options] see pushnote.d.ts
 * @returns {Connection}
 * @throws {TypeError} when the address or an option makes no sense; whatever goes wrong later is an `error` event
 */
function connect(url, options = {}) {
  const settings = { ...DEFAULTS, token: options.token };
  for (const name of Object.keys(DEFAULTS)) {
    if (options[name] === undefined) continue;
    if (!(options[name] >= 0)) throw new TypeError(`pushnote: ${name} must be a number, not ${options[name]}`);
    settings[name] = Number(options[name]);
  }
  settings.transports = chosen(options.transports);
  settings.io = {
    // As a method of anything but the window, a browser's fetch throws.
    fetch: options.fetch ?? ((...args) => globalThis.fetch(...args)),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    // Cookies go along to other origins, too, as sockjs-client's do: a load balancer may tell its servers apart by one of
    // its own, of which the server, asked whether it needs cookies, knows nothing. A sandboxed page has none, and no
    // origin that the answer could name.
    credentials: globalThis.origin === 'null' ? 'omit' : 'include',
  };
  return new Connection(serviceUrl(url), settings);
}

function serviceUrl(url) {
  let address;
  try {
    address = new URL(url, globalThis.location?.href);
  } catch {
    throw new TypeError(`pushnote: ${JSON.stringify(String(url))} is no address, as http://push.example/sockjs is`);
  }
  if (!/^https?:$/.test(address.protocol)) {
    throw new TypeError(`pushnote: the address must begin with http:// or https://, not ${address.protocol}`);
  }
  return address.origin + address.pathname.replace(/\/+$/, '');
}

function chosen(names) {
  if (names === undefined) return TRANSPORTS;
  return names.map((name) => {
    const transport = TRANSPORTS.find((each) => each.name === name);
    if (transport) return transport;
    const known = TRANSPORTS.map((each) => each.name).join(', ');
    throw new TypeError(`pushnote: there is no transport ${JSON.stringify(name)}, only ${known}`);
  });
}

return { connect };
})();
