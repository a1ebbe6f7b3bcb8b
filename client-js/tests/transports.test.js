import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, fakeEventSource, fakeFetch, fakeWebSocket, recorded, settle } from './fakes.mjs';

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

async function events(t, options) {
  const { FakeEventSource, sources } = fakeEventSource();
  const made = world(t, { transports: ['eventsource'], EventSource: FakeEventSource, ...options });
  await settle();
  sources[0].receive('o');
  return { ...made, sources };
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
    /^no transport works at http:\/\/push\.example\/sockjs \(websocket: it did not open; xhr-streaming: xhr_streaming\?frames=0 was answered with status 503; eventsource: not here; xhr-polling: fetch failed \(ECONNREFUSED\)\); next try in \d\.\d s$/,
  );
});

test('tries an EventSource where there is one, after the stream and before it polls', async (t) => {
  const { FakeEventSource, sources } = fakeEventSource();
  const { server, sockets, connection, seen } = world(t, { EventSource: FakeEventSource });
  await settle();
  sockets[0].drop();
  await settle();
  await advance(t, 5_000); // the stream is held back
  assert.match(sources[0].url, /^http:\/\/push\.example\/sockjs\/\d{3}\/[a-z0-9]{24}\/eventsource\?frames=0$/);
  sources[0].end();
  await settle();
  assert.ok(sources[0].closed, 'it does not try again by itself');
  server.of('xhr')[0].fail();
  await settle();
  assert.match(seen.errors[0].message, /; eventsource: eventsource was answered without a frame; xhr-polling: fetch failed/);
  assert.equal(sources.length, 1);

  await advance(t, 500);
  sockets[1].drop();
  await settle();
  server.of('xhr_streaming')[1].fail();
  await settle();
  sources[1].receive('o');
  assert.equal(connection.transport, 'eventsource');
});

test('an EventSource that cannot be made is passed over', async (t) => {
  const { server } = world(t, {
    transports: ['eventsource', 'xhr-polling'],
    EventSource: class {
      constructor() {
        throw new Error('not here');
      }
    },
  });
  await settle();
  assert.equal(server.requests[0].route, 'xhr');
});

test('passes over WebSocket where there is none', async (t) => {
  const { server, sockets } = world(t);
  server.info = { websocket: false };
  await settle();
  assert.equal(sockets.length, 0);
  assert.equal(server.requests[0].route, 'xhr_streaming');

  t.mock.timers.reset();
  // A page that wants no other is told why.
  const only = world(t, { transports: ['websocket', 'eventsource'] });
  only.server.info = { websocket: false };
  await settle();
  assert.match(only.seen.errors[0].message, /^no transport works at .* \(websocket: not at this server; eventsource: not here\)/);
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
  assert.deepEqual([stream.url, next.url].map((url) => url.split('/xhr_streaming?')[1]), ['frames=0', 'frames=2']);
  assert.equal(next.url.split('?')[0], stream.url.split('?')[0]);
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
  assert.deepEqual(server.requests.map(({ url }) => url.split('?')[1]), [0, 1, 2, 3, 4].map((n) => `frames=${n}`));
});

for (const [what, act, complaint] of [
  ['is cut within a frame', (r) => (r.write('a[1'), r.end()), /ended in the middle of a frame/],
  ['has no frame', (r) => r.end(), /xhr_streaming was answered without a frame/],
  ['is only a prelude', (r) => (r.write(PRELUDE), r.end()), /xhr_streaming was answered without a frame/],
  ['is an error', (r) => r.answer(500), /xhr_streaming\?frames=2 was answered with status 500/],
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

test('frames of events arrive as they were sent, over one response after another', async (t) => {
  const { sources, server, connection, seen } = await events(t);
  sources[0].receive('a[1,"100%25 %2520 %C3 %"]', 'h', 'a[{"msg":"Grüße 😀"}]');
  sources[0].end();
  await settle();
  const [first, second] = sources.map(({ url }) => url.split('?'));
  assert.deepEqual([second[0], second[1]], [first[0], 'frames=4']);
  assert.ok(sources[0].closed);
  sources[1].receive('a[2]');
  sources[1].end();
  await settle();
  sources[2].receive('a[3]');
  assert.deepEqual(seen.messages, [1, '100% %20 %C3 %', { msg: 'Grüße 😀' }, 2, 3]);
  assert.deepEqual([seen.states, seen.errors], [['connected'], []]);
  connection.emit('n', 1);
  await settle();
  assert.equal(server.of('xhr_send')[0].url, first[0].replace('eventsource', 'xhr_send'));
});

for (const [what, act, complaint] of [
  ['has no frame', (source) => source.end(), /^eventsource was answered without a frame; next try/],
  ['opens the session again', (source) => source.receive('o'), /^the server lost the session; next try/],
  ['says that something was lost', (source) => source.receive('c[1002,"Connection interrupted"]'), /^Connection interrupted; next try/],
  ['is something else', (source) => source.receive('{"a":1}'), /^the server sent not a SockJS frame/],
  ['stays silent', () => {}, /^the server was silent for 40000 ms/],
]) {
  test(`a response of events that ${what} ends the session, and a new one is made`, async (t) => {
    const { sources, connection, seen } = await events(t);
    sources[0].end();
    await settle();
    act(sources[1]);
    await settle();
    if (what === 'stays silent') for (const ms of [39_999, 1]) await advance(t, ms);
    assert.equal(connection.state, 'connecting');
    assert.match(seen.errors[0].message, complaint);
    assert.ok(sources[1].closed);
    assert.equal(sources.length, 2, 'no request without a pause');
    await advance(t, 500);
    assert.notEqual(sources[2].url.split('?')[0], sources[0].url.split('?')[0]);
  });
}

test('heartbeats of events are signs of life, and nothing comes after the close', async (t) => {
  const { sources, connection, seen } = await events(t);
  for (let beat = 0; beat < 4; beat++) {
    await advance(t, 39_999);
    sources[0].receive('h');
  }
  sources[0].receive('a[1]', 'c[3500,"Go away!"]', 'a[2]');
  sources[0].end();
  await advance(t, 60_000);
  assert.equal(connection.state, 'disconnected');
  assert.deepEqual([seen.messages, sources.length], [[1], 1]);

  t.mock.timers.reset();
  const closed = await events(t);
  closed.connection.close();
  assert.ok(closed.sources[0].closed);
  closed.sources[0].onmessage({ data: 'a[3]' });
  assert.deepEqual(closed.seen.messages, []);
});
