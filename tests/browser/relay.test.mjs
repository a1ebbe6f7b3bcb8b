// From an application to pages in Chromium, through real processes: pages of the original and our own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
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

/** Opens a page, and waits until what is published reaches it. */
async function visit(t, name, { user, host, ...parameters }) {
  const page = await Page.open(browser, site.address(name, { ...parameters, token: user && tokens[user] }, host));
  t.after(() => page.close());
  await page.event('open');
  await system.warm(mq.sub, page, user ? [user] : []);
  return page;
}

const faults = (page) => page.events.filter(({ event }) => event === 'fault');

for (const name of ['original', 'module', 'script']) {
  for (const transport of [undefined, ...TRANSPORTS]) {
    test(`${name} over ${transport ?? 'what it chooses'}: all, its own, and nobody else's`, async (t) => {
      const [first, second] = servers;
      const pages = await Promise.all([
        visit(t, name, { url: first.url, transport, user: '42' }),
        visit(t, name, { url: second.url, transport, user: '7', host: 'localhost' }),
        visit(t, name, { url: second.url, transport }),
      ]);
      const [mine, other, nobody] = pages;
      assert.equal((await mine.event('open')).transport, transport ?? 'websocket');

      const publish = system.application(mq.sub);
      publish({ msg: 'Hi' }, ['42']);
      publish({ msg: 'Hi all!' });
      for (const page of pages) await page.message({ msg: 'Hi all!' });

      assert.deepEqual(mine.received, [{ msg: 'Hi' }, { msg: 'Hi all!' }]);
      assert.deepEqual(other.received, [{ msg: 'Hi all!' }]);
      assert.deepEqual(nobody.received, [{ msg: 'Hi all!' }]);
      for (const page of pages) assert.deepEqual(faults(page), []);
    });
  }
}

for (const transport of TRANSPORTS) {
  test(`more than one response holds comes over ${transport}, in order`, async (t) => {
    const [{ url }] = servers;
    const page = await visit(t, 'module', { url, transport });
    const sent = Array.from({ length: 12 }, (_, n) => `${n} ${'100% '.repeat(4_000)}`);
    const publish = system.application(mq.sub);
    for (const text of sent) publish(text);
    await page.message(sent.at(-1));
    assert.deepEqual(page.received, sent);
    assert.deepEqual(page.events.filter(({ event }) => event !== 'message').map(({ event }) => event), ['open']);
  });

  test(`a page comes back over ${transport} when its server does, with its subscription`, async (t) => {
    let server = await system.server({ mq: mq.pub, port: await freePort() });
    const page = await visit(t, 'module', { url: server.url, transport, user: '42' });
    await server.end('SIGKILL');
    await page.event('connecting');
    server = await system.server({ mq: mq.pub, port: server.port });
    await page.event('open', 2);
    await system.warm(mq.sub, page, ['42']);
    await server.end();
  });
}
