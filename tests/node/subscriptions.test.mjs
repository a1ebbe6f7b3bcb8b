// What the server makes of tokens, as clients meet it on each transport.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort, System } from './processes.mjs';

const system = new System();
let to;
let server;

before(async () => {
  to = `tcp://127.0.0.1:${await freePort()}`;
  server = await system.server({ mq: to, single: true });
});
after(() => system.stop());

for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
  test(`${transport}: a second subscription adds a second user`, async () => {
    const publish = system.application(to);
    for (const driver of ['sockjs_client.mjs', 'pushnote_client.mjs']) {
      const client = await system.subscriber(driver, { url: server.url, transport, users: ['42', '7'], to });
      publish({ to: '7' }, ['7']);
      publish({ to: '42' }, ['42']);
      publish({ to: 'both' }, ['7', '42']);
      publish('the end');
      await client.message('the end');
      assert.deepEqual(client.received, [{ to: '7' }, { to: '42' }, { to: 'both' }, 'the end'], 'each of them once');
    }
  });

  test(`${transport}: a token that nobody signed ends the connection for good, and the page is told why`, async () => {
    const client = system.client('pushnote_client.mjs', { url: server.url, transport, tokens: ['42:forged'] });
    const { code, reason } = await client.event('close');
    assert.deepEqual({ code, reason }, { code: 3500, reason: 'token is invalid' });
    assert.match((await client.event('error')).message, /ended the connection for good: token is invalid \(3500\)/);

    const original = system.client('sockjs_client.mjs', { url: server.url, transport, tokens: ['42:forged'] });
    assert.equal((await original.event('close')).code, 3500);
  });
}
