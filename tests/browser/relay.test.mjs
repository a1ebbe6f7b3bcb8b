// From an application to pages in Chromium, through real processes: pages of the original and our own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'xhr-polling'];
const system = new System();
let browser;
let site;
let mq;
let servers;
let tokens;

before(async () => {
  mq = await system.mq();
  servers = await Promise.all([1, 2].map(() => system.server({ mq: mq.pub })));
  tokens = { 42: await system.token('42'), 7: await system.token('7') };
  [browser, site] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
});

/** Opens a page and waits until it is connected. */
async function visit(t, name, parameters, host) {
  const page = await Page.open(browser, site.address(name, parameters, host));
  t.after(() => page.close());
  await page.event('open');
  return page;
}

const faults = (page) => page.events.filter(({ event }) => event === 'fault');
const received = (page) => page.messages.filter((data) => !data?.warm);

for (const name of ['original', 'module', 'script']) {
  for (const transport of [undefined, ...TRANSPORTS]) {
    test(`${name} over ${transport ?? 'what it chooses'}: all, its own, and nobody else's`, async (t) => {
      const [first, second] = servers;
      const mine = await visit(t, name, { url: first.url, transport, token: tokens[42] });
      const other = await visit(t, name, { url: second.url, transport, token: tokens[7] }, 'localhost');
      const nobody = await visit(t, name, { url: second.url, transport });
      const pages = [mine, other, nobody];
      assert.equal((await mine.event('open')).transport, transport ?? 'websocket');
      await system.warm(mq.sub, pages);

      await system.publish({ msg: 'Hi' }, { to: mq.sub, users: ['42'] });
      await system.publish({ msg: 'Hi all!' }, { to: mq.sub });
      for (const page of pages) await page.message({ msg: 'Hi all!' });

      assert.deepEqual(received(mine), [{ msg: 'Hi' }, { msg: 'Hi all!' }]);
      assert.deepEqual(received(other), [{ msg: 'Hi all!' }]);
      assert.deepEqual(received(nobody), [{ msg: 'Hi all!' }]);
      for (const page of pages) assert.deepEqual(faults(page), []);
    });
  }
}

for (const transport of TRANSPORTS) {
  test(`a page comes back over ${transport} when its server does, with its subscription`, async (t) => {
    let server = await system.server({ mq: mq.pub });
    const page = await visit(t, 'module', { url: server.url, transport, token: tokens[42] });
    await system.warm(mq.sub, [page]);
    await server.end('SIGKILL');
    await page.event('connecting');
    server = await system.server({ mq: mq.pub, port: server.port });
    await page.event('open', 2);
    await system.warm(mq.sub, [page]);
    await system.publish({ back: true }, { to: mq.sub, users: ['42'] });
    await page.message({ back: true });
    await server.end();
  });
}
