import { describe, fault } from './errors.js';
import { Listeners } from './listeners.js';
import { within } from './waiting.js';

/** Of docs/protocol.md. */
const VERSION = 1;

/** Events of a channel that are not the publisher's: one that was published by such a name is heard as `message` only. */
const OWN_EVENTS = ['message', 'gap', 'presence', 'join', 'leave'];

/**
 * What is said over one session after another: what the page subscribes to, and where it is in the log.
 *
 * With the option `resume` it speaks the client protocol (docs/protocol.md), in which each session begins with hello
 * and welcome. Without it, and with a server that does not know it, it is plain: bare values, and no answers.
 */
export class Conversation {
  /** Where the page is in the log, by the last cursor that came. */
  cursor;

  #host;
  #session;
  /** 'hello': it was said, and not answered yet; 'welcome': it was; 'plain': no hello, or a server that knows none. */
  #phase;
  #hello;
  #wasWelcome = false;
  #hasWarned = false;
  /** What came before the welcome: it comes again, unless the server is an old one. */
  #early = [];
  #subscriptions = new Map();
  #requests = new Map();
  #channels = new Map();
  // From anywhere on, so that no value that was published looks like an answer.
  #lastId = Math.floor(Math.random() * 2 ** 32);

  /** @param {{settings: object, signal: AbortSignal, listeners: Listeners, fail(text: string, code?: any): void}} host */
  constructor(host) {
    this.#host = host;
    this.cursor = kept(host.settings.key);
  }

  /**
   * Adds a subscription, or renews it.
   *
   * @param {{channel?: string, token?: string | Function, since?: string}} wanted without a channel: the token's user
   * @returns {Promise<object>} how it began, if the server says so
   * @throws {Error} when it cannot be accepted
   */
  subscribe({ channel, token, since }) {
    const { getToken, subscriptionsMax } = this.#host.settings;
    const source = typeof token === 'function' ? token : getToken;
    const key = channel === undefined ? (token ?? source) : `channel ${channel}`;
    if (!key || !['string', 'function', 'undefined'].includes(typeof (token ?? undefined)) || token === '') {
      throw new Error('a token must be a string that is not empty, or a function that gets one');
    }
    const before = this.#subscriptions.get(key);
    if (!before && this.#subscriptions.size >= subscriptionsMax) {
      throw new Error(`there are ${subscriptionsMax} subscriptions already`);
    }
    const subscription = {
      ...before,
      key,
      channel,
      source,
      since: since ?? before?.since,
      // Undefined as long as it is to be asked for, null when there is none.
      token: typeof token === 'string' ? token : source ? undefined : null,
      reason: 'subscribe',
    };
    const begun = new Promise((resolve, reject) => Object.assign(subscription, { resolve, reject }));
    begun.catch(() => {}); // it is an `error` event, too
    before?.resolve(begun);
    this.#subscriptions.set(key, subscription);
    if (this.#speaks) this.#begin(subscription);
    return begun;
  }

  /** @returns {Promise<void>} */
  unsubscribe(channel) {
    const key = `channel ${channel}`;
    this.#subscriptions.get(key)?.reject(new Error('unsubscribed'));
    this.#subscriptions.delete(key);
    return new Promise((resolve) => {
      const done = () => resolve();
      if (this.#session) this.#ask('unsubscribe', { channel }, { resolve: done, reject: done, lost: done });
      else done();
    });
  }

  /** What a page has to do with one channel. */
  channel(name) {
    const listeners = this.#channels.get(name) ?? new Listeners();
    this.#channels.set(name, listeners);
    return {
      name,
      on: (event, listener) => listeners.add(event, listener),
      history: (last) => this.#request('history', { channel: name, last }),
      presence: ({ events } = {}) => {
        const subscription = this.#subscriptions.get(`channel ${name}`);
        if (subscription) subscription.events ||= events;
        return this.#request('presence', { channel: name, events });
      },
    };
  }

  /** Gets the tokens that are missing, so that a session can begin with all subscriptions. */
  prepare() {
    return Promise.all([...this.#subscriptions.values()].map((each) => this.#getToken(each)));
  }

  /** A session has opened. */
  opened(session) {
    this.#session = session;
    const { resume, openTimeoutMs } = this.#host.settings;
    if (!resume) return this.#bePlain();
    const { cursor } = this;
    // What is to begin elsewhere than at the cursor begins by itself, after the welcome.
    const held = [...this.#subscriptions.values()].filter((each) => each.since === undefined && isReady(each));
    const subscriptions = held.map(({ channel, token }) => ({ channel, token: token ?? undefined }));
    const id = ++this.#lastId;
    const late = () => this.#unanswered(`no answer to hello within ${openTimeoutMs} ms`);
    this.#phase = 'hello';
    this.#hello = { id, cursor, held, timer: setTimeout(late, openTimeoutMs) };
    this.#send('hello', { id, version: VERSION, cursor, subscriptions });
  }

  /** The session is over: whatever hello repeats is forgotten, and other requests are made again. */
  ended() {
    clearTimeout(this.#hello?.timer);
    for (const each of this.#subscriptions.values()) {
      // A server without answers would not say that it has expired.
      if (this.#phase === 'plain' && each.source) each.token = undefined;
      if (each.token) each.reason = 'subscribe';
    }
    this.#session = this.#phase = this.#hello = undefined;
    this.#early = [];
    for (const [id, { lost }] of this.#requests) {
      if (!lost) continue;
      this.#requests.delete(id);
      lost();
    }
  }

  /** No session will come any more. */
  close() {
    this.ended();
    this.#rejectAll('the connection is closed');
    for (const { reject } of this.#subscriptions.values()) reject(new Error('the connection is closed'));
  }

  /** What the server has sent. */
  receive(message) {
    const { type, id } = Object(message);
    const isAnswer = this.#hello?.id === id;
    if (this.#hello && isAnswer && type === 'welcome') return this.#welcomed(message);
    if (this.#phase === 'welcome') return this.#heard(Object(message));
    if (this.#phase === 'plain') return this.#host.listeners.call('message', message);
    if (isAnswer && type === 'error') return this.#unanswered(message.text);
    this.#early.push(message);
  }

  get #speaks() {
    return this.#phase === 'plain' || this.#phase === 'welcome';
  }

  #welcomed({ complete, cursor, errors = [] }) {
    const { held, cursor: since, timer } = this.#hello;
    clearTimeout(timer);
    this.#hello = undefined;
    this.#early = [];
    this.#phase = 'welcome';
    this.#wasWelcome = true;
    if (!complete) this.#missed({ cursor });
    for (const { name, data } of this.#requests.values()) this.#send(name, data);
    for (const each of this.#subscriptions.values()) {
      const isRefused = errors.some(({ channel }) => channel === each.channel);
      if (held.includes(each) && !isRefused) {
        this.#holds(each, { complete, cursor });
      } else {
        // Asked for by itself, a refused one gets an answer of its own: it may be one user of several.
        if (isRefused) each.since ??= since;
        this.#begin(each);
      }
    }
    this.#move(cursor);
  }

  #heard(message) {
    const { type, id, channel, user, cursor } = message;
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    switch (type) {
      case 'messages':
        for (const each of message.messages) {
          if (this.#host.signal.aborted) return; // a listener has closed it
          this.#deliver(each);
        }
        break;
      case 'gap':
        this.#missed({ channel, cursor });
        break;
      case 'expired':
        this.#expired(channel, user, cursor);
        break;
      case 'presence':
      case 'join':
      case 'leave':
        this.#channels.get(channel)?.call(type, type === 'presence' ? message : user);
    }
    if (type === 'error') {
      const { text, code } = message;
      if (request) request.reject(fault(text, code));
      else this.#host.fail(text, code);
    } else request?.resolve(message);
    this.#move(cursor);
  }

  #deliver(message) {
    const { data, event, channel, channels = [channel] } = message;
    this.#host.listeners.call('message', data, message);
    for (const name of channels) {
      const listeners = this.#channels.get(name);
      listeners?.call('message', data, message);
      if (!OWN_EVENTS.includes(event)) listeners?.call(event, data, message);
    }
  }

  /** What is missing of everything is missing of each channel. */
  #missed(gap) {
    this.#host.listeners.call('gap', gap);
    if (gap.user !== undefined) return;
    for (const [name, listeners] of this.#channels) {
      if ((gap.channel ?? name) === name) listeners.call('gap', gap);
    }
  }

  #expired(channel, user, since) {
    // Which user one is for is not known of those that hello brought: there may be several that fit.
    const fitting = [...this.#subscriptions.values()].filter(
      (each) => each.channel === channel && (each.user ?? user) === user,
    );
    for (const each of fitting) {
      each.since ??= since;
      if (fitting.length > 1) this.#begin(each);
      else this.#refused(each, fault('token has expired', 'token_expired'));
    }
  }

  #move(cursor) {
    if (cursor === undefined) return;
    this.cursor = cursor;
    kept(this.#host.settings.key, cursor);
  }

  /** The server does not know hello, or not this version of it. */
  #unanswered(why) {
    // Other servers do: what this one sends would come again from them.
    if (this.#wasWelcome) return this.#session.close(why);
    const text = `the server does not speak the client protocol: ${why}`;
    if (!this.#hasWarned) this.#host.fail(text);
    this.#hasWarned = true;
    this.#rejectAll(text);
    this.#bePlain();
    for (const value of this.#early.splice(0)) this.#host.listeners.call('message', value);
  }

  #bePlain() {
    this.#phase = 'plain';
    for (const each of this.#subscriptions.values()) this.#begin(each);
  }

  async #begin(subscription) {
    const session = this.#session;
    try {
      if (subscription.token === undefined) await this.#getToken(subscription);
    } catch (error) {
      // To stay connected would be to miss its messages without a word: the next session tries again.
      if (session === this.#session) session.close(describe(error));
      return;
    }
    const { key, channel, token, since } = subscription;
    if (session !== this.#session || this.#subscriptions.get(key) !== subscription || !isReady(subscription)) return;
    if (this.#phase === 'welcome') {
      this.#ask('subscribe', { channel, token: token ?? undefined, since }, {
        resolve: (answer) => {
          if (!answer.complete) this.#missed({ channel, user: answer.user, cursor: answer.cursor });
          this.#holds(subscription, answer);
        },
        reject: (error) => this.#refused(subscription, error),
        lost() {},
      });
    } else if (channel === undefined) this.#send('subscribe', { token });
  }

  #holds(subscription, { user = subscription.user, cursor, complete }) {
    Object.assign(subscription, { user, since: undefined, reason: 'subscribe' });
    const { channel, events, resolve } = subscription;
    resolve({ user, cursor, complete });
    // Whoever asked to hear of those who come and go still does, and has to know who is there now.
    if (events) this.channel(channel).presence({ events }).catch(() => {});
  }

  #refused(subscription, error) {
    const { key, channel = 'user', source, reason, reject } = subscription;
    if (this.#subscriptions.get(key) !== subscription) return;
    if (error.code === 'token_expired' && source && reason !== 'expired') {
      Object.assign(subscription, { token: undefined, reason: 'expired' });
      this.#begin(subscription);
      return;
    }
    if (error.code === 'token_from_future') return this.#session.close(error.message);
    this.#subscriptions.delete(key);
    this.#host.fail(`${channel}: ${error.message}`, error.code);
    reject(error);
  }

  async #getToken(subscription) {
    const { channel, user, source, reason, token } = subscription;
    if (token !== undefined) return;
    const { settings, signal } = this.#host;
    try {
      const ask = async () => source({ channel, user, reason });
      const token = (await within(settings.openTimeoutMs, signal, ask)) ?? null;
      if (token !== null && typeof token !== 'string') throw new Error('the function gave no string');
      subscription.token = token;
    } catch (error) {
      throw new Error(`cannot get a token: ${describe(error)}`);
    }
  }

  #request(name, data) {
    return new Promise((resolve, reject) => {
      const { settings, signal } = this.#host;
      if (signal.aborted) return reject(new Error('the connection is closed'));
      if (this.#requests.size >= settings.queueMax) return reject(new Error('too many requests are waiting'));
      this.#ask(name, data, { resolve, reject });
    });
  }

  /** `on.lost`, if there is one, is called when the session ends before the answer; else it is asked again. */
  #ask(name, data, on) {
    if (this.#phase === 'plain') return on.reject(new Error('the server does not speak the client protocol'));
    const id = ++this.#lastId;
    data = { id, ...data };
    this.#requests.set(id, { ...on, name, data });
    if (this.#phase === 'welcome') this.#send(name, data);
  }

  #send(name, data) {
    if (!this.#session.send(envelope(name, data))) this.#session.close('too much is waiting to be sent');
  }

  #rejectAll(text) {
    for (const { reject } of this.#requests.values()) reject(new Error(text));
    this.#requests.clear();
  }
}

/** Has its token, or needs none. A user without one is nobody yet. */
function isReady({ channel, token }) {
  return Boolean(token) || (token === null && channel !== undefined);
}

/** What the page kept, or keeps, over a reload; browsers may refuse to, by an exception. */
function kept(key, cursor) {
  if (!key) return undefined;
  try {
    const { sessionStorage } = globalThis;
    if (cursor !== undefined) sessionStorage.setItem(key, cursor);
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function envelope(name, data) {
  return JSON.stringify({ name, data });
}
