// client-js in Chromium tells a real server which messages were seen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort, System } from '../node/processes.mjs';
import { soon } from '../node/waiting.mjs';
import { launch, Page, setHidden } from './chromium.mjs';
import { serve } from './site.mjs';

const system = new System();
let browser;
let site;
let server;
let mq;

before(async () => {
  mq = `tcp://127.0.0.1:${await freePort()}`;
  const started = system.server({ mq, single: true, flags: ['--metrics=127.0.0.1:0'] });
  [browser, site, server] = await Promise.all([launch(), serve(), started]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
});

/** A page of a user's. */
async function visit(t, user) {
  const token = await system.token(user);
  const self = await Page.open(browser, site.address('push', { url: server.url, token }));
  t.after(() => self.close());
  await self.event('subscribed');
  return self;
}

/** Waits until the server has counted so many acknowledgements. */
async function counted(count) {
  const address = server.story.match(/metrics on (http:\S+)/)[1];
  let acks;
  const look = async () => {
    do [, acks] = (await (await fetch(address)).text()).match(/^pushnote_server_acks_total (\d+)$/m);
    while (Number(acks) !== count);
  };
  await soon(look(), `${count} acknowledgements`, () => `${acks} came`);
}

test('a message is acknowledged by a page that is in view, and by one in the background when it comes into view', async (t) => {
  const self = await visit(t, '42');
  await system.publishWithPush('seen', { to: mq, user: '42', id: 'm1' });
  await self.message('seen');
  assert.equal((await self.event('ack')).id, 'm1');
  await counted(1);

  await setHidden(self.page, true);
  await system.publishWithPush('in the background', { to: mq, user: '42', id: 'm2' });
  await self.message('in the background');
  const other = await visit(t, '43');
  await system.publishWithPush('to another', { to: mq, user: '43', id: 'm3' });
  await other.message('to another');
  await counted(2);
  assert.equal(self.events.filter(({ event }) => event === 'ack').length, 1);
  await setHidden(self.page, false);
  assert.equal((await self.event('ack', 2)).id, 'm2');
  await counted(3);
});
