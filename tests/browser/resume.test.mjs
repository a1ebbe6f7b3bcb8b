// Pages in Chromium that are away for a while, under a stream of messages: each comes once, and in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { path } from '../node/path.mjs';
import { freePort, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const INTERVAL_MS = 20;
const RULE = '--channels={prefix = "news", public = true}';

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

const server = (options) => system.server({ mq: mq.pub, flags: [RULE], ...options });

/** A page with its own path to a server. */
async function visit(t, transport, port) {
  const way = await path(t, port);
  const page = await Page.open(browser, site.address('resume', { url: `${way.origin}/sockjs`, transport, token }));
  t.after(() => page.close());
  await page.event('subscribed');
  return { page, way };
}

const visits = (t, port) => Promise.all(TRANSPORTS.map((transport) => visit(t, transport, port)));

/** Counts on, 50 times a second, for a channel, everyone and a user in turn. `stop` gives what was published. */
function stream(t) {
  const publisher = system.start('examples/shout', ['connect', mq.sub]);
  let count = 0;
  const timer = setInterval(() => {
    const audience = [{ channels: ['news'] }, { everyone: true }, { users: ['42'], channels: ['news'] }][count % 3];
    publisher.write({ name: 'publish', data: count++, ...audience });
  }, INTERVAL_MS);
  const stop = () => {
    clearInterval(timer);
    return Array.from({ length: count }, (_, n) => n);
  };
  t.after(stop);
  return { stop, count: () => count };
}

/** All of it came to all pages: once, in order, and without a gap. */
async function complete(pages, published) {
  for (const { page } of pages) {
    await page.message(published.at(-1));
    const received = await page.page.evaluate(() => sessionStorage.received);
    assert.deepEqual(received.trim().split(' ').map(Number), published);
    assert.deepEqual(page.events.filter(({ event }) => event === 'gap'), []);
  }
}

test('30 s offline', async (t) => {
  const { port } = await server();
  const pages = await visits(t, port);
  const messages = stream(t);
  for (const { page } of pages) await page.message(50);

  const networks = await Promise.all(pages.map(({ page }) => page.page.context().newCDPSession(page.page)));
  const goOffline = (offline) => {
    const conditions = { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    return Promise.all(networks.map((each) => each.send('Network.emulateNetworkConditions', conditions)));
  };
  await goOffline(true);
  // Chromium fails what is begun, and keeps a WebSocket waiting; a stream that is there would go on.
  for (const { way } of pages) way.cut();
  const before = messages.count();
  await pause(30_000);
  while (messages.count() <= before + 1_200) await pause(INTERVAL_MS); // on a busy machine
  for (const { page } of pages) assert.ok(page.received.length < before + 10, 'nothing comes to a page that is offline');
  await goOffline(false);
  for (const { page } of pages) await page.event('open', 2);
  await pause(1_000);
  await complete(pages, messages.stop());
});

test('its server is killed, and another is beside it', async (t) => {
  const [first, second] = await Promise.all([server(), server()]);
  const pages = await visits(t, first.port);
  const messages = stream(t);
  for (const { page } of pages) await page.message(100);
  await first.end('SIGKILL');
  for (const { way } of pages) way.lead(second.port);
  for (const { page } of pages) await page.event('open', 2);
  await pause(1_000);
  await complete(pages, messages.stop());
});

test('its server is killed, and comes back', async (t) => {
  const first = await server({ port: await freePort() });
  const pages = await visits(t, first.port);
  const messages = stream(t);
  for (const { page } of pages) await page.message(100);
  await first.end('SIGKILL');
  await server({ port: first.port });
  for (const { page } of pages) await page.event('open', 2);
  await pause(1_000);
  await complete(pages, messages.stop());
});

test('a page is loaded again', async (t) => {
  const { port } = await server();
  const pages = await visits(t, port);
  const messages = stream(t);
  for (const { page } of pages) await page.message(50);
  await Promise.all(pages.map(({ page }) => page.page.reload()));
  for (const { page } of pages) await page.event('open', 2);
  await pause(1_000);
  await complete(pages, messages.stop());
});
