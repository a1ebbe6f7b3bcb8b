import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, fakeEventSource, fakeFetch, settle, world as fakeWorld } from './fakes.mjs';

const URL = 'http://push.example/sockjs';

const world = (t, options) => fakeWorld(t, connect, options);

/** The same, with an open WebSocket. */
async function opened(t, options) {
  const made = world(t, options);
  await settle();
  made.last().receive('o');
  return made;
}

const names = (socket) => socket.sent.map((text) => JSON.parse(text));
const subscribe = (token) => ({ name: 'subscribe', data: { token } });

test('asks for info, opens a session of its own, and hands on raw JSON values', async (t) => {
  const { server, sockets, last, connection, seen } = world(t);
  assert.equal(connection.state, 'connecting');
  await settle();
  assert.equal(server.infos[0].url, 'http://push.example/sockjs/info');
  assert.match(last().url, /^ws:\/\/push\.example\/sockjs\/\d{3}\/[a-z0-9]{24}\/websocket$/);
  assert.equal(connection.transport, null);

  last().receive('o', 'a[{"msg":"Hi all!"}]', 'h', 'a["text",[1,2],null]');
  assert.equal(connection.state, 'connected');
  assert.equal(connection.transport, 'websocket');
  assert.deepEqual(seen.messages, [{ msg: 'Hi all!' }, 'text', [1, 2], null]);
  assert.deepEqual(seen.states, ['connected']);
  assert.equal(sockets.length, 1);
});

test('to wait for ever is not to wait for a moment', async (t) => {
  let connection;
  t.after(() => connection.close());
  await new Promise((resolve, reject) => {
    const fetch = (url, { signal }) =>
      new Promise((answer, fail) => {
        signal.addEventListener('abort', () => fail(signal.reason));
        if (url.endsWith('/info')) setTimeout(() => answer(Response.json({})), 20);
        else resolve();
      });
    connection = connect(URL, { fetch, openTimeoutMs: Infinity, transports: ['xhr-polling'] });
    connection.on('error', reject);
  });
});

test('an address is tidied, and a wrong one is said so at once', async (t) => {
  const { server } = world(t);
  assert.throws(() => connect('/sockjs'), TypeError);
  assert.throws(() => connect('ws://push.example/sockjs'), /must be http\(s\), not ws:/);
  assert.throws(() => connect(URL, { transports: ['carrier-pigeon'] }), /no transport "carrier-pigeon", only websocket, xhr-/);
  assert.throws(() => connect(URL, { backoffMaxMs: 'soon' }), /backoffMaxMs must be a number/);
  assert.throws(() => connect(URL, { resmue: true }), /there is no option "resmue", only token, .*, resume, /);
  const other = connect('http://push.example:81/a/b//?x=1#y', { fetch: server.fetch, transports: ['xhr-polling'] });
  t.after(() => other.close());
  assert.throws(() => other.on('mesage', () => {}), /no event "mesage", only message, state, error, gap/);
  await settle();
  assert.equal(server.infos.at(-1).url, 'http://push.example:81/a/b/info');
});

test('subscribes as it opens, before the events that waited', async (t) => {
  const { last, connection } = world(t, { token: '42:a' });
  assert.ok(connection.emit('hello', [1]));
  assert.ok(connection.subscribe('7:b'));
  await settle();
  assert.deepEqual(last().sent, []);
  last().receive('o');
  await settle();
  assert.deepEqual(names(last()), [subscribe('42:a'), subscribe('7:b'), { name: 'hello', data: [1] }]);

  connection.emit('bye', null);
  connection.emit('subscribe', { token: '9:c' });
  connection.emit('subscribe', '10:d');
  await settle();
  assert.deepEqual(names(last()).slice(3), [{ name: 'bye', data: null }, subscribe('9:c'), subscribe('10:d')]);
});

test('a token that is added while a session opens is not forgotten', async (t) => {
  const { last, connection } = world(t);
  await settle();
  connection.subscribe('42:a');
  last().receive('o');
  await settle();
  assert.deepEqual(names(last()), [subscribe('42:a')]);
});

test('comes back with every subscription and fresh tokens', async (t) => {
  let fresh = 0;
  const { sockets, last, connection, seen } = await opened(t, { token: async () => `42:${++fresh}` });
  connection.subscribe('7:b');
  connection.subscribe(() => null);
  await settle();
  assert.deepEqual(names(last()), [subscribe('42:1'), subscribe('7:b')]);

  last().drop();
  await advance(t, 500);
  assert.equal(sockets.length, 2);
  assert.notEqual(sockets[0].url, sockets[1].url);
  last().receive('o', 'a[1]');
  assert.deepEqual(names(last()), [subscribe('42:2'), subscribe('7:b')]);
  assert.deepEqual(seen.states, ['connected', 'connecting', 'connected']);
  assert.deepEqual(seen.messages, [1]);
  assert.match(seen.errors[0].message, /^it was lost; next try in 0\.\d s$/);
});

test('waits longer after each failure, at random, and starts anew after a good connection', async (t) => {
  const { server, last, seen } = world(t);
  t.mock.method(Math, 'random', () => 0.5);
  server.info = new Error('fetch failed');
  await settle();
  for (const ms of [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
    assert.equal(seen.details.at(-1).retryInMs, ms);
    const before = server.infos.length;
    await advance(t, ms - 1);
    assert.equal(server.infos.length, before);
    await advance(t, 1);
    assert.equal(server.infos.length, before + 1);
  }
  assert.match(seen.errors[0].message, /^cannot get http:\/\/push\.example\/sockjs\/info: fetch failed; next try in 0\.\d s$/);

  server.info = {};
  await advance(t, 10_000);
  last().receive('o');
  await advance(t, 9_999);
  last().drop();
  await settle();
  assert.equal(seen.details.at(-1).retryInMs, 10_000, 'a short connection proves nothing');
  await advance(t, 10_000);
  last().receive('o');
  await advance(t, 10_000);
  last().drop();
  await settle();
  assert.equal(seen.details.at(-1).retryInMs, 250);
});

for (const [code, final] of [[1000, false], [1006, false], [2010, false], [3000, false], [3499, false], [3500, true],
  [3999, true], [4000, false], [4499, false], [4500, true], [4999, true]]) {
  test(`close code ${code} ${final ? 'ends the connection for good' : 'lets it come back'}`, async (t) => {
    for (const way of ['frame', 'socket']) {
      const { server, sockets, last, connection, seen } = await opened(t);
      if (way === 'frame') last().receive(`c[${code},"Because"]`);
      else last().drop(code, 'Because');
      await advance(t, 60_000);
      assert.equal(connection.state, final ? 'disconnected' : 'connecting');
      assert.equal(sockets.length, final ? 1 : 2);
      assert.equal(server.infos.length, final ? 1 : 2);
      const ended = seen.details.find((detail) => detail.code === code);
      assert.equal(ended.reason, 'Because');
      assert.equal(seen.errors[0].code, code);
      if (final) assert.match(seen.errors[0].message, /for good: Because \(\d+\)$/);
      t.mock.timers.reset();
    }
  });
}

for (const [code, way] of [[3001, 'frame'], [1001, 'socket'], [1012, 'socket']]) {
  test(`a server that stops in order, by code ${code}, is an error only when none comes back`, async (t) => {
    t.mock.method(Math, 'random', () => 0.999);
    const { server, last, connection, seen } = await opened(t);
    const stop = () => (way === 'frame' ? last().receive(`c[${code},"Back soon"]`) : last().drop(code, 'Back soon'));
    stop();
    await settle();
    assert.deepEqual(seen.details.at(-1), { code, reason: 'Back soon', retryInMs: 500 });
    server.info = new Error('fetch failed');
    await advance(t, 500); // a try that fails
    server.info = {};
    await advance(t, 999);
    last().receive('o');
    assert.equal(connection.state, 'connected');
    assert.deepEqual(seen.errors, []);
    last().drop();
    await settle();
    assert.match(seen.errors[0].message, /^it was lost/, 'it is back, and this was no restart');

    await advance(t, 2_000);
    last().receive('o');
    stop();
    server.info = new Error('fetch failed');
    await advance(t, 4_000);
    assert.equal(seen.errors.length, 1);
    await advance(t, 8_000);
    assert.match(seen.errors[1].message, /^cannot get .*: fetch failed; next try/);
  });
}

test('a server that stops in order as often as it is there is an error', async (t) => {
  t.mock.method(Math, 'random', () => 0);
  const { last, seen } = await opened(t);
  for (let seconds = 0; seconds < 12; seconds++) {
    last().receive('c[3001,"Back soon"]');
    await advance(t, 1_000);
    last().receive('o');
    await settle();
    assert.equal(seen.errors.length > 0, seconds >= 10, `after ${seconds} s`);
  }
});

test('a final code that comes before a session is open ends the connection, too', async (t) => {
  const { connection, last, sockets } = world(t);
  await settle();
  last().receive('c[4500,"No"]');
  await advance(t, 60_000);
  assert.equal(connection.state, 'disconnected');
  assert.equal(sockets.length, 1);
});

test('close ends everything at once', async (t) => {
  const { server, last, connection, seen } = await opened(t);
  const socket = last();
  connection.close();
  connection.close();
  assert.ok(socket.closed);
  assert.equal(connection.state, 'disconnected');
  assert.equal(connection.transport, null);
  assert.deepEqual(seen.states, ['connected', 'disconnected']);
  assert.equal(connection.emit('late', 1), false);
  assert.equal(connection.subscribe('42:a'), false);
  await advance(t, 100_000);
  assert.equal(server.infos.length, 1);
  assert.deepEqual(seen.errors.map((error) => error.message), ['the connection is closed', 'the connection is closed']);
});

test('close stops an attempt and a wait', async (t) => {
  const first = world(t);
  first.server.info = null;
  await settle();
  first.connection.close();
  await settle();
  assert.ok(first.server.infos[0].options.signal.aborted);
  t.mock.timers.reset();

  const second = world(t);
  second.server.info = 503;
  await settle();
  assert.match(second.seen.errors[0].message, /status 503; is the route right\?/);
  second.connection.close();
  await advance(t, 60_000);
  assert.equal(second.server.infos.length, 1);
});

test('close within a message listener keeps the rest of the frame', async (t) => {
  const { last, connection, seen } = await opened(t);
  connection.on('message', (data) => data === 2 && connection.close());
  last().receive('a[1,2,3]');
  assert.deepEqual(seen.messages, [1, 2]);
});

test('a closing listener at the moment of opening does no harm', async (t) => {
  const { last, connection, seen } = world(t);
  await settle();
  connection.subscribe('42:a');
  connection.on('state', (state) => state === 'connected' && connection.close());
  last().receive('o');
  await settle();
  assert.deepEqual(seen.states, ['connected', 'disconnected']);
  assert.deepEqual(seen.errors, []);
});

test('what waits for a connection is bounded, and a refusal is said so', async (t) => {
  const { last, connection, seen } = world(t, { queueMax: 2, subscriptionsMax: 2, token: ':a' });
  assert.deepEqual([1, 2, 3].map((n) => connection.emit('n', n)), [true, true, false]);
  assert.match(seen.errors[0].message, /2 events are waiting/);
  assert.deepEqual([':b', ':b', ':c', ''].map((token) => connection.subscribe(token)), [true, true, false, false]);
  assert.match(seen.errors[1].message, /2 subscriptions already/);
  assert.match(seen.errors[2].message, /must be a string that is not empty/);
  assert.equal(connection.emit('subscribe', { token: false }), false);
  await settle();
  last().receive('o');
  last().bufferedAmount = 1024 * 1024;
  assert.equal(connection.emit('n', 4), false);
  assert.match(seen.errors[4].message, /too much is waiting/);
});

test('silence of a WebSocket proves nothing, unless it has sent heartbeats', async (t) => {
  const { sockets, last, connection, seen } = await opened(t);
  await advance(t, 1_000_000);
  assert.equal(connection.state, 'connected');

  last().receive('h');
  await advance(t, 39_999);
  last().receive('a[1]');
  await advance(t, 39_999);
  assert.equal(connection.state, 'connected');
  await advance(t, 1);
  assert.equal(connection.state, 'connecting');
  assert.ok(sockets[0].closed);
  assert.match(seen.errors[0].message, /^the server was silent for 40000 ms; next try/);
});

test('a server that tells its heartbeat is missed after one and a half of it', async (t) => {
  for (const [heartbeat_delay, options, ms] of [
    [25_000, {}, 40_000],
    [60_000, {}, 92_500],
    [60_000, { silenceTimeoutMs: 70_000 }, 70_000],
    ['25 s', {}, Infinity],
    [0, {}, Infinity],
    [-1, {}, Infinity],
  ]) {
    const { server, last, connection } = world(t, options);
    server.info = { websocket: true, heartbeat_delay };
    await settle();
    last().receive('o');
    await advance(t, Math.min(ms, 1_000_000) - 1);
    assert.equal(connection.state, 'connected');
    await advance(t, 1);
    assert.equal(connection.state, ms === Infinity ? 'connected' : 'connecting');
    t.mock.timers.reset();
  }
});

test('a second open frame means that the server lost the session', async (t) => {
  const { last, seen } = await opened(t);
  last().receive('o');
  await settle();
  assert.match(seen.errors[0].message, /^the server lost the session; next try/);
});

test('a frame that is none ends the session and not the page', async (t) => {
  const { last, connection, seen } = await opened(t);
  last().receive('a[1', 'a[2]');
  await settle();
  assert.deepEqual(seen.messages, []);
  assert.match(seen.errors[0].message, /^the server sent not a SockJS frame: "a\[1"; next try/);
  await advance(t, 500);
  last().receive('o');
  assert.equal(connection.state, 'connected');
});

test("a listener's fault reaches the page, and not the connection", async (t) => {
  const { last, connection, seen } = await opened(t);
  const thrown = [];
  t.mock.method(globalThis, 'queueMicrotask', (task) => thrown.push(task));
  const off = connection.on('message', () => {
    throw new Error('mine');
  });
  const after = [];
  connection.on('message', (data) => after.push(data));
  last().receive('a[1]');
  off();
  last().receive('a[2]');
  assert.deepEqual([seen.messages, after], [[1, 2], [1, 2]]);
  assert.equal(thrown.length, 1);
  assert.throws(thrown[0], /mine/);
});

test('without a listener an error goes to the console', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const server = fakeFetch(404);
  const connection = connect(URL, { fetch: server.fetch });
  await settle();
  connection.close();
  assert.match(warn.mock.calls[0].arguments[0], /^pushnote: cannot get .*: status 404; is the route right\?; next try/);
});

test('goes where info sends it', async (t) => {
  const { server, last } = world(t);
  server.info = { websocket: true, base_url: 'https://other.example/here/' };
  await settle();
  assert.match(last().url, /^wss:\/\/other\.example\/here\/\d{3}\/[a-z0-9]{24}\/websocket$/);
});

test('cookies go along with every request, unless the page has no origin', async (t) => {
  for (const [origin, credentials] of [['https://page.example', 'include'], ['null', 'omit']]) {
    globalThis.origin = origin;
    t.after(() => delete globalThis.origin);
    const { FakeEventSource, sources } = fakeEventSource();
    const { server, last } = world(t, { EventSource: FakeEventSource });
    await settle();
    last().drop();
    await settle();
    assert.equal(server.infos[0].options.credentials, credentials);
    assert.equal(server.requests[0].options.credentials, credentials);
    server.requests[0].fail();
    await settle();
    assert.deepEqual(sources[0].options, { withCredentials: credentials === 'include' });
    t.mock.timers.reset();
  }
});
