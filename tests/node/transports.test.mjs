// sockjs-client's transports in Node against the SockJS library's test server, each forced in turn.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import SockJS from 'sockjs-client';
import { bursts, converse } from './conversation.mjs';
import { front } from './front.mjs';
import { freePort, System } from './processes.mjs';
import { Heard, withEvents } from './waiting.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const system = new System();
let origin;

before(async () => {
  ({ origin } = await system.sockjs());
});

after(() => system.stop());

class Conversation extends withEvents(Heard) {
  constructor(url, transport, bursts) {
    super();
    this.name = `${transport} to ${url}`;
    const tell = (event, fields) => this.hear({ event, ...fields });
    this.conn = converse({ SockJS, url, transports: transport && [transport], bursts, tell });
  }

  get events() {
    return this.heard;
  }
}

function conversation(t, url, transport, bursts) {
  const made = new Conversation(url, transport, bursts);
  t.after(() => made.conn.close());
  return made;
}

/** Waits for the end of a conversation. What happened, but for the close itself, must be this. */
async function ended(heard, ...expected) {
  const { code, reason } = await heard.event('close');
  const events = heard.events.map(({ event, transport }) => transport ?? event);
  assert.deepEqual(events, [...expected, 'close'], heard.story);
  return { code, reason };
}

const BY_CLIENT = { code: 1000, reason: 'Normal closure' };

for (const transport of TRANSPORTS) {
  test(`${transport}: everything comes back, whole and in order`, async (t) => {
    const echo = conversation(t, `${origin}/echo`, transport, bursts());
    assert.deepEqual(await ended(echo, transport, 'echoed'), BY_CLIENT);
  });

  test(`${transport}: the server closes`, async (t) => {
    const closing = conversation(t, `${origin}/close`, transport);
    assert.deepEqual(await ended(closing, transport), { code: 3000, reason: 'Go away!' });
  });
}

// Not by xhr: sockjs-client's for Node does not hear when a response breaks off. In a page it does.
test('websocket: the server is killed', async (t) => {
  const server = await system.sockjs();
  const listening = conversation(t, `${server.origin}/echo`, 'websocket');
  await listening.event('open');
  await server.end('SIGKILL');
  assert.equal((await ended(listening, 'websocket')).code, 1006);
});

test('eventsource: the server is killed, and its successor has another session', async (t) => {
  const server = await system.sockjs(await freePort());
  const listening = conversation(t, `${server.origin}/echo`, 'eventsource');
  await listening.event('open');
  await server.end('SIGKILL');
  await system.sockjs(new URL(server.origin).port); // until then sockjs-client tries again
  assert.deepEqual(await ended(listening, 'eventsource'), { code: 1006, reason: 'Server lost session' });
});

for (const [service, transport] of [['echo', 'websocket'], ['disabled_websocket_echo', 'xhr-streaming']]) {
  test(`${service}: ${transport} is what it chooses`, async (t) => {
    const echo = conversation(t, `${origin}/${service}`, undefined, bursts().slice(0, 1));
    assert.deepEqual(await ended(echo, transport, 'echoed'), BY_CLIENT);
  });
}

for (const transport of ['xhr-streaming', 'xhr-polling', 'eventsource']) {
  test(`${transport}: another server opens another session, which the client does not take for its own`, async (t) => {
    const other = await system.sockjs();
    let receivers = 0;
    const isFirst = (path) => /_send|\/info/.test(path) || receivers++ === 0;
    const url = await front(t, ({ url }) => (isFirst(url) ? origin : other.origin));
    // More than the response limit, after which a stream asks again.
    const lost = conversation(t, `${url}/echo`, transport, [[{ text: 'x'.repeat(5000) }, { text: 'never' }]]);
    assert.deepEqual(await ended(lost, transport), { code: 1006, reason: 'Server lost session' });
  });

  test(`${transport}: a message to a server that does not know the session ends it`, async (t) => {
    const other = await system.sockjs();
    const url = await front(t, ({ url }) => (url.includes('_send') ? other.origin : origin));
    const lost = conversation(t, `${url}/echo`, transport, [[{ text: 'hello' }]]);
    assert.deepEqual(await ended(lost, transport), { code: 1006, reason: 'Sending error: Error: http status 404' });
  });
}
