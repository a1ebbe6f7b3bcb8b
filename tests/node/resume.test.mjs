// Our own client, in this process, with a real server: what a stream of messages meets while a token is renewed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import EventSource from 'eventsource';
import FayeWebSocket from 'faye-websocket';
import { connect } from '../../client-js/src/pushnote.js';
import { freePort, System } from './processes.mjs';
import { Heard, withEvents } from './waiting.mjs';

/** Rules of channels. */
const RULES = '[{prefix = "public.", public = true}, {prefix = "public.room.", public = true, presence = true}]';

const system = new System();
let to;
let server;

before(async () => {
  to = `tcp://127.0.0.1:${await freePort()}`;
  server = await system.server({ mq: to, single: true, flags: [`--channels=${RULES}`] });
});
after(() => system.stop());

/** A page without its browser, whose messages are its events. */
class Page extends withEvents(Heard) {
  constructor(t, options) {
    super();
    this.name = 'page';
    const io = { WebSocket: FayeWebSocket.Client, EventSource };
    // A token takes a process.
    this.conn = connect(server.url, { resume: true, openTimeoutMs: 20_000, ...io, ...options });
    this.conn.on('message', (data) => this.hear({ event: 'message', data }));
    this.conn.on('gap', (gap) => this.hear({ event: 'gap', ...gap }));
    this.conn.on('error', ({ message, code }) => this.hear({ event: 'error', message, code }));
    t.after(() => this.conn.close());
  }

  get events() {
    return this.heard;
  }
}

/** Counts on, for each of `audiences` in turn; `stop` gives what was published. */
function stream(t, ...audiences) {
  const publisher = system.start('examples/shout', ['connect', to]);
  let count = 0;
  const timer = setInterval(() => {
    const audience = audiences[count % audiences.length];
    publisher.write({ name: 'publish', data: count++, ...audience });
  }, 10);
  const stop = () => {
    clearInterval(timer);
    return Array.from({ length: count }, (_, n) => n);
  };
  t.after(stop);
  return { stop };
}

for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
  test(`${transport}: tokens expire, and nothing is missed until there are new ones`, async (t) => {
    const asked = [];
    const getToken = ({ channel, reason }) => {
      asked.push(`${channel ?? 'user'} ${reason}`);
      return channel ? system.token('--channel', channel, '--ttl=4s') : system.token('42', '--ttl=4s');
    };
    const page = new Page(t, { transports: [transport], getToken });
    await Promise.all([page.conn.subscribe('news'), page.conn.subscribe()]);
    const messages = stream(t, { channels: ['news'] }, { users: ['42'] }, { everyone: true });
    for (const what of ['news', 'user']) {
      const renewals = () => asked.filter((each) => each === `${what} expired`).length;
      await page.until(() => renewals() >= 2, `the renewal of ${what}`);
    }
    const published = messages.stop();
    await page.until(() => page.received.length >= published.length, 'all messages');
    // What the channel missed comes behind what others got meanwhile: the order is that of each.
    for (const each of [0, 1, 2]) {
      const its = (list) => list.filter((n) => n % 3 === each);
      assert.deepEqual(its(page.received), its(published));
    }
    assert.deepEqual(page.events.filter(({ event }) => event !== 'message'), []);
  });

  test(`${transport}: channels, their history, and the end of a subscription`, async (t) => {
    const page = new Page(t, { transports: [transport] });
    const name = `public.${transport}`;
    const channel = page.conn.channel(name);
    const heard = [];
    channel.on('headline', (data) => heard.push(data));
    const { cursor } = await page.conn.subscribe(name);
    const publisher = system.start('examples/shout', ['connect', to]);
    for (const data of [1, 2, 3]) publisher.write({ name: 'publish', channels: [name], data, event: data === 2 ? 'headline' : 'other' });
    await page.message(3);
    assert.deepEqual(heard, [2]);
    const { messages, complete } = await channel.history(2);
    assert.deepEqual([messages, complete], [[
      { channel: name, event: 'headline', data: 2 },
      { channel: name, event: 'other', data: 3 },
    ], true]);

    await page.conn.unsubscribe(name);
    await assert.rejects(channel.history(1), { code: 'not_subscribed' });
    publisher.write({ name: 'publish', channels: [name], data: 4 });
    publisher.write({ name: 'publish', everyone: true, data: 5 });
    await page.message(5);
    assert.deepEqual(page.received, [1, 2, 3, 5]);
    await page.conn.subscribe(name, { since: cursor });
    await page.message(4);
    assert.deepEqual(page.received, [1, 2, 3, 5, 1, 2, 3, 4]);
    await assert.rejects(page.conn.subscribe('private'), { code: 'token_missing' });
  });

  test(`${transport}: who is in a channel, who comes and who goes`, async (t) => {
    const name = `public.room.${transport}`;
    const [page, other, outside] = [new Page(t, { transports: [transport] }), new Page(t), new Page(t)];
    for (const event of ['join', 'leave']) page.conn.channel(name).on(event, (user) => page.hear({ event, user }));
    const seen = () => page.events.map(({ event, user }) => `${event} ${user}`);
    await page.conn.subscribe(name);
    const alone = await page.conn.channel(name).presence({ events: true });
    assert.deepEqual([alone.count, alone.users, alone.anonymous], [0, [], 1]);
    await other.conn.subscribe({ token: await system.token('42') });
    await other.conn.subscribe(name);
    await page.until(() => seen().includes('join 42'), 'the join');
    const { count, users, anonymous } = await page.conn.channel(name).presence();
    assert.deepEqual([count, users, anonymous], [1, ['42'], 1]);
    await other.conn.unsubscribe(name);
    await assert.rejects(other.conn.channel(name).presence(), { code: 'not_subscribed' });
    await page.until(() => seen().includes('leave 42'), 'the leave');
    assert.deepEqual(seen(), ['join 42', 'leave 42']);
    await outside.conn.subscribe('public.street');
    await assert.rejects(outside.conn.channel('public.street').presence(), { code: 'no_presence' });
  });
}
