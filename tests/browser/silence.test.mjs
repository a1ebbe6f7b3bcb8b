// A page whose path to the server has gone silent, as after a change of network, in Chromium with a clock that the test
// moves.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { path } from '../node/path.mjs';
import { System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const system = new System();
let browser;
let site;
let mq;
let server;

before(async () => {
  mq = await system.mq();
  server = await system.server({ mq: mq.pub });
  [browser, site] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
});

/** A page of our own client that gets messages, and the path that they take. */
async function connected(t, transport) {
  const way = await path(t, server.port);
  const self = await Page.open(browser, 'about:blank');
  t.after(() => self.close());
  await self.page.clock.install();
  // A browser asks next on a connection that it has, and that is as silent: only then on another.
  await self.page.goto(site.address('module', { url: `${way.origin}/sockjs`, transport, openTimeoutMs: 5_000 }));
  await self.event('open');
  await system.warm(mq.sub, self);
  // Warming may have sent one more, which would be a sign of life after the silence has begun.
  await system.publish('settled', { to: mq.sub });
  await self.message('settled');
  return { self, way };
}

for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
  test(`${transport}: it is noticed after one and a half heartbeats, and the page comes back`, async (t) => {
    const { self, way } = await connected(t, transport);
    way.silence();
    await self.page.clock.runFor(42_000);
    assert.match((await self.event('error')).message, /^the server was silent for 40000 ms/);
    await self.page.clock.runFor(1_000);
    await self.event('open', 2);
    await system.warm(mq.sub, self);
  });

  test(`${transport}: it is noticed at once when the page wakes`, async (t) => {
    const { self, way } = await connected(t, transport);
    way.silence();
    await self.page.clock.fastForward(600_000); // the laptop's lid was closed: timers ring once, and late
    await self.page.evaluate(() => globalThis.dispatchEvent(new Event('online')));
    await self.page.clock.runFor(3_000);
    await self.event('error');
    await self.event('open', 2);
    await system.warm(mq.sub, self);
  });
}

test('a page that wakes with its connection whole keeps it', async (t) => {
  const { self } = await connected(t, 'websocket');
  await self.page.clock.pauseAt((await self.page.evaluate(() => Date.now())) + 600_000);
  await system.publish('while it slept', { to: mq.sub });
  await self.message('while it slept');
  await self.page.clock.runFor(30_000);
  await system.publish('still there', { to: mq.sub });
  await self.message('still there');
  assert.deepEqual(self.events.filter(({ event }) => event !== 'message').map(({ event }) => event), ['open']);
});
