import { describe, fault } from './errors.js';
import { Listeners } from './listeners.js';
import { pause, within } from './waiting.js';

/** What a server says of who is in a channel. */
const PRESENCE = ['presence', 'join', 'leave'];

/** Events of a channel that are not the publisher's: one that was published by such a name is heard as `message` only. */
const OWN_EVENTS = ['message', 'gap', ...PRESENCE];

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
  /** What is known of the servers: whether one speaks the protocol. */
  #speaks;
  /** What came before the welcome: it comes again, unless the server is an old one. */
  #early;
  #subscriptions = new Map();
  #requests = new Map();
  #channels = new Map();
  // From anywhere on, so that no value that was published looks like an answer.
  #lastId = Math.floor(Math.random() * 2 ** 32);

  /** @param {{settings: object, signal: AbortSignal, listeners: Listeners, emit(name: string, data: object): boolean, fail(text: string, code?: any): void, retry(failures: number, reason: string): number}} host */
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
    const isText = typeof token === 'string';
    const source = isText ? getToken : (token ?? getToken);
    const key = channel ?? token ?? source;
    if (typeof key !== 'function' && !key?.length) {
      throw new Error('a token must be a string that is not empty, or a function');
    }
    const before = this.#subscriptions.get(key);
    if (!before && this.#subscriptions.size >= subscriptionsMax) {
      throw new Error(`there are ${subscriptionsMax} subscriptions already`);
    }
    // It has a signal of its own: Node warns of one that many listen to.
    const life = new AbortController();
    const subscription = { ...before, key, channel, source, since: since ?? before?.since, life, asking: undefined };
    // Undefined as long as it is to be asked for, null when there is none.
    subscription.token = isText ? token : source ? undefined : null;
    const begun = new Promise((resolve, reject) => Object.assign(subscription, { resolve, reject }));
    begun.catch(() => {}); // it is an `error` event, too
    before?.life.abort();
    before?.resolve(begun);
    this.#subscriptions.set(key, subscription);
    if (this.#session && this.#phase !== 'hello') this.#begin(subscription);
    return begun;
  }

  /** @returns {Promise<void>} when nothing more of it will come */
  async unsubscribe(channel) {
    const subscription = this.#subscriptions.get(channel);
    if (subscription) stop(subscription, new Error('unsubscribed'));
    this.#subscriptions.delete(channel);
    this.#channels.delete(channel);
    await this.#request('unsubscribe', { channel }).catch(() => {}); // then it has ended anyway
  }

  /** What a page has to do with one channel. */
  channel(name) {
    return {
      name,
      on: (event, listener) => {
        const listeners = this.#channels.get(name) ?? new Listeners();
        this.#channels.set(name, listeners);
        const remove = listeners.add(event, listener);
        return () => {
          remove();
          if (!listeners.size && this.#channels.get(name) === listeners) this.#channels.delete(name);
        };
      },
      history: (last) => this.#request('history', { channel: name, last }),
      presence: ({ events } = {}) => {
        const subscription = this.#subscriptions.get(name);
        if (subscription) subscription.events = events ?? subscription.events;
        return this.#request('presence', { channel: name, events });
      },
    };
  }

  /** @returns {Promise<string | null | undefined>} a token of the first user that it is subscribed as, if there is one */
  async userToken() {
    const { source, token } = [...this.#subscriptions.values()].find((each) => !each.channel) ?? {};
    return source ? source({ reason: 'subscribe' }) : token;
  }

  /** Asks for the tokens that are missing, so that a session begins with those that come in time. */
  prepare() {
    for (const each of this.#subscriptions.values()) this.#getToken(each)?.catch(() => {}); // it is asked for again
  }

  /** A session has opened. */
  opened(session) {
    this.#session = session;
    const { resume, openTimeoutMs } = this.#host.settings;
    if (!resume) return this.#bePlain();
    const { cursor } = this;
    // What is to begin elsewhere than at the cursor begins by itself, after the welcome. So does every user but one: the
    // welcome would not say which of them it refuses.
    const all = [...this.#subscriptions.values()];
    const ready = all.filter((each) => !each.since && isReady(each));
    const user = ready.find((each) => !each.channel);
    const held = ready.filter((each) => each.channel || each === user);
    for (const each of all) if (!held.includes(each)) each.since ??= cursor;
    const subscriptions = held.map(({ channel, token }) => ({ channel, token: token ?? undefined }));
    const timer = setTimeout(() => this.#unanswered(`no answer to hello within ${openTimeoutMs} ms`), openTimeoutMs);
    this.#phase = 'hello';
    this.#early = [];
    this.#hello = { cursor, held, timer, id: this.#send('hello', { version: 1, cursor, subscriptions }) };
  }

  /** The session is over, or will not come: `why`. */
  ended(why, isForGood) {
    clearTimeout(this.#hello?.timer);
    this.#session = this.#phase = this.#hello = undefined;
    for (const { reject } of this.#requests.values()) reject(new Error(why));
    this.#requests.clear();
    for (const each of this.#subscriptions.values()) {
      each.reason = undefined;
      if (isForGood) stop(each, new Error(why));
    }
  }

  /** What the server has sent. */
  receive(value) {
    const message = this.#hello ? Object(parsed(value)) : {};
    const isAnswer = message.id === this.#hello?.id;
    if (this.#phase === 'welcome') this.#heard(message);
    else if (isAnswer && message.type === 'welcome') this.#welcomed(message);
    else if (this.#phase === 'plain') this.#host.listeners.call('message', value);
    else if (isAnswer && message.type === 'error') this.#unanswered(message.text);
    else this.#early.push(value);
  }

  #welcomed(message) {
    const { held, cursor, timer } = this.#hello;
    clearTimeout(timer);
    this.#phase = 'welcome';
    this.#speaks = true;
    this.#heard(message);
    for (const each of this.#subscriptions.values()) {
      const isRefused = message.errors?.some(({ channel }) => channel === each.channel);
      // Asked for by itself it gets an answer of its own, which is dealt with there.
      if (isRefused) each.since ??= cursor;
      if (held.includes(each) && !isRefused) this.#holds(each, message);
      else this.#begin(each);
    }
  }

  #heard(message) {
    const { type, id, channel, user, cursor, complete } = message;
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (type === 'gap' || (cursor && complete === false)) this.#missed({ channel, user, cursor });
    for (const each of type === 'history' ? [] : message.messages ?? []) {
      if (this.#host.signal.aborted) return; // a listener has closed it
      this.#deliver(each);
    }
    if (PRESENCE.includes(type)) this.#channels.get(channel)?.call(type, user ?? message);
    if (cursor) {
      this.cursor = cursor;
      kept(this.#host.settings.key, cursor);
    }
    if (type === 'expired') this.#expired(message);
    if (type !== 'error') request?.resolve(message);
    else if (request) request.reject(fault(message.text, message.code));
    else this.#host.fail(message.text, message.code);
  }

  #deliver(message) {
    const { data, event, channel, channels = [channel], ack } = message;
    const { listeners, settings, signal } = this.#host;
    const acknowledge = () => {
      this.#host.emit('ack', { id: ack });
      listeners.call('ack', ack);
    };
    if (ack) message.acknowledge = acknowledge;
    const isHeard = listeners.call('message', data, message);
    for (const name of channels) {
      const listeners = this.#channels.get(name);
      listeners?.call('message', data, message);
      if (!OWN_EVENTS.includes(event)) listeners?.call(event, data, message);
    }
    if (!ack || !isHeard || settings.ack === 'manual') return;
    // What a page in the background has, nobody has seen.
    const page = globalThis.document;
    if (page?.hidden) page.addEventListener('visibilitychange', acknowledge, { once: true, signal });
    else acknowledge();
  }

  /** What is missing of everything is missing of each channel. */
  #missed(gap) {
    this.#host.listeners.call('gap', gap);
    for (const [name, listeners] of this.#channels) {
      if (!gap.user && (gap.channel ?? name) === name) listeners.call('gap', gap);
    }
  }

  #expired({ channel, user, cursor }) {
    const alike = [...this.#subscriptions.values()].filter((each) => each.channel === channel);
    // Whose the token is, is not known of the one that hello brought.
    const expired = alike.find((each) => each.user === user) ?? alike.find((each) => !each.user);
    if (!expired) return;
    expired.since ??= cursor;
    this.#renew(expired);
  }

  /** With a new token if there can be one, else the server says whether the old one will do. */
  #renew(subscription) {
    if (subscription.source) Object.assign(subscription, { token: undefined, reason: 'expired' });
    this.#begin(subscription);
  }

  /** The server does not know hello, or not this version of it. */
  #unanswered(why) {
    // Other servers do: what this one sends would come again from them.
    if (this.#speaks) return this.#session.close(why);
    if (this.#speaks === undefined) this.#host.fail(`the server does not speak the client protocol: ${why}`);
    this.#speaks = false;
    this.#bePlain();
    for (const value of this.#early) this.#host.listeners.call('message', value);
  }

  #bePlain() {
    this.#phase = 'plain';
    for (const each of this.#subscriptions.values()) this.#begin(each);
  }

  async #begin(subscription) {
    const { channel, source, life: { signal } } = subscription;
    const { settings, retry } = this.#host;
    const session = this.#session;
    const isOver = () => signal.aborted || session !== this.#session;
    for (let failures = 0; subscription.token === undefined; ) {
      try {
        await this.#getToken(subscription);
      } catch (error) {
        if (isOver()) return;
        await pause(retry(failures++, `${channel ?? 'user'}: cannot get a token: ${describe(error)}`), signal);
      }
      if (isOver()) return;
    }
    const { since, token } = subscription;
    if (!channel && !token) {
      // Nobody yet: only the connection's own user may be, and is asked for by the next session.
      Object.assign(subscription, { token: undefined, since: undefined });
      if (settings.resume && source !== settings.token) this.#refused(subscription, fault('there is no token', 'token_missing'));
    } else if (this.#phase === 'plain') {
      // Without answers nobody says when it has expired: each session begins with a fresh one.
      if (source) subscription.token = undefined;
      if (token && !channel) session.send(envelope('subscribe', { token }));
    } else {
      this.#ask('subscribe', { channel, token: token ?? undefined, since }, {
        resolve: (answer) => this.#holds(subscription, answer),
        reject: (error) => this.#refused(subscription, error),
      });
    }
  }

  #holds(subscription, { user = subscription.user, cursor, complete }) {
    Object.assign(subscription, { user, since: undefined, reason: undefined });
    subscription.resolve({ user, cursor, complete });
    // Whoever asked to hear of those who come and go still does, and has to know who is there now.
    const { channel, events } = subscription;
    if (events) this.channel(channel).presence({ events }).catch(() => {});
  }

  #refused(subscription, error) {
    const { key, channel = 'user', source, reason, life } = subscription;
    const { message, code } = error;
    if (!code || life.signal.aborted) return; // the next hello brings it, or nobody wants it
    if (code === 'token_expired' && source && reason !== 'expired') return this.#renew(subscription);
    this.#subscriptions.delete(key);
    this.#host.fail(`${channel}: ${message}`, code);
    stop(subscription, error);
  }

  /** Asks for a token that is missing: once for all who wait for it. */
  #getToken(subscription) {
    const { channel, user, source, reason = 'subscribe', token, life } = subscription;
    if (token !== undefined) return;
    subscription.asking ??= within(this.#host.settings.openTimeoutMs, life.signal, async () => source({ channel, user, reason }))
      .then((token) => {
        if (typeof (token ?? '') !== 'string') throw new Error('the function gave no string');
        subscription.token = token || null;
      })
      .finally(() => (subscription.asking = undefined));
    return subscription.asking;
  }

  #request(name, data) {
    return new Promise((resolve, reject) => this.#ask(name, data, { resolve, reject }));
  }

  /** An answer is for the session that was asked. */
  #ask(name, data, on) {
    if (!this.#hello || this.#phase === 'plain') return on.reject(new Error('there is no connection that answers'));
    this.#requests.set(this.#send(name, data), on);
  }

  /** @returns {number} the id that its answer will have */
  #send(name, data) {
    const id = ++this.#lastId;
    if (!this.#session.send(envelope(name, { id, ...data }))) this.#session.close('too much is waiting to be sent');
    return id;
  }
}

/** Asks for no token any more, and says so to who waits for it. */
function stop({ life, reject }, error) {
  life.abort();
  reject(error);
}

/** Has its token, or needs none. A user without one is nobody yet. */
function isReady({ channel, token }) {
  return token || (token === null && channel);
}

/** A server that sends all messages as text (`--message-form=string`) sends these so, too. */
function parsed(value) {
  try {
    return typeof value === 'string' ? JSON.parse(value) : value;
  } catch {
    return value; // published as it is
  }
}

/** What the page kept, or keeps, over a reload; browsers may refuse to, by an exception. */
function kept(key, cursor) {
  try {
    if (!key) return;
    const { sessionStorage } = globalThis;
    if (cursor) sessionStorage.setItem(key, cursor);
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    // It begins at the present.
  }
}

export function envelope(name, data) {
  return JSON.stringify({ name, data });
}
