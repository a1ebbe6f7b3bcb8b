// How frames travel. A transport is a function of (address, io, sink) that returns `{ send(text), close() }`:
//   address  URL of the session, `…/SERVER/SESSION`
//   io       { fetch, WebSocket, credentials }
//   sink     { heard(), frame(text), lost(reason, code) }; nothing is called before `open` has returned, and
//            nothing after `close`
// `send` takes one message and says whether there was room for it.

import { describe } from './errors.js';
import { lineSplitter } from './frames.js';

/** Most that waits to be sent, in UTF-16 units. */
const OUTBOX_LENGTH_MAX = 1024 * 1024;

/** Most that goes into one xhr_send request: servers bound the body (ours to 128 KiB). */
const BATCH_LENGTH_MAX = 32 * 1024;

/** In order of preference. */
export const TRANSPORTS = {
  websocket: openWebSocket,
  'xhr-streaming': (...args) => openHttp('xhr_streaming', ...args),
  'xhr-polling': (...args) => openHttp('xhr', ...args),
};

function openWebSocket(address, { WebSocket }, sink) {
  const socket = new WebSocket(`${address.replace(/^http/, 'ws')}/websocket`);
  socket.onmessage = ({ data }) => {
    sink.heard();
    sink.frame(data);
  };
  socket.onclose = ({ reason, code }) => sink.lost(reason, code);
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
}

/**
 * Frames over HTTP: one request after another receives, `xhr_send` sends. Polling differs from streaming only in
 * where the server ends its response, which is why one function is enough.
 */
function openHttp(receiving, address, { fetch, credentials }, sink) {
  const abort = new AbortController();
  const { signal } = abort;
  const outbox = [];
  let outboxLength = 0;
  let isSending = false;
  let received = 0;

  const guard = (work) => work.catch((error) => signal.aborted || sink.lost(describe(error)));

  const post = async (route, body, query = '') => {
    // A body of text has a type that needs no preflight when the page is of another origin.
    const options = { method: 'POST', body, cache: 'no-store', credentials, signal };
    const response = await fetch(`${address}/${route}${query}`, options);
    if (body && response.status === 404) throw new Error('the server lost the session');
    if (!response.ok) throw new Error(`${route} was answered with status ${response.status}`);
    return response;
  };

  const receive = async () => {
    while (!signal.aborted) {
      // By its number the server knows one that the browser has repeated by itself, and whose first answer is lost.
      const reader = (await post(receiving, undefined, `?n=${++received}`)).body.getReader();
      const decoder = new TextDecoder();
      const split = lineSplitter();
      let isFramed = false;
      for (let done; !done; ) {
        let value;
        ({ done, value } = await reader.read());
        if (!done) sink.heard();
        for (const line of split(done ? undefined : decoder.decode(value, { stream: true }))) {
          if (line.startsWith('hh')) continue; // the prelude, which only fills the buffers on its way
          isFramed = true;
          sink.frame(line);
          if (signal.aborted) return;
        }
      }
      // Else a server, or a cache before it, that answers at once with nothing would be asked in a tight loop.
      if (!isFramed) throw new Error(`${receiving} was answered without a frame`);
    }
  };

  /** One request at a time, or two of them might overtake each other. */
  const drain = async () => {
    isSending = true;
    while (outbox.length) {
      let length = 0;
      let count = 0;
      do length += outbox[count++].length;
      while (count < outbox.length && length + outbox[count].length <= BATCH_LENGTH_MAX);
      outboxLength -= length;
      await post('xhr_send', JSON.stringify(outbox.splice(0, count)));
    }
    isSending = false;
  };

  guard(receive());
  return {
    send(text) {
      if (outboxLength + text.length > OUTBOX_LENGTH_MAX) return false;
      outbox.push(text);
      outboxLength += text.length;
      if (!isSending) guard(drain());
      return true;
    },
    close: () => abort.abort(),
  };
}
