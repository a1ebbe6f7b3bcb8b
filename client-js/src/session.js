import { describe } from './errors.js';
import { parseFrame } from './frames.js';
import { Watch } from './watch.js';

/** Close code of a session that ended without one (RFC 6455 section 7.4.1). */
const ABNORMAL = 1006;

/**
 * One SockJS session over one transport, from the request for it to its end. It opens once, ends once, and is
 * never opened again: who reconnects makes a new one.
 */
export class Session {
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
