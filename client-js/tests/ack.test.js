// Messages that ask whether they were seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, fakeFetch, fakeWebSocket, settle, world } from './fakes.mjs';

/** A connection that has said hello and was welcomed; what it has acknowledged, and what its listeners were told. */
async function welcomed(t, options) {
  const all = world(t, connect, { resume: true, ...options });
  const { connection, sockets, last } = all;
  const told = [];
  connection.on('ack', (id) => told.push(id));
  const say = (...messages) => last().receive(`a${JSON.stringify(messages)}`);
  const welcome = async () => {
    await settle();
    last().receive('o');
    const { id } = JSON.parse(last().sent[0]).data;
    say({ type: 'welcome', id, version: 1, cursor: 'c', complete: true });
  };
  await welcome();
  const said = () => sockets.flatMap(({ sent }) => sent.map((each) => JSON.parse(each)));
  return {
    ...all, told, welcome,
    messages: (...messages) => say({ type: 'messages', messages, cursor: 'c' }),
    acks: () => said().filter(({ name }) => name === 'ack').map(({ data }) => data),
  };
}

/** A page, in view or not. */
function page(t, hidden) {
  const document = Object.assign(new EventTarget(), { hidden });
  globalThis.document = document;
  t.after(() => delete globalThis.document);
  return (isHidden) => {
    document.hidden = isHidden;
    document.dispatchEvent(new Event('visibilitychange'));
  };
}

const asking = (ack) => ({ user: true, data: 1, ack });

test('it is acknowledged when the listeners have had it', async (t) => {
  const { connection, acks, told, messages, seen } = await welcomed(t);
  const before = [];
  connection.on('message', () => before.push(acks().length));
  messages(asking('m1'), { user: true, data: 2 }, asking('m2'));
  assert.deepEqual(acks(), [{ id: 'm1' }, { id: 'm2' }]);
  assert.deepEqual([before, told], [[0, 1, 1], ['m1', 'm2']]);
  assert.deepEqual(seen.errors, []);
});

test('nobody has seen what nobody listens to', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { FakeWebSocket, last } = fakeWebSocket();
  const connection = connect('http://push.example/sockjs', { resume: true, fetch: fakeFetch().fetch, WebSocket: FakeWebSocket });
  t.after(() => connection.close());
  connection.channel('news').on('message', () => {});
  await settle();
  last().receive('o');
  const welcome = { type: 'welcome', id: JSON.parse(last().sent[0]).data.id, version: 1, cursor: 'c', complete: true };
  last().receive(`a${JSON.stringify([welcome, { type: 'messages', messages: [asking('m1')], cursor: 'c' }])}`);
  assert.equal(last().sent.length, 1, 'hello');
});

test('a page in the background acknowledges when it comes into view, and once', async (t) => {
  const show = page(t, true);
  const { acks, messages, seen } = await welcomed(t);
  messages(asking('m1'), asking('m2'));
  assert.deepEqual([seen.messages.length, acks()], [2, []]);
  show(false);
  assert.deepEqual(acks(), [{ id: 'm1' }, { id: 'm2' }]);
  show(true);
  show(false);
  assert.equal(acks().length, 2);
});

test('one that comes into view without a connection acknowledges over the next', async (t) => {
  const show = page(t, true);
  const { acks, messages, last, welcome } = await welcomed(t);
  messages(asking('m1'));
  last().drop();
  await settle();
  show(false);
  assert.deepEqual(acks(), []);
  await advance(t, 500);
  await welcome();
  assert.deepEqual(acks(), [{ id: 'm1' }]);
  assert.equal(JSON.parse(last().sent[0]).name, 'hello', 'behind hello');
});

test('a closed connection acknowledges nothing more', async (t) => {
  const show = page(t, true);
  const { connection, acks, messages, seen } = await welcomed(t);
  messages(asking('m1'));
  connection.close();
  show(false);
  assert.deepEqual([acks(), seen.errors], [[], []]);
});

test('the page may say it itself', async (t) => {
  const { connection, acks, told, messages } = await welcomed(t, { ack: 'manual' });
  const details = [];
  connection.on('message', (_, detail) => details.push(detail));
  messages(asking('m1'), { user: true, data: 2 });
  assert.deepEqual(acks(), []);
  assert.deepEqual(details.map(({ acknowledge }) => typeof acknowledge), ['function', 'undefined']);
  details[0].acknowledge();
  assert.deepEqual([acks(), told], [[{ id: 'm1' }], ['m1']]);
});

test('values of a server that knows no acknowledgements are the page\'s, whatever they look like', async (t) => {
  const { last, connection } = world(t, connect);
  const got = [];
  connection.on('message', (...args) => got.push(args));
  await settle();
  last().receive('o', 'a[{"ack":"m1","data":1}]');
  assert.deepEqual(got, [[{ ack: 'm1', data: 1 }]]);
  assert.deepEqual(last().sent, []);
});
