// What a browser has for Web Push, made of nothing: permission, service workers, subscriptions, localStorage.

import { createHash } from 'node:crypto';

const ENDPOINT = 'https://push.example/';

/** Puts it all where a page finds it, until the test has ended. */
export function browser(t, { permission = 'default', answers = 'granted', ...globals } = {}) {
  const state = { permission, answers, asked: 0, isClicked: true, registrations: new Map(), made: 0, refusal: undefined };
  const kept = new Map();
  const real = globalThis.crypto;
  const container = Object.assign(new EventTarget(), {
    async register(script, { scope }) {
      if (state.refusal) throw state.refusal;
      const registration = state.registrations.get(scope.href) ?? fakeRegistration(state, scope.href);
      state.registrations.set(scope.href, Object.assign(registration, { script: script.href }));
      return registration;
    },
    getRegistration: async (scope) => state.registrations.get(scope),
    getRegistrations: async () => [...state.registrations.values()],
  });
  const all = {
    isSecureContext: true,
    location: { href: 'https://site.example/shop/page', origin: 'https://site.example' },
    navigator: { serviceWorker: container, userActivation: { get isActive() { return state.isClicked; } } },
    PushManager: class {},
    // Node's own takes a thread, and time that no test knows of.
    crypto: {
      getRandomValues: (bytes) => real.getRandomValues(bytes),
      subtle: { digest: async (_, bytes) => createHash('sha256').update(bytes).digest() },
    },
    Notification: {
      get permission() { return state.permission; },
      async requestPermission() {
        state.asked += 1;
        return (state.permission = state.answers);
      },
    },
    localStorage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    },
    ...globals,
  };
  for (const [name, value] of Object.entries(all)) put(t, name, value);
  return Object.assign(state, { container, kept });
}

function put(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
}

function fakeRegistration(state, scope) {
  let subscription = null;
  const registration = {
    scope,
    active: {},
    notifications: [],
    getNotifications: async () => registration.notifications.filter(({ isClosed }) => !isClosed),
    /** As the browser does it by itself. */
    lose: () => (subscription = null),
    pushManager: {
      getSubscription: async () => subscription,
      async subscribe({ userVisibleOnly, applicationServerKey }) {
        if (state.refusal) throw state.refusal;
        if (subscription || !userVisibleOnly) throw new DOMException('there is one', 'InvalidStateError');
        const endpoint = `${ENDPOINT}${++state.made}`;
        subscription = {
          endpoint,
          options: { applicationServerKey: Uint8Array.from(Buffer.from(applicationServerKey, 'base64url')).buffer },
          toJSON: () => ({ endpoint, keys: { p256dh: 'p', auth: 'a' } }),
          unsubscribe: async () => ((subscription = null), true),
        };
        return subscription;
      },
    },
  };
  return registration;
}

/** The server's side: `requests` is what it was asked, `key` what it says, `status` and `problem` how it refuses. */
export function pushServer(t, key) {
  const server = { requests: [], key, status: 200, problem: {} };
  put(t, 'fetch', async (url, { method = 'GET', body, headers } = {}) => {
    if (server.status === 0) throw new TypeError('Failed to fetch');
    server.requests.push([`${method} ${url}`, body && JSON.parse(body)]);
    if (headers) throw new Error('a header would need a preflight');
    if (server.status >= 400) return Response.json(server.problem, { status: server.status });
    return url.endsWith('/push/key') ? Response.json({ key: server.key }) : Response.json({}, { status: server.status });
  });
  return server;
}
