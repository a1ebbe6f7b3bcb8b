// Sites in Rust, the examples of its crate: a page in Chromium gets what a handler of axum, and of actix-web, publishes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { System, freePort } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';

const system = new System();
let browser;
let server;
let mq;

before(async () => {
  mq = `tcp://127.0.0.1:${await freePort()}`;
  [browser, server] = await Promise.all([launch(), system.server({ mq, single: true })]);
});

after(async () => {
  await browser?.close();
  await system.stop();
});

for (const framework of ['axum', 'actix']) {
  test(`an order at a site on ${framework} appears on the page`, async (t) => {
    const env = { PORT: '0', PUSHNOTE_URL: server.url, PUSHNOTE_MQ_SOCKET: mq };
    const site = system.start(`examples/${framework}_site`, [], env);
    const address = await site.until(() => site.story.match(/listening on (\S+)/)?.[1], 'readiness');
    const self = await Page.open(browser, address);
    t.after(() => self.close());
    const order = self.page.getByText('Order', { exact: true });
    const appeared = self.page.getByRole('listitem').getByText(/^Order \d+$/).first();
    // Nothing tells a page that its subscription is in force, and what came before that is missed.
    while (!(await appeared.isVisible())) {
      const answered = self.page.waitForResponse((response) => response.url() === `${address}/orders`);
      await order.click();
      assert.equal((await answered).status(), 201);
    }
    const faults = self.events.filter(({ url }) => url !== `${address}/favicon.ico`); // it has none
    assert.deepEqual(faults, [], 'nothing to complain of on the console');

    // It ends as it should: with what it had published written, and no complaint.
    const { code } = await site.end('SIGINT');
    assert.equal(code, 0, site.story);
    assert.doesNotMatch(site.story, /WARN|error/i);
  });
}
