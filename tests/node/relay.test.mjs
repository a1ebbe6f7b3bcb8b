// From an application to clients in Node, through real processes, over each transport.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freePort, System } from './processes.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'xhr-polling'];
const DRIVERS = ['sockjs_client.mjs', 'pushnote_client.mjs'];

/** Values whose way through every layer is not a matter of course. */
const AWKWARD = [
  { msg: 'Hi all!' },
  'only text, with "quotes", \\ and </script>',
  [1, -2.5, 1e21, true, null, { nested: [[]] }],
  { 'Grüße': '😀 \u2028 \u0000 \u007f \ufeff' },
  null,
];

for (const setup of ['mq and two servers', 'a single server']) {
  describe(setup, () => {
    const system = new System();
    let to;
    let servers;

    before(async () => {
      if (setup === 'a single server') {
        to = `tcp://127.0.0.1:${await freePort()}`;
        servers = [await system.server({ mq: to, single: true })];
      } else {
        const mq = await system.mq();
        to = mq.sub;
        servers = await Promise.all([1, 2].map(() => system.server({ mq: mq.pub })));
      }
    });
    after(() => system.stop());

    test('everyone gets what is for all, each user what is theirs, and nobody else anything', async () => {
      const clients = [];
      for (const { url } of servers) {
        for (const driver of DRIVERS) {
          // Not all three dozen at once, which takes a busy machine too long.
          const wanted = TRANSPORTS.flatMap((transport) => [['42'], ['7'], []].map((users) => ({ url, transport, users, to })));
          clients.push(...(await Promise.all(wanted.map(async (each) => Object.assign(await system.subscriber(driver, each), each)))));
        }
      }

      const publish = system.application(to);
      publish({ to: '42' }, ['42']);
      publish({ to: '7' }, ['7']);
      publish({ to: 'both' }, ['7', '42']);
      publish({ to: 'nobody' }, ['8']);
      for (const value of AWKWARD) publish(value);
      publish('the end');

      for (const client of clients) {
        await client.message('the end');
        assert.equal((await client.event('open')).transport, client.transport);
        const theirs = client.users.flatMap((user) => [{ to: user }, { to: 'both' }]);
        assert.deepEqual(client.received, [...theirs, ...AWKWARD, 'the end'], client.name);
      }
    });
  });
}
