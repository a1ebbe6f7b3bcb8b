import { Connection } from './connection.js';
import { TRANSPORTS } from './transports.js';

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
export function connect(url, options = {}) {
  const { token, resume, getToken } = options;
  const settings = { ...DEFAULTS, token, resume, getToken };
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
  const base = serviceUrl(url);
  // Where the cursor is kept over a reload.
  if (options.persist === 'session') settings.key = `pushnote ${base}`;
  return new Connection(base, settings);
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
