// Pages in Chromium and two servers, with a load balancer between that sends a browser back to where its cookie says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { balancer } from '../node/front.mjs';
import { System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

/** What sends cookies to another origin: sockjs-client's eventsource does not. */
const TRANSPORTS = { original: ['xhr-streaming', 'xhr-polling'], module: ['xhr-streaming', 'eventsource', 'xhr-polling'] };

const system = new System();
let browser;
let site;
let mq;
let token;

before(async () => {
  mq = await system.mq();
  token = await system.token('42');
  [browser, site] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
});

for (const [cookie, flags] of [['insert', []], ['prefix', ['--cookie-needed']]]) {
  for (const [name, transports] of Object.entries(TRANSPORTS)) {
    for (const transport of transports) {
      test(`${name} over ${transport}, by a cookie that the balancer makes (${cookie})`, async (t) => {
        const servers = await Promise.all([1, 2].map(() => system.server({ mq: mq.pub, flags })));
        const origin = await balancer(t, servers.map(({ url }) => new URL(url).origin), { cookie });
        const page = await Page.open(browser, site.address(name, { url: `${origin}/sockjs`, transport, token }));
        t.after(() => page.close());
        await page.event('open');
        await system.warm(mq.sub, page, ['42']);
        const publish = system.application(mq.sub);
        for (let n = 0; n < 5; n++) publish(n, ['42']);
        await page.message(4);
        assert.deepEqual(page.received, [0, 1, 2, 3, 4]);
        // Else it would have opened twice, or lost the session: the balancer takes turns.
        assert.deepEqual(page.events.filter(({ event }) => event !== 'message').map(({ event }) => event), ['open']);
      });
    }
  }
}
