// Our client against a SockJS server that is not ours: sockjs-node.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import EventSource from 'eventsource';
import FayeWebSocket from 'faye-websocket';
import sockjs from 'sockjs';
import { connect } from '../../client-js/src/pushnote.js';
import { soon } from './waiting.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
let server;
let origin;

before(async () => {
  server = http.createServer((_, response) => response.writeHead(404).end());
  const service = (onconnection) => {
    const made = sockjs.createServer({ log: () => {}, response_limit: 4096 });
    made.on('connection', onconnection);
    return made;
  };
  const echo = (conn) => conn.on('data', (text) => conn.write(text));
  service(echo).installHandlers(server, { prefix: '/echo' });
  service(echo).installHandlers(server, { prefix: '/disabled_websocket', websocket: false });
  service((conn) => {
    conn.write('before the end');
    conn.close(3501, 'Go away!');
  }).installHandlers(server, { prefix: '/close' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${server.address().port}`;
});

after(() => {
  server.close();
  server.closeAllConnections();
});

function joined(t, path, options) {
  const conn = connect(origin + path, { WebSocket: FayeWebSocket.Client, EventSource, ...options });
  t.after(() => conn.close());
  conn.on('error', () => {});
  return conn;
}

const state = (conn, wanted) =>
  soon(
    new Promise((resolve) => conn.on('state', (now, detail) => now === wanted && resolve(detail))),
    `state ${wanted}`,
  );

function messages(conn, count) {
  const received = [];
  const all = new Promise((resolve) => {
    conn.on('message', (data) => received.push(data) === count && resolve(received));
  });
  return soon(all, `${count} messages`, () => `${received.length} came`);
}

for (const transport of TRANSPORTS) {
  test(`${transport}: what is emitted comes back whole and in order`, async (t) => {
    const conn = joined(t, '/echo', { transports: [transport] });
    // More than one response limit, characters of every width, and what JSON escapes.
    const sent = Array.from({ length: 60 }, (_, n) => ({ n, text: `${n} "Grüße" \\ \u2028 \u0000 😀 ${'x'.repeat(400)}` }));
    const received = messages(conn, sent.length);
    for (const data of sent) assert.ok(conn.emit('note', data));
    assert.deepEqual((await received).map((text) => JSON.parse(text).data), sent);
    assert.equal(conn.transport, transport);
    conn.emit('note', 'once more');
    assert.deepEqual((await messages(conn, 1)).map((text) => JSON.parse(text).data), ['once more']);
  });

  test(`${transport}: the server's close frame ends it, after what came before`, async (t) => {
    const conn = joined(t, '/close', { transports: [transport] });
    const [[message], { code, reason }] = await Promise.all([messages(conn, 1), state(conn, 'disconnected')]);
    assert.equal(message, 'before the end');
    assert.deepEqual({ code, reason }, { code: 3501, reason: 'Go away!' });
  });
}

test('takes WebSocket first, and streams where the server has none', async (t) => {
  assert.equal((await state(joined(t, '/echo'), 'connected')).transport, 'websocket');
  assert.equal((await state(joined(t, '/disabled_websocket'), 'connected')).transport, 'xhr-streaming');
});

/** A proxy of the old kind: it knows no WebSocket, and may hold a response back until it is whole. */
async function proxy(t, { holds }) {
  const front = http.createServer((request, response) => {
    const { method, url, headers } = request;
    delete headers.upgrade;
    const onward = http.request(origin + url, { method, headers: { ...headers, connection: 'close' } }, async (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      if (!holds) return answer.pipe(response);
      const whole = await answer.toArray().catch(() => []);
      response.end(Buffer.concat(whole));
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => {
    front.close();
    front.closeAllConnections();
  });
  return `http://127.0.0.1:${front.address().port}/echo`;
}

for (const [holds, transport] of [[false, 'xhr-streaming'], [true, 'xhr-polling']]) {
  test(`behind a proxy that knows no WebSocket${holds ? ' and holds streams back' : ''}: ${transport}`, async (t) => {
    // Only what is held back is to be given up.
    const openTimeoutMs = holds ? 1000 : 20_000;
    const conn = connect(await proxy(t, { holds }), { WebSocket: FayeWebSocket.Client, openTimeoutMs });
    t.after(() => conn.close());
    assert.equal((await state(conn, 'connected')).transport, transport);
    const received = messages(conn, 1);
    conn.emit('note', 'through');
    assert.deepEqual((await received).map((text) => JSON.parse(text).data), ['through']);
  });
}

test('Node without a WebSocket streams', { skip: 'WebSocket' in globalThis && 'this Node has one' }, async (t) => {
  const conn = joined(t, '/echo', { WebSocket: undefined });
  assert.equal((await state(conn, 'connected')).transport, 'xhr-streaming');
});

test('a wrong route is an error that says so', async (t) => {
  const conn = connect(`${origin}/nowhere`);
  t.after(() => conn.close());
  const error = await soon(new Promise((resolve) => conn.on('error', resolve)), 'an error');
  assert.match(error.message, /^cannot get .*\/nowhere\/info: status 404; is the route right\?; next try in/);
});
