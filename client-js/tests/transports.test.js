import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, fakeFetch, fakeWebSocket, recorded, settle } from './fakes.mjs';

const PRELUDE = `${'h'.repeat(2048)}\n`;

function world(t, options = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const server = fakeFetch();
  const { FakeWebSocket, sockets } = fakeWebSocket();
  const connection = connect('http://push.example/sockjs', {
    fetch: server.fetch,
    WebSocket: FakeWebSocket,
    ...options,
  });
  t.after(() => connection.close());
  return { server, sockets, connection, seen: recorded(connection) };
}

async function streaming(t, options) {
  const made = world(t, { transports: ['xhr-streaming'], ...options });
  await settle();
  const [stream] = made.server.requests;
  stream.write(PRELUDE);
  stream.write('o\n');
  await settle();
  return { ...made, stream };
}

async function polling(t) {
  const made = world(t, { transports: ['xhr-polling'] });
  await settle();
  made.server.requests[0].write('o\n');
  made.server.requests[0].end();
  await settle();
  return made;
}

test('falls back when a transport fails, and when it only hangs', async (t) => {
  const { server, sockets, connection, seen } = world(t);
  await settle();
  sockets[0].drop();
  await settle();
  assert.equal(server.requests[0].route, 'xhr_streaming');
  server.requests[0].write(PRELUDE); // and then a proxy holds the rest back
  await advance(t, 4_999);
  assert.equal(server.requests.length, 1);
  await advance(t, 1);
  assert.ok(server.requests[0].signal.aborted);
  assert.equal(server.requests[1].route, 'xhr');
  server.requests[1].write('o\n');
  await settle();
  assert.equal(connection.transport, 'xhr-polling');
  assert.deepEqual(seen.errors, []);
  const sessions = [sockets[0], ...server.requests].map(({ url }) => url.split('/').slice(0, -1).pop());
  assert.equal(new Set(sessions).size, 3, 'each attempt is a session of its own');
});

test('says of each transport why it failed', async (t) => {
  const { server, sockets, seen } = world(t);
  await settle();
  sockets[0].drop();
  await settle();
  server.requests[0].answer(503);
  await settle();
  server.requests[1].fail();
  await settle();
  assert.match(
    seen.errors[0].message,
    /^no transport works at http:\/\/push\.example\/sockjs \(websocket: it did not open; xhr-streaming: xhr_streaming was answered with status 503; xhr-polling: fetch failed \(ECONNREFUSED\)\); next try in \d\.\d s$/,
  );
});

test('passes over WebSocket where there is none', async (t) => {
  const { server, sockets } = world(t);
  server.info = { websocket: false };
  await settle();
  assert.equal(sockets.length, 0);
  assert.equal(server.requests[0].route, 'xhr_streaming');

  t.mock.timers.reset();
  const only = world(t, { transports: ['websocket'] });
  only.server.info = { websocket: false };
  await settle();
  assert.match(only.seen.errors[0].message, /^no transport works at .* \(none is left to try\)/);
});

test('a page that may not open a WebSocket falls back', async (t) => {
  const { server } = world(t, {
    WebSocket: class {
      constructor() {
        throw new Error('an insecure connection from a secure page');
      }
    },
  });
  await settle();
  assert.equal(server.requests[0].route, 'xhr_streaming');
});

test('frames of a stream arrive however its bytes are cut', async (t) => {
  const { stream, seen, connection } = await streaming(t);
  assert.equal(connection.transport, 'xhr-streaming');
  const bytes = new TextEncoder().encode('a[{"msg":"Grüße 😀"}]\nh\na[1,2]\n');
  for (const byte of bytes) stream.write(Uint8Array.of(byte));
  await settle();
  assert.deepEqual(seen.messages, [{ msg: 'Grüße 😀' }, 1, 2]);
});

test('the end of a stream is the beginning of the next, in the same session', async (t) => {
  const { server, stream, seen } = await streaming(t);
  stream.write('a[1]\n');
  stream.end();
  await settle();
  const next = server.requests[1];
  assert.deepEqual([stream.url, next.url].map((url) => url.slice(-18)), ['/xhr_streaming?n=1', '/xhr_streaming?n=2']);
  assert.equal(next.url.slice(0, -1), stream.url.slice(0, -1));
  next.write(`${PRELUDE}a[2]\n`);
  await settle();
  assert.deepEqual(seen.messages, [1, 2]);
  assert.deepEqual(seen.states, ['connected']);
});

test('a poll follows the other', async (t) => {
  const { server, seen, connection } = await polling(t);
  for (const frame of ['a[1]\n', 'h\n', 'a[2,3]\n']) {
    const poll = server.requests.at(-1);
    poll.write(frame);
    poll.end();
    await settle();
  }
  assert.deepEqual(seen.messages, [1, 2, 3]);
  assert.equal(connection.state, 'connected');
  assert.deepEqual(server.requests.map(({ route }) => route), Array(5).fill('xhr'));
  assert.equal(new Set(server.requests.map(({ url }) => url.split('?')[0])).size, 1);
  assert.deepEqual(server.requests.map(({ url }) => url.split('?')[1]), ['n=1', 'n=2', 'n=3', 'n=4', 'n=5']);
});

for (const [what, act, complaint] of [
  ['is cut within a frame', (r) => (r.write('a[1'), r.end()), /ended in the middle of a frame/],
  ['has no frame', (r) => r.end(), /xhr_streaming was answered without a frame/],
  ['is only a prelude', (r) => (r.write(PRELUDE), r.end()), /xhr_streaming was answered without a frame/],
  ['is an error', (r) => r.answer(500), /xhr_streaming was answered with status 500/],
  ['breaks', (r) => r.fail(), /fetch failed \(ECONNREFUSED\)/],
  ['opens the session again', (r) => r.write(`${PRELUDE}o\n`), /the server lost the session/],
  ['is a page of some proxy', (r) => r.write('<html>\n'), /not a SockJS frame: "<html>"/],
]) {
  test(`a response that ${what} ends the session, and a new one is made`, async (t) => {
    const { server, stream, seen, connection } = await streaming(t);
    stream.write('a[1]\n');
    stream.end();
    await settle();
    act(server.requests[1]);
    await settle();
    assert.equal(connection.state, 'connecting');
    assert.match(seen.errors[0].message, complaint);
    assert.equal(server.requests.length, 2, 'no request without a pause');
    await advance(t, 500);
    assert.equal(server.requests.length, 3);
    assert.notEqual(server.requests[2].url, stream.url);
  });
}

test('a close frame ends the stream from this side, too', async (t) => {
  const { stream, seen, server, connection } = await streaming(t);
  stream.write('a[1]\nc[3500,"Go away!"]\na[2]\n');
  await advance(t, 60_000);
  assert.deepEqual(seen.messages, [1]);
  assert.ok(stream.signal.aborted);
  assert.equal(connection.state, 'disconnected');
  assert.equal(server.requests.length, 1);
});

test('a silent stream is lost after its time, and any byte counts as a sign of life', async (t) => {
  const { stream, seen, connection } = await streaming(t);
  await advance(t, 39_999);
  stream.write('a["a long fra');
  await advance(t, 39_999);
  assert.equal(connection.state, 'connected');
  await advance(t, 1);
  assert.equal(connection.state, 'connecting');
  assert.ok(stream.signal.aborted);
  assert.match(seen.errors[0].message, /silent for 40000 ms/);
});

test('events are sent in order, one request at a time, together when they had to wait', async (t) => {
  const { server, connection } = await streaming(t, { token: '42:a' });
  const bodies = () => server.of('xhr_send').map(({ body }) => JSON.parse(body).map((text) => JSON.parse(text)));
  assert.deepEqual(bodies(), [[{ name: 'subscribe', data: { token: '42:a' } }]]);
  const [first] = server.of('xhr_send');
  assert.equal(first.options.headers, undefined, 'the type of a text needs no preflight');
  assert.equal(first.options.credentials, 'include', 'as a load balancer may need its cookie');
  for (const n of [1, 2, 3]) assert.ok(connection.emit('n', n));
  await settle();
  assert.equal(bodies().length, 1);
  first.answer(204);
  await settle();
  assert.deepEqual(bodies()[1].map(({ data }) => data), [1, 2, 3]);
  server.of('xhr_send')[1].answer(204);
  await settle();
  connection.emit('n', 4);
  await settle();
  assert.deepEqual(bodies()[2].map(({ data }) => data), [4]);
});

test('what waits to be sent is bounded, in one request and in all', async (t) => {
  const { server, connection, seen } = await streaming(t);
  const data = 'x'.repeat(20 * 1024);
  let accepted = 0;
  while (connection.emit('n', data)) accepted++;
  assert.equal(accepted, 52, 'one is on its way, 51 of 20 KiB fit into 1 MiB');
  assert.match(seen.errors[0].message, /too much is waiting to be sent/);
  for (let sent = 0; sent < accepted; sent++) {
    assert.equal(JSON.parse(server.of('xhr_send')[sent].body).length, 1);
    server.of('xhr_send')[sent].answer(204);
    await settle();
  }
  assert.equal(server.of('xhr_send').length, accepted);
  assert.ok(connection.emit('n', data), 'there is room again');
});

for (const [status, complaint] of [[404, /the server lost the session/], [500, /xhr_send was answered with status 500/]]) {
  test(`status ${status} to what was sent ends the session`, async (t) => {
    const { server, connection, seen, stream } = await streaming(t);
    connection.emit('n', 1);
    await settle();
    server.of('xhr_send')[0].answer(status);
    await settle();
    assert.match(seen.errors[0].message, complaint);
    assert.ok(stream.signal.aborted);
  });
}
