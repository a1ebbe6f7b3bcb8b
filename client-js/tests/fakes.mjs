// A server made of nothing: what a test wants to arrive, it says. With node's mock timers time stands still, too.

import assert from 'node:assert/strict';

process.on('warning', (warning) => {
  if (warning.name === 'MaxListenersExceededWarning') throw warning; // a leak
});

/** Lets everything that is due at this moment happen. */
export async function settle() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass. Timers made on the way count, too, as they would in the world. */
export async function advance(t, ms) {
  await settle();
  t.mock.timers.tick(ms);
  await settle();
}

/** A WebSocket class whose instances are collected in `sockets`, newest last. */
export function fakeWebSocket() {
  const sockets = [];
  class FakeWebSocket {
    bufferedAmount = 0;
    sent = [];
    closed = false;

    constructor(url) {
      this.url = url;
      sockets.push(this);
    }

    send(text) {
      this.sent.push(...JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    receive(...frames) {
      for (const data of frames) this.onmessage?.({ data });
    }

    drop(code = 1006, reason = '') {
      this.onclose?.({ code, reason });
    }
  }
  return { FakeWebSocket, sockets, last: () => sockets.at(-1) };
}

/** An EventSource class whose instances are collected in `sources`. Closed ones tell nothing more, as in browsers. */
export function fakeEventSource() {
  const sources = [];
  class FakeEventSource {
    closed = false;

    constructor(url, options) {
      Object.assign(this, { url, options });
      sources.push(this);
    }

    close() {
      this.closed = true;
    }

    receive(...frames) {
      for (const data of frames) if (!this.closed) this.onmessage({ data });
    }

    /** The response is over, or there is none; a page is not told which. */
    end() {
      if (!this.closed) this.onerror({});
    }
  }
  return { FakeEventSource, sources };
}

/**
 * A fetch that answers /info by itself and hands every other request to the test, in `requests`.
 * A request is `{ route, body, url, signal, answer(status), write(bytes), end(), fail() }`.
 */
export function fakeFetch(info = { websocket: true, cookie_needed: false }) {
  const requests = [];
  const infos = [];
  const state = { info, infos, requests, fetch };

  function fetch(url, options) {
    if (url.endsWith('/info')) {
      infos.push({ url, options });
      if (state.info instanceof Error) return Promise.reject(state.info);
      if (state.info === null) return hanging(options.signal);
      if (typeof state.info === 'number') return Promise.resolve(new Response('', { status: state.info }));
      return Promise.resolve(Response.json(state.info));
    }
    return new Promise((resolve, reject) => requests.push(request(url, options, resolve, reject)));
  }
  state.of = (route) => requests.filter((each) => each.route === route);
  return state;
}

function hanging(signal) {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

function request(url, options, resolve, reject) {
  const encoder = new TextEncoder();
  let controller;
  const body = new ReadableStream({ start: (made) => (controller = made) });
  let answered = false;
  const answer = (status = 200) => {
    if (answered) return;
    answered = true;
    resolve(new Response(status === 204 ? null : body, { status }));
    if (status === 204) over();
  };
  const aborted = () => {
    reject(options.signal.reason);
    controller.error(options.signal.reason);
  };
  const over = () => options.signal.removeEventListener('abort', aborted);
  options.signal.addEventListener('abort', aborted, { once: true });
  return {
    url,
    route: url.slice(url.lastIndexOf('/') + 1).split('?')[0],
    body: options.body,
    options,
    signal: options.signal,
    answer,
    write(bytes) {
      answer();
      controller.enqueue(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
    },
    end() {
      answer();
      controller.close();
      over();
    },
    fail() {
      reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }));
      over();
    },
  };
}

/** Writes down all that a connection says. */
export function recorded(connection) {
  const seen = { messages: [], states: [], errors: [], details: [] };
  connection.on('message', (data) => seen.messages.push(data));
  connection.on('state', (state, detail) => {
    seen.states.push(state);
    seen.details.push(detail);
  });
  connection.on('error', (error) => seen.errors.push(error));
  return seen;
}

const URL = 'http://push.example/sockjs';

/** A connection whose every counterpart is a fake, in a world whose time stands still. */
export function world(t, connect, options = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const server = fakeFetch();
  const { FakeWebSocket, sockets, last } = fakeWebSocket();
  const connection = connect(URL, { fetch: server.fetch, WebSocket: FakeWebSocket, ...options });
  t.after(() => connection.close());
  return { server, sockets, last, connection, seen: recorded(connection) };
}

/** A connection that resumes, and a server that answers hello with what a test says. */
export function resumingWorld(t, connect, options) {
  const made = world(t, connect, { resume: true, ...options });
  const gaps = [];
  made.connection.on('gap', (gap) => gaps.push(JSON.parse(JSON.stringify(gap))));
  const sent = () => made.last().sent.map((text) => JSON.parse(text));
  const say = (...messages) => made.last().receive(`a${JSON.stringify(messages)}`);
  /** Opens the socket that waits, and gives the data of its hello. */
  const hello = async () => {
    await settle();
    made.last().receive('o');
    await settle();
    const [{ name, data }] = sent();
    assert.equal(name, 'hello');
    return data;
  };
  return {
    ...made,
    gaps,
    sent,
    say,
    hello,
    /** What was sent last, by that name. */
    asked: (name) => sent().findLast((each) => each.name === name)?.data,
    /** Says hello, and gets an answer. */
    welcome: async (answer) => {
      const said = await hello();
      say({ type: 'welcome', id: said.id, version: 1, cursor: 'c0', complete: true, ...answer });
      await settle();
      return said;
    },
    /** The session breaks, and the next attempt begins. */
    lose: async () => {
      made.last().drop();
      await advance(t, 20_000);
    },
  };
}

/** What such a server says. */
export const messages = (cursor, ...list) => ({ type: 'messages', messages: list, cursor });
