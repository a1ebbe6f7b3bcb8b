// A process dies and comes back: our client notices, returns, and subscribes again by itself.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freePort, System } from './processes.mjs';

for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
  describe(transport, () => {
    const system = new System();
    let mq;
    let server;
    let client;

    before(async () => {
      mq = await system.mq();
      server = await system.server({ mq: mq.pub, port: await freePort() });
      client = await system.subscriber('pushnote_client.mjs', { url: server.url, transport, users: ['42'], to: mq.sub });
    });
    after(() => system.stop());

    test('a server that is killed', async () => {
      await server.end('SIGKILL');
      await client.event('lost');
      server = await system.server({ mq: mq.pub, port: server.port });
      await client.event('open', 2);
      await system.warm(mq.sub, client, ['42']);
    });

    test('a server that ends in order says so, and the client comes back', async () => {
      // Each try to come back that failed was a loss, too.
      const losses = client.events.filter(({ event }) => event === 'lost').length;
      const { code } = await server.end('SIGTERM');
      assert.equal(code, 0, server.output);
      assert.equal((await client.event('lost', losses + 1)).code, 3001);
      assert.deepEqual(client.events.filter(({ event, code }) => event === 'error' && code === 3001), []);
      server = await system.server({ mq: mq.pub, port: server.port });
      await client.event('open', 3);
      await system.warm(mq.sub, client, ['42']);
    });

    test('a forwarder that is killed is no matter of the client', async () => {
      await mq.end('SIGKILL');
      mq = await system.mq(mq.ports);
      await system.warm(mq.sub, client, ['42']);
      assert.equal(client.events.filter(({ event }) => event === 'open').length, 3);
    });
  });
}
