// The examples of docs/protocol.md: what the client says has the shape of one, and it understands every other.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from '../src/pushnote.js';
import { advance, settle, world } from './fakes.mjs';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const examples = (side) =>
  [...text.matchAll(/^```json (\w+)\n(.*)\n```$/gm)].filter((match) => match[1] === side).map((match) => JSON.parse(match[2]));

/** Which fields of what type. Elements of an array are told apart only by what they are. */
function shape(value) {
  if (Array.isArray(value)) return [...new Set(value.map((each) => JSON.stringify(shape(each))))].sort();
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key])]));
}

test('everything that the client says is an example of the document, and the other way round', async (t) => {
  const { connection, sockets, last, seen } = world(t, connect, { resume: true });
  const say = (message) => last().receive(`a${JSON.stringify([message])}`);
  await settle();
  last().receive('o');
  const answered = () => JSON.parse(last().sent[0]).data.id;
  say({ ...examples('server')[0], id: answered() });
  connection.subscribe('news', { token: 'news:K2ml' });
  connection.subscribe('sport', { token: 'news:K2ml', since: '1~5f2a.1c' });
  connection.subscribe({ token: '42:JAve' });
  connection.subscribe('public.weather');
  for (const text of last().sent.slice(1)) {
    const { data } = JSON.parse(text);
    say({ type: 'subscribed', id: data.id, cursor: '1~5f2a.20', complete: true, channel: data.channel });
  }
  const channel = connection.channel('news');
  channel.history(2).catch(() => {});
  channel.presence({ events: true }).catch(() => {});
  connection.unsubscribe('sport');
  say(examples('server').find(({ messages }) => messages?.[0]?.ack));
  last().drop();
  await advance(t, 500);
  last().receive('o');
  await settle();

  const shapes = (list) => [...new Set(list.map((each) => JSON.stringify(shape(each))))].sort();
  const said = sockets.flatMap(({ sent }) => sent.map((each) => JSON.parse(each)));
  const hello = said.find(({ name }) => name === 'hello');
  assert.deepEqual(hello.data.subscriptions, [], 'an empty list is as good as none');
  delete hello.data.subscriptions;
  const withoutToken = said.filter(({ data }) => data.channel === 'public.weather');
  assert.equal(withoutToken.length, 1);
  assert.deepEqual(shapes(said.filter((each) => !withoutToken.includes(each))), shapes(examples('client')));
  assert.equal(seen.errors.length, 1, 'that it was lost');
});

test('every message of the server is understood', async (t) => {
  const { connection, last, seen } = world(t, connect, { resume: true });
  const heard = [];
  connection.on('gap', ({ cursor, channel }) => heard.push(['gap', channel, cursor]));
  for (const event of ['message', 'headline', 'presence', 'join', 'leave']) {
    connection.channel('news').on(event, (data) => heard.push([event, data.count ?? data]));
  }
  await settle();
  last().receive('o');
  const { id } = JSON.parse(last().sent[0]).data;
  for (const each of examples('server')) {
    last().receive(`a${JSON.stringify([each.type === 'welcome' ? { ...each, id } : each])}`);
  }
  assert.deepEqual(seen.messages, [{ text: 'Hi' }, 1, 2, 'for everyone', 1, { text: 'Hi' }]);
  assert.deepEqual(heard, [
    ['message', { text: 'Hi' }], ['headline', { text: 'Hi' }], ['message', 2], ['message', 1],
    ['gap', undefined, '1~5f2a.90'], ['gap', 'news', '1~5f2a.90'],
    ['presence', 2], ['join', '44'], ['leave', '44'],
  ]);
  assert.deepEqual(seen.errors.map(({ code }) => code), ['token_invalid']);
  assert.equal(connection.cursor, '1~5f2a.90');
});
