import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, messages, resumingWorld, settle, world as fakeWorld } from './fakes.mjs';

const world = (t, options) => resumingWorld(t, connect, options);

test('says hello first, with its subscriptions, and ignores what comes before the welcome', async (t) => {
  const { connection, hello, say, seen, sent } = world(t, { token: '42:a' });
  connection.subscribe('news', { token: 'news:b' });
  connection.subscribe('public.weather');
  connection.emit('mine', 1);
  const { id, ...data } = await hello();
  assert.ok(Number.isSafeInteger(id));
  assert.deepEqual(data, {
    version: 1,
    subscriptions: [{ token: '42:a' }, { channel: 'news', token: 'news:b' }, { channel: 'public.weather' }],
  });
  assert.deepEqual(sent()[1], { name: 'mine', data: 1 });

  say('early', { type: 'welcome', id: 'of another', version: 1 });
  say({ type: 'welcome', id, version: 1, cursor: 'c1', complete: true });
  say(messages('c2', { data: 'early' }, { channel: 'news', data: 2 }));
  assert.deepEqual(seen.messages, ['early', 2]);
  assert.equal(connection.cursor, 'c2');
  await advance(t, 60_000);
  assert.deepEqual(seen.errors, []);
});

test('each message tells what it is, on the connection and on its channels', async (t) => {
  const { connection, welcome, say } = world(t);
  const heard = [];
  const hear = (where) => (data, message) => heard.push([where, data, message.event]);
  connection.on('message', hear('all'));
  connection.channel('news').on('message', hear('news'));
  connection.channel('news').on('headline', hear('headline'));
  const off = connection.channel('sport').on('message', hear('sport'));
  const gap = [];
  connection.channel('news').on('gap', (...args) => gap.push(args));
  await welcome();
  say(messages('c1', { channel: 'news', event: 'headline', data: 1 }, { channels: ['news', 'sport'], data: 2 },
    { user: true, data: 3 }, { data: 4 }, { channel: 'news', event: 'gap', data: 5 }));
  assert.deepEqual(heard, [
    ['all', 1, 'headline'], ['news', 1, 'headline'], ['headline', 1, 'headline'],
    ['all', 2, undefined], ['news', 2, undefined], ['sport', 2, undefined],
    ['all', 3, undefined], ['all', 4, undefined], ['all', 5, 'gap'], ['news', 5, 'gap'],
  ]);
  assert.deepEqual(gap, []);
  off();
  say(messages('c2', { channel: 'sport', data: 6 }));
  assert.equal(heard.at(-1)[0], 'all');
});

test('comes back with the last cursor and its latest tokens, on whatever transport', async (t) => {
  const { connection, welcome, hello, lose, say, asked, seen, gaps, server, last } = world(t);
  const begun = connection.subscribe('news', { token: 'news:1' });
  await welcome();
  assert.deepEqual(await begun, { user: undefined, cursor: 'c0', complete: true });
  say(messages('c1', { channel: 'news', data: 1 }));
  connection.subscribe('news', { token: 'news:2' });
  await settle();
  const { id } = asked('subscribe');
  assert.deepEqual(asked('subscribe'), { id, channel: 'news', token: 'news:2' });
  say({ type: 'subscribed', id, channel: 'news', cursor: 'c1', complete: true }, messages('c2', { channel: 'news', data: 2 }));

  await lose();
  const { cursor, subscriptions, id: second } = await hello();
  assert.deepEqual([cursor, subscriptions], ['c2', [{ channel: 'news', token: 'news:2' }]]);
  say({ type: 'welcome', id: second, version: 1, cursor: 'c2', complete: true }, messages('c3', { channel: 'news', data: 3 }));

  await lose();
  last().drop(); // no WebSocket this time: it streams
  await settle();
  const stream = server.of('xhr_streaming')[0];
  stream.write('o\n');
  await settle();
  const [text] = JSON.parse(server.of('xhr_send')[0].body);
  const { data } = JSON.parse(text);
  assert.equal(data.cursor, 'c3');
  const answer = { type: 'welcome', id: data.id, version: 1, cursor: 'c9', complete: false };
  stream.write(`a${JSON.stringify([answer, messages('c9', { data: 4 })])}\n`);
  await settle();
  assert.deepEqual(seen.messages, [1, 2, 3, 4]);
  assert.deepEqual(gaps, [{ cursor: 'c9' }]);
});

test('a gap is told to whom it concerns, before what follows', async (t) => {
  const { connection, welcome, say, gaps } = world(t);
  const told = [];
  for (const name of ['news', 'sport']) {
    connection.channel(name).on('gap', ({ cursor }) => told.push([name, cursor]));
    connection.channel(name).on('message', (data) => told.push([name, data]));
  }
  await welcome({ complete: false });
  say({ type: 'gap', cursor: 'c1' }, { type: 'gap', channel: 'news', cursor: 'c2' }, messages('c3', { channel: 'news', data: 1 }));
  assert.deepEqual(gaps, [{ cursor: 'c0' }, { cursor: 'c1' }, { channel: 'news', cursor: 'c2' }]);
  assert.deepEqual(told, [
    ['news', 'c0'], ['sport', 'c0'], ['news', 'c1'], ['sport', 'c1'], ['news', 'c2'], ['news', 1],
  ]);
  assert.equal(connection.cursor, 'c3');
});

test('a subscription that begins at a cursor is asked for by itself, until it holds', async (t) => {
  const { connection, welcome, lose, asked, say, gaps } = world(t);
  const begun = connection.subscribe('news', { since: 'c-1' });
  for (let round = 0; round < 2; round++) {
    assert.deepEqual((await welcome()).subscriptions, []);
    assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, channel: 'news', since: 'c-1' });
    if (round === 0) await lose();
  }
  say({ type: 'subscribed', id: asked('subscribe').id, channel: 'news', cursor: 'c1', complete: false });
  assert.deepEqual(await begun, { user: undefined, cursor: 'c1', complete: false });
  assert.deepEqual(gaps, [{ channel: 'news', cursor: 'c1' }]);
  await lose();
  assert.deepEqual((await welcome()).subscriptions, [{ channel: 'news' }]);
  connection.subscribe('news', { since: 'c-2' });
  await settle();
  assert.equal(asked('subscribe').since, 'c-2');
});

test('of several users all but one are asked for by themselves, so that each has its own answer', async (t) => {
  const { connection, welcome, lose, say, sent, asked, seen } = world(t);
  for (const token of ['42:a', '43:b', '44:c']) connection.subscribe({ token });
  assert.deepEqual((await welcome()).subscriptions, [{ token: '42:a' }]);
  const [, second, third] = sent();
  assert.deepEqual([second.data.token, third.data.token, third.data.since], ['43:b', '44:c', undefined]);
  say({ type: 'subscribed', id: second.data.id, user: '43', cursor: 'c1', complete: true });
  say({ type: 'subscribed', id: third.data.id, user: '44', cursor: 'c1', complete: true });

  say({ type: 'expired', user: '43', cursor: 'c2' });
  await settle();
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, token: '43:b', since: 'c2' });
  say({ type: 'error', id: asked('subscribe').id, code: 'token_expired', text: 'token has expired' });
  say({ type: 'expired', user: '42', cursor: 'c3' });
  await settle();
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, token: '42:a', since: 'c3' });
  say({ type: 'subscribed', id: asked('subscribe').id, user: '42', cursor: 'c3', complete: true });
  say({ type: 'expired', user: 'nobody', cursor: 'c3' });

  await lose();
  assert.deepEqual((await welcome()).subscriptions, [{ token: '42:a' }]);
  assert.deepEqual(asked('subscribe'), { id: asked('subscribe').id, token: '44:c', since: 'c3' });
  assert.equal(seen.errors[0].message, 'user: token has expired');
});

test('a refusal rejects the promise, and is an error', async (t) => {
  const { connection, welcome, lose, say, seen, asked } = world(t);
  const news = connection.subscribe('news', { token: 'cut' });
  await welcome({ errors: [{ channel: 'news', code: 'token_invalid', text: 'token is cut' }] });
  say({ type: 'error', id: asked('subscribe').id, code: 'token_invalid', text: 'token is cut' });
  await assert.rejects(news, { message: 'token is cut', code: 'token_invalid' });
  assert.deepEqual(seen.errors.map(({ message }) => message), ['news: token is cut']);
  say({ type: 'error', code: 'bad_request', text: 'what was that?' });
  assert.equal(seen.errors[1].code, 'bad_request');
  const token = '42:1xWqbB:aUZfhWA0xNwTjsWpx5P0AFZc8W7DNiJGWbRyaG3oCS0';
  for (const one of [token, 'eyJhbGciOiJIUzI1NiJ9.e30.x']) {
    await assert.rejects(connection.subscribe(one), { message: 'that is a token, and no channel: give { token }' });
  }
  await assert.rejects(connection.subscribe({ token: 42 }), /must be a string that is not empty/);
  await assert.rejects(connection.subscribe({}), /must be a string that is not empty/);

  // By the server's clock. It is the page's to try again, later; all else goes on.
  const sport = connection.subscribe('sport', { token: 'sport:a' });
  const music = connection.subscribe('music');
  await settle();
  const { id } = asked('subscribe');
  say({ type: 'error', id: id - 1, code: 'token_from_future', text: 'check the clocks' });
  say({ type: 'subscribed', id, channel: 'music', cursor: 'c1', complete: true });
  await assert.rejects(sport, { message: 'check the clocks', code: 'token_from_future' });
  await music;
  assert.equal(seen.errors.at(-1).message, 'sport: check the clocks');
  await advance(t, 60_000);
  assert.equal(connection.state, 'connected');
  await lose();
  assert.deepEqual((await welcome()).subscriptions, [{ channel: 'music' }]);
});

test('history and presence are asked of the server that is there', async (t) => {
  const { connection, welcome, lose, say, asked, sent } = world(t);
  connection.subscribe('news');
  const channel = connection.channel('news');
  const heard = [];
  for (const event of ['presence', 'join', 'leave']) channel.on(event, (what) => heard.push([event, what.count ?? what]));
  await assert.rejects(channel.history(2), /there is no connection that answers/);
  await welcome();
  const lost = channel.history(2);
  assert.deepEqual(asked('history'), { id: asked('history').id, channel: 'news', last: 2 });
  await Promise.all([assert.rejects(lost, /the connection was lost/), lose()]);
  await welcome();
  const history = channel.history(2);
  const list = [{ channel: 'news', data: 1 }];
  say({ type: 'history', id: asked('history').id, channel: 'news', messages: list, complete: false });
  assert.deepEqual((await history).messages, list);

  const presence = channel.presence({ events: true });
  const { id } = asked('presence');
  assert.deepEqual(asked('presence'), { id, channel: 'news', events: true });
  say({ type: 'presence', id, channel: 'news', count: 2, users: ['42'], anonymous: 1 });
  assert.equal((await presence).count, 2);
  say({ type: 'join', channel: 'news', user: '44' }, { type: 'leave', channel: 'news', user: '42' });
  await lose();
  await welcome();
  assert.deepEqual(sent().map(({ name }) => name), ['hello', 'presence']);
  say({ type: 'presence', id: asked('presence').id, channel: 'news', count: 1, users: ['44'], anonymous: 0 });
  assert.deepEqual(heard, [['presence', 2], ['join', '44'], ['leave', '42'], ['presence', 1]]);
  channel.presence().catch(() => {});
  await lose();
  await welcome();
  assert.deepEqual(sent().map(({ name }) => name), ['hello', 'presence'], 'who only asks hears on');
  channel.presence({ events: false }).catch(() => {});
  await lose();
  await welcome();
  assert.deepEqual(sent().map(({ name }) => name), ['hello']);

  const refused = channel.history(1000);
  say({ type: 'error', id: asked('history').id, code: 'bad_request', text: 'last is 1 to 100' });
  await assert.rejects(refused, { code: 'bad_request' });
  const last = channel.history(1);
  connection.close();
  await assert.rejects(last, /the connection is closed/);
  await assert.rejects(channel.history(1), /there is no connection/);
});

test('unsubscribe ends a subscription, also one that is on its way', async (t) => {
  const { connection, hello, lose, say, sent, asked } = world(t);
  const begun = connection.subscribe('news');
  const { id, subscriptions } = await hello();
  assert.equal(subscriptions.length, 1);
  const ended = connection.unsubscribe('news');
  await assert.rejects(begun, /unsubscribed/);
  assert.deepEqual(sent().map(({ name }) => name), ['hello', 'unsubscribe']);
  say({ type: 'welcome', id, version: 1, cursor: 'c0', complete: true });
  say({ type: 'unsubscribed', id: asked('unsubscribe').id, channel: 'news' });
  await ended;
  const lost = connection.unsubscribe('news');
  await lose();
  await lost;
  assert.deepEqual((await hello()).subscriptions, []);
});

test('a channel that is left takes its listeners away, and may be entered again', async (t) => {
  const { connection, welcome, say, asked } = world(t);
  await welcome();
  const room = connection.channel('room');
  const heard = [];
  const enter = async (what) => {
    const begun = connection.subscribe('room');
    const off = room.on('message', (data) => heard.push(`${what} ${data}`));
    say({ type: 'subscribed', id: asked('subscribe').id, channel: 'room', cursor: 'c1', complete: true });
    await begun;
    return off;
  };
  const off = await enter('first');
  say(messages('c2', { channel: 'room', data: 1 }));
  connection.unsubscribe('room');
  say(messages('c3', { channel: 'room', data: 2 }));
  await enter('second');
  off();
  say(messages('c4', { channel: 'room', data: 3 }));
  assert.deepEqual(heard, ['first 1', 'second 3']);
});

test('a server that knows no hello is told of once, and its values are passed on', async (t) => {
  const { connection, hello, lose, say, seen, sent } = world(t, { token: '42:a' });
  connection.subscribe('news', { token: 'news:b' });
  await hello();
  say(1);
  await advance(t, 4_999);
  assert.deepEqual(seen.messages, []);
  await advance(t, 1);
  await assert.rejects(connection.channel('news').history(1), /there is no connection that answers/);
  say({ type: 'welcome' });
  assert.deepEqual(seen.messages, [1, { type: 'welcome' }]);
  assert.deepEqual(sent().slice(1), [{ name: 'subscribe', data: { token: '42:a' } }]);
  assert.deepEqual(seen.errors.map(({ message }) => message), [
    'the server does not speak the client protocol: no answer to hello within 5000 ms',
  ]);

  await lose();
  const { id, subscriptions } = await hello();
  assert.deepEqual(subscriptions, [{ token: '42:a' }, { channel: 'news', token: 'news:b' }]);
  say({ type: 'error', id, code: 'version', text: 'only version 2' }, 2);
  assert.deepEqual(seen.messages.slice(2), [2]);
  assert.equal(seen.errors.length, 2, 'that it was lost, and no second warning');
});

test('a server that no longer answers, where one did, is left: another may', async (t) => {
  const { welcome, hello, lose, say, seen } = world(t);
  await welcome();
  await lose();
  await hello();
  say(1);
  await advance(t, 5_000);
  assert.deepEqual(seen.messages, []);
  assert.match(seen.errors.at(-1).message, /^no answer to hello within 5000 ms; next try/);
});

test('the cursor is kept over a reload if asked, and a browser may refuse to', async (t) => {
  const kept = new Map();
  globalThis.sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  t.after(() => delete globalThis.sessionStorage);
  const first = world(t, { persist: 'session' });
  assert.equal((await first.welcome()).cursor, undefined);
  first.say(messages('c1', { data: 1 }));
  assert.deepEqual([...kept], [['pushnote http://push.example/sockjs', 'c1']]);
  first.connection.close();
  t.mock.timers.reset();

  const second = world(t, { persist: 'session' });
  assert.equal((await second.welcome()).cursor, 'c1');
  t.mock.timers.reset();
  const third = world(t);
  assert.equal((await third.welcome()).cursor, undefined);
  t.mock.timers.reset();

  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, get: () => { throw new Error('denied'); } });
  const fourth = world(t, { persist: 'session' });
  assert.equal((await fourth.welcome()).cursor, undefined);
  assert.deepEqual(fourth.seen.errors, []);
});

test('a server that sends text is understood, too', async (t) => {
  const { hello, say, seen } = world(t);
  const { id } = await hello();
  say('early', JSON.stringify({ type: 'welcome', id, version: 1, cursor: 'c0', complete: true }));
  say(JSON.stringify(messages('c1', { data: 'text' })));
  assert.deepEqual(seen.messages, ['text']);
});

test('without the option there are no channels, and no hello', async (t) => {
  const { connection, last, seen } = fakeWorld(t, connect);
  await settle();
  last().receive('o', 'a[{"type":"welcome"}]');
  assert.deepEqual(last().sent, []);
  assert.throws(() => connection.channel('news'), /need the option resume: true/);
  assert.throws(() => connection.unsubscribe('news'), /need the option resume: true/);
  assert.equal(connection.subscribe('news'), false);
  assert.equal(connection.subscribe('chat:7', { token: 'chat:7:a' }), false);
  const texts = seen.errors.map(({ message }) => message);
  assert.deepEqual(texts, Array(2).fill('that is no token; channels need the option resume: true'));
  assert.equal(connection.subscribe('eyJhbGciOiJIUzI1NiJ9.e30.x'), true);
});

test('close within a batch keeps the rest, also for the next page', async (t) => {
  const { connection, welcome, say, seen } = world(t);
  await welcome();
  connection.on('message', (data) => data === 2 && connection.close());
  say(messages('c1', { data: 1 }, { data: 2 }, { data: 3 }));
  assert.deepEqual(seen.messages, [1, 2]);
  assert.equal(connection.cursor, 'c0');
});
