// Tokens that a page gets when they are wanted: `token` as a function, and `getToken`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, messages, resumingWorld, settle, world as fakeWorld } from './fakes.mjs';

const world = (t, options) => resumingWorld(t, connect, options);

test('tokens are asked for at first, when they expire, and when they had', async (t) => {
  const asks = [];
  const getToken = async (ask) => {
    asks.push(ask);
    return `${ask.channel ?? '42'}:${asks.length}`;
  };
  const { connection, welcome, hello, lose, asked, say, seen } = world(t, { getToken });
  connection.subscribe();
  connection.subscribe('news');
  const first = await welcome();
  assert.deepEqual(first.subscriptions, [{ token: '42:1' }, { channel: 'news', token: 'news:2' }]);
  assert.deepEqual(asks, [
    { channel: undefined, user: undefined, reason: 'subscribe' },
    { channel: 'news', user: undefined, reason: 'subscribe' },
  ]);

  say(messages('c5', { data: 1 }), { type: 'expired', channel: 'news', cursor: 'c5' }, messages('c6', { data: 2 }));
  await settle();
  assert.deepEqual(asks[2], { channel: 'news', user: undefined, reason: 'expired' });
  const { id } = asked('subscribe');
  assert.deepEqual(asked('subscribe'), { id, channel: 'news', token: 'news:3', since: 'c5' });
  await lose(); // before the answer
  assert.deepEqual((await hello()).subscriptions, [{ token: '42:1' }]);
  say({ type: 'welcome', id: asked('hello').id, version: 1, cursor: 'c7', complete: true });
  await settle();
  assert.deepEqual({ ...asked('subscribe'), id }, { id, channel: 'news', token: 'news:3', since: 'c5' });
  say({ type: 'subscribed', id: asked('subscribe').id, channel: 'news', cursor: 'c7', complete: true });

  say({ type: 'expired', user: '42', cursor: 'c8' });
  await settle();
  assert.deepEqual(asks[3], { channel: undefined, user: undefined, reason: 'expired' });
  assert.deepEqual({ ...asked('subscribe'), id }, { id, token: '42:4', since: 'c8' });
  say({ type: 'subscribed', id: asked('subscribe').id, user: '42', cursor: 'c8', complete: true });

  await lose();
  const errors = [{ channel: 'news', code: 'token_expired', text: 'token has expired' }];
  const again = await welcome({ cursor: 'c9', errors });
  assert.equal(again.cursor, 'c8');
  const refused = asked('subscribe');
  assert.deepEqual({ ...refused, id }, { id, channel: 'news', token: 'news:3', since: 'c8' });
  say({ type: 'error', id: refused.id, ...errors[0] });
  await settle();
  assert.deepEqual({ ...asked('subscribe'), id }, { id, channel: 'news', token: 'news:5', since: 'c8' });
  say({ type: 'error', id: asked('subscribe').id, ...errors[0] });
  await settle();
  assert.equal(asks.length, 5, 'a new token that has expired is not asked for again and again');
  assert.deepEqual(seen.errors.map(({ message, code }) => [message, code]).at(-1), ['news: token has expired', 'token_expired']);
  assert.deepEqual(seen.messages, [1, 2]);
});

test('a token that cannot be renewed is an error, and the page may subscribe again', async (t) => {
  const { connection, welcome, say, seen, asked } = world(t, { token: '42:a' });
  await welcome();
  say({ type: 'expired', user: '42', cursor: 'c1' });
  // Nor is it known whose token has expired, of several: the server says so of each.
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, token: '42:a', since: 'c1' });
  say({ type: 'error', id: asked('subscribe').id, code: 'token_expired', text: 'token has expired' });
  assert.deepEqual([seen.errors[0].message, seen.errors[0].code], ['user: token has expired', 'token_expired']);
  connection.subscribe({ token: '42:b', since: 'c1' });
  await settle();
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, token: '42:b', since: 'c1' });
});

/** Gets tokens, but for those of which `fail` says why not. */
function tokens() {
  const asks = [];
  const fail = {};
  const getToken = async ({ channel = 'user', reason }) => {
    asks.push(`${channel} ${reason}`);
    if (channel in fail) throw fail[channel];
    return `${channel}:a`;
  };
  return { asks, fail, getToken };
}

test('a token that cannot be had concerns its subscription alone, which is tried again', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const { asks, fail, getToken } = tokens();
  fail.news = new Error('status 500');
  const { connection, welcome, say, seen, sent, asked } = world(t, { getToken });
  const news = connection.subscribe('news');
  const sport = connection.subscribe('sport');
  assert.deepEqual((await welcome()).subscriptions, [{ channel: 'sport', token: 'sport:a' }]);
  await sport;
  say(messages('c5', { channel: 'sport', data: 1 }));
  assert.deepEqual([seen.messages, seen.states], [[1], ['connected']]);
  const error = 'news: cannot get a token: status 500; next try in';
  assert.deepEqual(seen.errors.map(({ message }) => message), [`${error} 0.3 s`]);
  assert.equal(asks.length, 3, 'with the connection, and once it is there');

  await advance(t, 250);
  await advance(t, 499);
  assert.equal(asks.length, 4);
  assert.deepEqual(seen.errors[1].message, `${error} 0.5 s`);
  delete fail.news;
  await advance(t, 1);
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, channel: 'news', token: 'news:a' });
  say({ type: 'subscribed', id: asked('subscribe').id, channel: 'news', cursor: 'c6', complete: true });
  assert.equal((await news).cursor, 'c6');
  await advance(t, 60_000);
  assert.deepEqual([asks.length, sent().length, seen.states, seen.errors.length], [5, 2, ['connected'], 2]);
});

test('it is an error also where the server has just been restarted', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const { fail, getToken } = tokens();
  const { connection, welcome, seen, last } = world(t, { getToken });
  await welcome();
  last().receive('c[3001,"Back soon"]');
  await advance(t, 500);
  await welcome();
  fail.news = new Error('status 500');
  connection.subscribe('news');
  await settle();
  assert.deepEqual(seen.errors.map(({ message }) => message), ['news: cannot get a token: status 500; next try in 0.3 s']);
});

test('a subscription whose token comes late misses nothing: it begins where it was', async (t) => {
  const { fail, getToken } = tokens();
  const { connection, welcome, lose, say, seen, asked, last } = world(t, { getToken });
  connection.subscribe('news');
  connection.subscribe();
  await welcome();
  say(messages('c1', { channel: 'news', data: 1 }));
  for (const channel of ['news', 'user']) fail[channel] = new Error('status 500');
  say({ type: 'expired', channel: 'news', cursor: 'c1' }, messages('c2', { data: 2 }));
  await settle();
  await lose();
  const { cursor, subscriptions } = await welcome();
  assert.deepEqual([cursor, subscriptions], ['c2', [{ token: 'user:a' }]]);
  say(messages('c3', { data: 3 }));
  last().drop();
  delete fail.news;
  await advance(t, 20_000);
  assert.deepEqual((await welcome()).subscriptions, [{ token: 'user:a' }]);
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, channel: 'news', token: 'news:a', since: 'c1' });
  assert.ok(seen.errors.some(({ message }) => message.startsWith('news: cannot get a token: status 500')));
});

test('a token that takes its time holds up nobody, and is asked for once', async (t) => {
  let give;
  let asks = 0;
  const slow = () => new Promise((resolve) => ((give = resolve), asks++));
  const { connection, welcome, lose, say, asked, seen } = world(t);
  await welcome();
  say(messages('c1'));
  const news = connection.subscribe('news', { token: slow });
  connection.subscribe('sport');
  await lose();
  assert.deepEqual((await welcome()).subscriptions, [{ channel: 'sport' }]);
  give('news:a');
  await settle();
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, channel: 'news', token: 'news:a', since: 'c1' });
  say({ type: 'subscribed', id: asked('subscribe').id, channel: 'news', cursor: 'c2', complete: true });
  await news;
  assert.equal(asks, 2, 'the first had no answer in time');

  const never = connection.subscribe('never', { token: () => new Promise(() => {}) });
  await advance(t, 5_000);
  assert.match(seen.errors.at(-1).message, /^never: cannot get a token: no answer within 5000 ms; next try/);
  connection.close();
  await assert.rejects(never, /the connection is closed/);
  assert.equal(asks, 2);
});

test('whoever leaves while a token cannot be had is asked for no more', async (t) => {
  const { asks, fail, getToken } = tokens();
  for (const channel of ['news', 'sport']) fail[channel] = new Error('status 500');
  const { connection, welcome, seen } = world(t, { getToken });
  await welcome();
  const begun = ['news', 'sport'].map((channel) => connection.subscribe(channel));
  await settle();
  connection.unsubscribe('news');
  await assert.rejects(begun[0], /unsubscribed/);
  await advance(t, 500);
  assert.deepEqual(asks, ['news subscribe', 'sport subscribe', 'sport subscribe']);
  connection.close();
  await assert.rejects(begun[1], /the connection is closed/);
  await advance(t, 60_000);
  assert.equal(asks.length, 3);
  assert.equal(seen.errors.length, 3);
});

test('many tokens may be waited for at once', async (t) => {
  let works = false;
  const getToken = async ({ channel }) => {
    if (!works) throw new Error('status 500');
    return `${channel}:a`;
  };
  const { connection, welcome, sent } = world(t, { getToken });
  for (let n = 0; n < 20; n++) connection.subscribe(`room.${n}`);
  await welcome();
  works = true;
  await advance(t, 500); // or Node warns of a leak, which is a fault here
  assert.equal(sent().filter(({ name }) => name === 'subscribe').length, 20);
});

test('no token is an answer: the server judges a channel, and nobody is refused at once', async (t) => {
  const { connection, welcome, lose, say, seen, asked } = world(t, { getToken: ({ channel }) => (channel ? null : '') });
  await welcome();
  const news = connection.subscribe('news');
  await settle();
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, channel: 'news' });
  say({ type: 'error', id: asked('subscribe').id, code: 'token_missing', text: 'the channel is not public' });
  await assert.rejects(news, { code: 'token_missing' });
  for (const options of [undefined, { token: () => undefined }]) {
    await assert.rejects(connection.subscribe(options), { message: 'there is no token', code: 'token_missing' });
  }
  assert.deepEqual(seen.errors.map(({ message }) => message), [
    'news: the channel is not public', 'user: there is no token', 'user: there is no token',
  ]);
  await lose();
  assert.deepEqual((await welcome()).subscriptions, []);
});

test('a page that closes the connection while it is welcomed is asked for no token', async (t) => {
  const { connection, hello, say, seen } = world(t);
  let asks = 0;
  const { id } = await hello();
  connection.subscribe('news', { token: () => asks++ });
  connection.on('gap', () => connection.close());
  say({ type: 'welcome', id, version: 1, cursor: 'c0', complete: false });
  await advance(t, 60_000);
  assert.deepEqual([asks, seen.errors], [0, []]);
});

test("the connection's own user may come later, at any of its sessions, and begins then", async (t) => {
  let user = null;
  let asks = 0;
  const { welcome, lose, say, seen } = world(t, { token: async () => (asks++, user) });
  assert.deepEqual((await welcome()).subscriptions, []);
  say(messages('c1', { data: 1 }));
  await lose();
  assert.deepEqual((await welcome()).subscriptions, []);
  user = '42:a';
  await lose();
  assert.deepEqual((await welcome()).subscriptions, [{ token: '42:a' }]);
  assert.equal(asks, 3);
  assert.deepEqual(seen.errors.map(({ message }) => /^it was lost/.test(message)), [true, true]);
});

const names = (socket) => socket.sent.map((text) => JSON.parse(text));
const subscribe = (token) => ({ name: 'subscribe', data: { token } });

test('without resume, too: the connection is there for everyone, and the user follows', async (t) => {
  let works = false;
  const token = () => {
    if (!works) throw new Error('status 401');
    return '42:a';
  };
  const { last, connection, seen } = fakeWorld(t, connect, { token });
  await settle();
  last().receive('o', 'a[1]');
  await settle();
  assert.match(seen.errors[0].message, /^user: cannot get a token: status 401; next try/);
  assert.deepEqual([seen.messages, names(last())], [[1], []]);
  works = true;
  await advance(t, 500);
  assert.deepEqual(names(last()), [subscribe('42:a')]);

  connection.subscribe(() => 42);
  await settle();
  assert.match(seen.errors[1].message, /^user: cannot get a token: the function gave no string/);
  connection.subscribe(() => new Promise(() => {}));
  await advance(t, 5_000);
  assert.ok(seen.errors.some(({ message }) => /^user: cannot get a token: no answer within 5000 ms/.test(message)));
  assert.equal(connection.state, 'connected');
});
