import { Connection } from './connection.js';
import { mustBeOne } from './errors.js';
import { TRANSPORTS } from './transports.js';
import { TIMER_MAX_MS } from './waiting.js';

const DEFAULTS = {
  openTimeoutMs: 5_000,
  // By the server's heartbeat.
  silenceTimeoutMs: 0,
  backoffMinMs: 500,
  backoffMaxMs: 20_000,
  queueMax: 100,
  // As many as a server takes on one connection.
  subscriptionsMax: 128,
};

const OPTIONS = ['token', 'transports', 'fetch', 'WebSocket', 'EventSource', 'resume', 'getToken', 'persist', 'push', 'ack', ...Object.keys(DEFAULTS)];

/**
 * Connects to a pushnote server and stays connected.
 *
 * @param {string | URL} url of the server's SockJS route, as `http://push.example/sockjs`; relative to the page if
 *   there is one
 * @param {object} [options] see pushnote.d.ts
 * @returns {Connection}
 * @throws {TypeError} when the address or an option makes no sense; whatever goes wrong later is an `error` event
 */
export function connect(url, options = {}) {
  const settings = { ...options };
  for (const name of Object.keys(options)) mustBeOne(OPTIONS, 'option', name);
  for (const [name, byDefault] of Object.entries(DEFAULTS)) {
    settings[name] = Math.min(options[name] ?? byDefault, TIMER_MAX_MS);
    if (!(settings[name] >= 0)) throw new TypeError(`pushnote: ${name} must be a number, not ${options[name]}`);
  }
  const transports = Object.keys(TRANSPORTS);
  for (const name of (settings.transports ??= transports)) mustBeOne(transports, 'transport', name);
  settings.io = {
    // As a method of anything but the window, a browser's fetch throws.
    fetch: options.fetch ?? ((...args) => globalThis.fetch(...args)),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    EventSource: options.EventSource ?? globalThis.EventSource,
    // Cookies go along to other origins, too, as sockjs-client's do: a load balancer may tell its servers apart by one of
    // its own, of which the server, asked whether it needs cookies, knows nothing. A sandboxed page has none, and no
    // origin that the answer could name.
    credentials: globalThis.origin === 'null' ? 'omit' : 'include',
  };
  const { protocol, origin, pathname } = new URL(url, globalThis.location?.href);
  if (!/^https?:$/.test(protocol)) throw new TypeError(`pushnote: the address must be http(s), not ${protocol}`);
  const base = origin + pathname.replace(/\/+$/, '');
  // Where the cursor is kept over a reload.
  settings.key = options.persist && `pushnote ${base}`;
  return new Connection(base, settings);
}
