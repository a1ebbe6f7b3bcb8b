// How frames travel. A transport is `open(address, io, sink)`, which returns `{ send(text), close() }`:
//   address  URL of the session, `…/SERVER/SESSION`
//   io       { fetch, WebSocket, credentials }
//   sink     { heard(), frame(text), lost(reason, code) }; nothing is called before `open` has returned, and
//            nothing after `close`
// `send` takes one message and says whether there was room for it.

import { describe } from './errors.js';
import { LineSplitter } from './frames.js';

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
export const TRANSPORTS = [websocket, xhrStreaming, xhrPolling];

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
