import { describe } from './errors.js';
import { parseFrame } from './frames.js';
import { TRANSPORTS } from './transports.js';
import { watch } from './watch.js';

/** Close code of a session that ended without one (RFC 6455 section 7.4.1). */
const ABNORMAL = 1006;

/**
 * One SockJS session over one transport, from the request for it to its end. It opens once, ends once, and is
 * never opened again: who reconnects makes a new one.
 *
 * @param {string} transport name of one of TRANSPORTS
 * @param {string} base URL of the SockJS service, without a trailing slash
 * @param {object} io see transports.js
 * @param {{openTimeoutMs: number, silenceMs: number, beats: boolean}} limits `beats`: the server says that it sends
 *   heartbeats, whatever the transport
 * @param {{open(): void, message(data: unknown): void}} on
 * @returns {{ended: Promise<{opened: boolean, code: number, reason: string}>, send(text: string): boolean,
 *   close(reason: string): void}} `send` gives false when the transport holds too much unsent
 */
export function openSession(transport, base, io, { openTimeoutMs, silenceMs, beats }, on) {
  let opened = false;
  let isOver = false;
  let link;
  let silence;
  let resolve;
  const ended = new Promise((made) => (resolve = made));

  const end = (code, reason) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(opening);
    silence?.stop();
    link?.close();
    resolve({ opened, code, reason });
  };
  const fail = (reason) => end(ABNORMAL, reason);

  /** Any byte is a sign of life: a long frame on a slow line must not look like silence. */
  const heard = () => {
    // Not every server's WebSocket beats: a ping, which a page cannot see, is enough for SockJS.
    if (!opened || !(beats || transport !== 'websocket') || isOver) return;
    silence ??= watch(silenceMs, () => fail(`the server was silent for ${silenceMs} ms`));
    silence.heard();
  };
  const read = ({ kind, list }) => {
    if (kind === 'c') return end(Number(list[0]) || 1005, String(list[1] ?? ''));
    if (kind === 'o') {
      if (opened) return fail('the server lost the session');
      opened = true;
      clearTimeout(opening);
    }
    // A server that beats can be missed, whatever the transport.
    if (kind === 'h') beats = true;
    heard();
    if (kind === 'o') on.open();
    for (const message of list ?? []) if (!isOver) on.message(message); // a listener may close it
  };
  const frame = (text) => {
    if (isOver) return;
    let parsed;
    try {
      parsed = parseFrame(text);
    } catch (error) {
      return fail(`the server sent ${error.message}`);
    }
    read(parsed);
  };

  const opening = setTimeout(() => fail(`it did not open within ${openTimeoutMs} ms`), openTimeoutMs);
  try {
    // The server's part of the URL is of use to load balancers only.
    link = TRANSPORTS[transport](`${base}/${String(Math.random()).slice(2, 5)}/${sessionId()}`, io, {
      heard,
      frame,
      lost: (reason, code = ABNORMAL) => end(code, reason || (opened ? 'it was lost' : 'it did not open')),
    });
  } catch (error) {
    fail(describe(error)); // `new WebSocket` throws when a page may not open one
  }
  return { ended, send: (text) => link.send(text), close: (reason) => end(1000, reason) };
}

/** Whoever knows it can read the session: 124 bits of a good random source. */
function sessionId() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('');
}
