import assert from 'node:assert/strict';
import { test } from 'node:test';
import { push } from '../src/push.js';
import { connect } from '../src/pushnote.js';
import { browser, pushServer } from './browser.mjs';
import { advance, settle, world } from './fakes.mjs';

const KEY = 'BAcyx9NPoJxNZGnA1KyXUvMnEQnNJT-jvQKZqGFDxrYdvO1R4VyVVuQIHvJzOdBxwqp4fWpxjSWbPNAD1ZqK8zY';
const OTHER_KEY = KEY.replace('BAcy', 'BBcy');
const DAY_MS = 24 * 60 * 60 * 1000;
const WORKER = 'https://site.example/pushnote-sw.js?server=http%3A%2F%2Fpush.example';

/** A page in a browser of its own, and what both servers are asked. */
function page(t, options, { token = '42:a', ...rest } = {}) {
  const own = browser(t, options);
  const server = pushServer(t, KEY);
  const { connection, last } = world(t, connect, { push, token, ...rest });
  return { own, server, connection, last, load: (again) => load(t, { token, ...rest, ...again }) };
}

/** The next page of the same site, connected. */
async function load(t, options) {
  t.mock.timers.reset();
  const { connection, last } = world(t, connect, { push, ...options });
  await settle();
  last().receive('o');
  await settle();
  return connection;
}

const code = (expected) => (error) => error instanceof Error && error.code === expected;
const subscription = (n) => ({ endpoint: `https://push.example/${n}`, keys: { p256dh: 'p', auth: 'a' } });
const told = (n, token = '42:a', group) => [
  'POST http://push.example/push/subscribe',
  JSON.parse(JSON.stringify({ token, subscription: subscription(n), group })),
];
const ASKED = ['GET http://push.example/push/key', undefined];

test('a click subscribes this browser for the user of the connection, with the server\'s key', async (t) => {
  const { own, server, connection } = page(t);
  assert.equal(await connection.pushState(), 'disabled');
  assert.equal(own.asked, 0, 'nobody is asked anything before');
  const enabling = connection.enablePush({ group: 'news' });
  assert.equal(own.asked, 1, 'at once: the click is over after that');
  await enabling;
  assert.deepEqual(server.requests, [ASKED, told(1, '42:a', 'news')]);
  const [registration] = own.registrations.values();
  assert.equal(registration.script, WORKER);
  assert.equal(registration.scope, 'https://site.example/pushnote-sw/', 'the site\'s own worker stays');
  assert.equal(await connection.pushState(), 'enabled');
  assert.ok(![...own.kept.values()].join().includes('42:a'), 'no token is kept');

  await connection.enablePush({ group: 'news' });
  assert.deepEqual([own.asked, server.requests.length], [1, 2], 'nothing has changed');
  await connection.enablePush({ group: 'sport', serviceWorker: './pushnote-sw.js', token: async () => '43:b' });
  assert.deepEqual(server.requests.slice(3), [told(2, '43:b', 'sport')]);
  await connection.disablePush();
  assert.deepEqual(server.requests.at(-1)[1], { token: '43:b', endpoint: 'https://push.example/2' });
  assert.equal([...own.registrations.keys()][1], 'https://site.example/shop/pushnote-sw/');
});

test('a worker of the site\'s own is used as it is', async (t) => {
  const { own, server, connection } = page(t);
  const registration = await own.container.register(new URL('https://site.example/sw.js'), { scope: new URL('https://site.example/') });
  await connection.enablePush({ serviceWorker: Promise.resolve(registration) });
  assert.equal(registration.script, 'https://site.example/sw.js');
  assert.deepEqual(server.requests.at(-1), told(1));
  assert.equal(await connection.pushState(), 'enabled');
});

for (const [what, options, expected] of [
  ['an insecure page', { isSecureContext: false }, 'insecure_context'],
  ['a browser without service workers', { navigator: {} }, 'not_supported'],
  ['a sandboxed frame', { navigator: { get serviceWorker() { throw new DOMException('', 'SecurityError'); } } }, 'not_supported'],
  ['a browser without Web Push', { PushManager: undefined }, 'not_supported'],
  ['a user who said no', { permission: 'denied' }, 'permission_denied'],
]) {
  test(`${what} is told as ${expected}`, async (t) => {
    const { own, server, connection } = page(t, options);
    assert.equal(await connection.pushState(), expected);
    await assert.rejects(connection.enablePush(), code(expected));
    await connection.disablePush();
    assert.deepEqual([own.asked, server.requests], [0, []]);
  });
}

test('the answer to the question is told', async (t) => {
  const { own, connection } = page(t, { answers: 'default' });
  await assert.rejects(connection.enablePush(), code('permission_dismissed'));
  own.answers = 'denied';
  await assert.rejects(connection.enablePush(), code('permission_denied'));
  assert.equal(own.asked, 2);
});

test('nobody is asked who has not clicked; with permission no click is needed', async (t) => {
  const { own, connection } = page(t);
  own.isClicked = false;
  await assert.rejects(connection.enablePush(), code('click_needed'));
  assert.equal(own.asked, 0);
  own.permission = 'granted';
  await connection.enablePush();
});

test('each failure has a code, and the next attempt may succeed', async (t) => {
  const { own, server, connection } = page(t, {}, { token: null });
  await assert.rejects(connection.enablePush(), code('token_missing'));
  connection.subscribe('42:a');
  own.refusal = new TypeError('a bad HTTP response code (404)');
  await assert.rejects(connection.enablePush(), (error) => code('worker_missing')(error) && /\/pushnote-sw\.js .*404/.test(error.message));
  own.refusal = undefined;
  server.status = 0;
  await assert.rejects(connection.enablePush(), code('not_reached'));
  for (const [status, problem, expected] of [
    [404, {}, 'no_web_push'],
    [401, { type: 'urn:pushnote:problem:token_expired', detail: 'token has expired' }, 'token_expired'],
    [403, 'no JSON object', 'refused'],
    [429, { type: 'about:blank', detail: 'too many devices' }, 'refused'],
  ]) {
    Object.assign(server, { status, problem });
    await assert.rejects(connection.enablePush(), (error) => code(expected)(error) && error.message.includes(problem.detail ?? status));
  }
  server.status = 200;
  for (const key of [undefined, 'A'.repeat(87), `${KEY}=`]) {
    server.key = key;
    await assert.rejects(connection.enablePush(), code('key_wrong'));
  }
  server.key = KEY;
  const [registration] = own.registrations.values();
  const { subscribe } = registration.pushManager;
  for (const [name, expected] of [['InvalidAccessError', 'key_wrong'], ['AbortError', 'push_service']]) {
    registration.pushManager.subscribe = async () => { throw new DOMException('no', name); };
    await assert.rejects(connection.enablePush(), code(expected));
  }
  registration.pushManager.subscribe = subscribe;
  assert.equal(await connection.pushState(), 'disabled');
  await connection.enablePush();
});

test('a worker that does not start is told, and one that takes its time is waited for', async (t) => {
  const { own, connection } = page(t);
  const starting = Object.assign(new EventTarget(), { state: 'installing' });
  const { register } = own.container;
  own.container.register = async (...args) => Object.assign(await register(...args), { active: null, installing: starting });
  const enter = (state) => {
    starting.state = state;
    starting.dispatchEvent(new Event('statechange'));
  };
  const failed = assert.rejects(connection.enablePush(), code('worker_missing'));
  await settle();
  enter('redundant');
  await failed;
  starting.state = 'installing';
  const enabled = connection.enablePush();
  await settle();
  for (const state of ['installed', 'activating', 'activated']) enter(state);
  await enabled;
});

test('each page renews it, and asks the server nothing while nothing has changed', async (t) => {
  const { own, server, connection, load } = page(t);
  await connection.enablePush({ group: 'news', serviceWorker: '../pushnote-sw.js' });
  server.requests.length = 0;
  await load();
  assert.deepEqual(server.requests, []);
  await load({ token: '43:b' });
  assert.deepEqual(server.requests.splice(0), [ASKED, told(1, '43:b', 'news')], 'another user');
  await load({ token: null });
  assert.deepEqual(server.requests, [], 'nobody');

  const [registration] = own.registrations.values();
  registration.lose();
  await load({ token: '43:b' });
  assert.deepEqual(server.requests.splice(0), [ASKED, told(2, '43:b', 'news')]);
  const source = t.mock.fn(() => '44:c');
  globalThis.location.href = 'https://site.example/elsewhere/page';
  await load({ token: source });
  assert.deepEqual(server.requests.splice(0), [ASKED, told(2, '44:c', 'news')]);
  assert.equal(source.mock.callCount(), 2, 'once for the connection, and once for this');
  assert.equal(own.registrations.size, 1, 'the same worker');
  own.permission = 'denied';
  await load({ token: '42:a' });
  assert.deepEqual(server.requests, []);
});

test('a day later the server is told again, and asked for its key', async (t) => {
  const { own, server, connection, load } = page(t);
  await connection.enablePush();
  server.requests.length = 0;
  const [key, value] = [...own.kept][0];
  own.kept.set(key, JSON.stringify({ ...JSON.parse(value), at: Date.now() - DAY_MS }));
  server.key = OTHER_KEY;
  await load();
  assert.deepEqual(server.requests, [ASKED, told(2)], 'a subscription has one key: there is a new one');
});

test('what cannot be renewed is a warning, and pages that never had it ask nothing', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const { own, server, connection, load } = page(t, { permission: 'granted' });
  await load();
  assert.deepEqual(server.requests, []);
  await connection.enablePush();
  server.status = 503;
  await load({ token: '43:b' });
  assert.match(warn.mock.calls.at(-1).arguments[0], /Web Push is not renewed: .*status 503/);
  for (const value of ['{', 'null', '7']) {
    own.kept.set([...own.kept.keys()][0], value);
    await load();
  }
  assert.equal(warn.mock.callCount(), 1);
});

test('when the browser has ended a subscription, the worker says so', async (t) => {
  const { own, server, connection } = page(t);
  await connection.enablePush();
  server.requests.length = 0;
  const [registration] = own.registrations.values();
  registration.lose();
  const say = (data) => own.container.dispatchEvent(Object.assign(new Event('message'), { data }));
  for (const data of [null, 'renew', { pushnote: 'other' }]) say(data);
  await settle();
  assert.deepEqual(server.requests, []);
  say({ pushnote: 'renew' });
  await settle();
  await connection.pushState();
  assert.deepEqual(server.requests, [ASKED, told(2)]);
});

test('the end of it is the browser\'s and the server\'s', async (t) => {
  const { own, server, connection, load } = page(t);
  await connection.disablePush();
  await connection.enablePush();
  server.requests.length = 0;
  const [first, second] = [connection.disablePush(), connection.disablePush()];
  await Promise.all([first, second]);
  const gone = ['DELETE http://push.example/push/subscribe', { token: '42:a', endpoint: 'https://push.example/1' }];
  assert.deepEqual(server.requests.splice(0), [gone]);
  assert.equal(await connection.pushState(), 'disabled');
  await load();
  assert.deepEqual(server.requests, []);

  await Promise.all([connection.enablePush(), connection.disablePush()]);
  assert.equal(await connection.pushState(), 'disabled', 'what was said last holds');
  await connection.enablePush();
  server.status = 0;
  await assert.rejects(connection.disablePush(), code('not_reached'));
  assert.equal(await connection.pushState(), 'disabled', 'all the same');
  assert.equal(own.made, 3);
});

test('a browser that keeps nothing has its notifications all the same', async (t) => {
  const { server, connection, load } = page(t, { localStorage: undefined });
  await connection.enablePush();
  assert.deepEqual(server.requests.splice(0), [ASKED, told(1)]);
  await load();
  assert.deepEqual(server.requests, []);
});

test('a notification is closed when a page has shown its message', async (t) => {
  const { own, connection, last } = page(t, { permission: 'granted' }, { token: undefined, resume: true, getToken: () => '42:a' });
  await connection.enablePush({ token: '42:a' });
  const [registration] = own.registrations.values();
  registration.notifications = ['m1', 'm2', undefined].map((id) => ({ data: id && { id }, close() { this.isClosed = true; } }));
  await settle();
  last().receive('o');
  const { id } = JSON.parse(last().sent[0]).data;
  const messages = [{ user: true, data: 1, ack: 'm1' }];
  last().receive(`a${JSON.stringify([{ type: 'welcome', id, version: 1, cursor: 'c', complete: true }, { type: 'messages', messages }])}`);
  await advance(t, 0);
  assert.deepEqual(registration.notifications.map(({ isClosed }) => !!isClosed), [true, false, false]);
});
