import { describe, fault } from './errors.js';
import { closeShown, obstacle, permitted, registered, subscribed, workers } from './worker.js';

/** How long it holds what the server was told: what it has lost since, it is told again after that. */
const TOLD_MS = 24 * 60 * 60 * 1000;

/** What kind of problem it is, in the type that a pushnote server gives it (RFC 9457). */
const PROBLEM = /^urn:pushnote:problem:(.+)/;

/**
 * Web Push: notifications also when no page is open. It is given to `connect`, as its option `push`.
 *
 * @param {import('./connection.js').Connection} connection
 * @param {string} base address of the SockJS route
 * @param {() => Promise<string | null | undefined>} userToken gets a token of the user whom it is subscribed as
 * @returns {object} the methods that it gets by that, see push.d.ts
 */
export function push(connection, base, userToken) {
  const self = new Push(new URL(base).origin, userToken);
  const off = connection.on('state', (state) => {
    if (state === 'connecting') return;
    off(); // once for each page
    if (state === 'connected') self.renew();
  });
  // The browser has ended a subscription, and the worker has made another one.
  workers()?.addEventListener('message', ({ data }) => {
    if (data?.pushnote === 'renew' && connection.state !== 'disconnected') self.renew();
  });
  connection.on('ack', (id) => closeShown(id).catch(() => {}));
  return {
    enablePush: (options) => self.enable(options),
    disablePush: () => self.disable(),
    pushState: () => self.state(),
  };
}

/** What one browser has of one server, and its memory of that: `{script, scope, group, told, at}` in localStorage. */
class Push {
  #server;
  #userToken;
  #last = Promise.resolve();

  constructor(server, userToken) {
    this.#server = server;
    this.#userToken = userToken;
  }

  enable({ serviceWorker = '/pushnote-sw.js', group, token } = {}) {
    // Before anything else: browsers let a page ask only while they handle a click.
    const permission = permitted();
    if (token) this.#userToken = async () => (typeof token === 'function' ? token() : token);
    permission.catch(() => {}); // its turn may come later
    return this.#inTurn(async () => {
      await permission;
      await this.#subscribe({ serviceWorker, group, token: await this.#userToken() });
    });
  }

  /** As an earlier page has enabled it: for the user of this one, and with the key that the server has now. */
  async renew() {
    try {
      await this.#inTurn(async () => {
        const { script, scope, group } = this.#memory;
        if (!scope || obstacle() || Notification.permission !== 'granted') return;
        const serviceWorker = script ?? (await workers().getRegistration(scope));
        const token = serviceWorker && (await this.#userToken());
        if (token) await this.#subscribe({ serviceWorker, group, token });
      });
    } catch (error) {
      console.warn(`pushnote: Web Push is not renewed: ${describe(error)}`);
    }
  }

  disable() {
    return this.#inTurn(async () => {
      const subscription = await this.#subscription();
      this.#memory = undefined;
      if (!subscription) return;
      const { endpoint } = subscription;
      // First what needs nobody else. A server that is not told learns it from the push service.
      await subscription.unsubscribe();
      const token = await this.#userToken();
      if (token) await this.#ask('subscribe', { method: 'DELETE', body: JSON.stringify({ token, endpoint }) });
    });
  }

  async state() {
    const code = obstacle()?.code;
    if (code) return code;
    return Notification.permission === 'granted' && (await this.#subscription()) ? 'enabled' : 'disabled';
  }

  async #subscription() {
    const { scope } = this.#memory;
    const registration = scope && (await workers()?.getRegistration(scope));
    return registration && registration.pushManager.getSubscription();
  }

  /** In the browser and at the server, which is asked nothing if it was told the same within a day. */
  async #subscribe({ serviceWorker, group, token }) {
    if (!token) throw fault('there is nobody to notify: subscribe as a user first, or give a token', 'token_missing');
    const registration = await registered(serviceWorker, this.#server);
    const before = await registration.pushManager.getSubscription();
    const told = (subscription) => digest([token, group, subscription?.endpoint]);
    const { told: known, at } = this.#memory;
    if (before && known === (await told(before)) && Math.abs(Date.now() - at) < TOLD_MS) return;

    const { key } = Object(await (await this.#ask('key', { cache: 'no-store' })).json().catch(() => {}));
    const subscription = await subscribed(registration, before, key);
    await this.#ask('subscribe', { method: 'POST', body: JSON.stringify({ token, subscription, group }) });
    const script = typeof serviceWorker === 'string' ? new URL(serviceWorker, location.href).href : undefined;
    this.#memory = { script, scope: registration.scope, group, told: await told(subscription), at: Date.now() };
  }

  async #ask(path, options) {
    const address = `${this.#server}/push/${path}`;
    let response;
    try {
      response = await fetch(address, options);
    } catch (error) {
      throw fault(`cannot reach ${address}: ${describe(error)}`, 'not_reached');
    }
    if (response.ok) return response;
    const { status } = response;
    const { type, detail = `status ${status}` } = Object(await response.json().catch(() => {}));
    throw fault(`${address}: ${detail}`, PROBLEM.exec(type)?.[1] ?? (status === 404 ? 'no_web_push' : 'refused'));
  }

  /** One after the other, so that what was switched off last is off. */
  #inTurn(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  get #memory() {
    try {
      return Object(JSON.parse(localStorage.getItem(this.#key)));
    } catch {
      return {}; // browsers may refuse it
    }
  }

  set #memory(value) {
    try {
      if (value) localStorage.setItem(this.#key, JSON.stringify(value));
      else localStorage.removeItem(this.#key);
    } catch {
      // Then pages renew nothing.
    }
  }

  get #key() {
    return `pushnote push ${this.#server}`;
  }
}

/** Tokens are not kept where every script of the site can read them. */
async function digest(value) {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(value)));
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
