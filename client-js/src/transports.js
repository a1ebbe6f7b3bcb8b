// How frames travel. A transport is a function of (address, io, sink) that returns `{ send(text), close() }`:
//   address  URL of the session, `…/SERVER/SESSION`
//   io       { fetch, WebSocket, EventSource, credentials }
//   sink     { heard(), frame(text), lost(reason, code) }; nothing is called before the transport has returned, and nobody
//            hears what comes after `close`
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
  'xhr-streaming': openHttp('xhr_streaming', readLines),
  // Proxies that keep back other streams may know this kind.
  eventsource: openHttp('eventsource', readEvents),
  'xhr-polling': openHttp('xhr', readLines),
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
    close: () => socket.close(),
  };
}

/** Frames over HTTP: `read` takes them from one response of `route` after another, `xhr_send` sends. */
function openHttp(route, read) {
  return (address, io, sink) => {
    const abort = new AbortController();
    const { signal } = abort;
    const outbox = [];
    let outboxLength = 0;
    let isSending = false;
    let frames = 0;

    const guard = (work) => work.catch((error) => sink.lost(describe(error)));

    const post = async (what, body) => {
      // A body of text has a type that needs no preflight when the page is of another origin.
      const options = { method: 'POST', body, cache: 'no-store', credentials: io.credentials, signal };
      const response = await io.fetch(`${address}/${what}`, options);
      if (body && response.status === 404) throw new Error('the server lost the session');
      if (!response.ok) throw new Error(`${what} was answered with status ${response.status}`);
      return response;
    };

    const frame = (text) => {
      frames++;
      sink.frame(text);
    };
    const receive = async () => {
      while (!signal.aborted) {
        const before = frames;
        // The server compares it with what it has sent: else nobody would know of an answer that was lost on its way.
        const what = `${route}?frames=${frames}`;
        await read({ io, signal, frame, heard: sink.heard, url: `${address}/${what}`, post: () => post(what) });
        // Else a server, or a cache before it, that answers at once with nothing would be asked in a tight loop.
        if (frames === before) throw new Error(`${route} was answered without a frame`);
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
  };
}

/** A frame is a line. Polling differs from streaming only in where the server ends its response. */
async function readLines({ post, heard, frame }) {
  const reader = (await post()).body.getReader();
  const decoder = new TextDecoder();
  const split = lineSplitter();
  for (let done; !done; ) {
    let value;
    ({ done, value } = await reader.read());
    if (!done) heard();
    for (const line of split(done ? undefined : decoder.decode(value, { stream: true }))) {
      if (!line.startsWith('hh')) frame(line); // the prelude, which only fills the buffers on its way, is none
    }
  }
}

/**
 * A frame is an event. How a response ends is not told: the next request shows whether the session is still there. The
 * browser would make it by itself, but only seconds later, and with the same address.
 */
function readEvents({ io, signal, url, heard, frame }) {
  return new Promise((resolve) => {
    const events = new io.EventSource(url, { withCredentials: io.credentials === 'include' });
    signal.onabort = events.onerror = () => {
      events.close();
      resolve();
    };
    events.onmessage = ({ data }) => {
      heard();
      // Servers escape what would end a line, which no JSON has in it, and the escape itself.
      frame(data.replaceAll('%25', '%'));
    };
  });
}
