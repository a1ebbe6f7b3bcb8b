// Pages in Chromium against sockjs-node: what they are worth when a fault is not ours.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sockjs from 'sockjs';
import { Process } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
let browser;
let server;
let site;
let url;

before(async () => {
  const echo = sockjs.createServer({ log: () => {} });
  echo.on('connection', (conn) => conn.on('data', (text) => conn.write(text)));
  server = http.createServer();
  echo.installHandlers(server, { prefix: '/echo' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/echo`;
  [browser, site] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser?.close();
  site?.close();
  server.close();
  server.closeAllConnections();
});

for (const name of ['original', 'module', 'script']) {
  for (const transport of TRANSPORTS) {
    test(`${name} over ${transport}`, async (t) => {
      for (const host of ['127.0.0.1', 'localhost']) {
        const page = await Page.open(browser, site.address(name, { url, transport, token: '42:a' }, host));
        t.after(() => page.close());
        assert.equal((await page.event('open')).transport, transport);
        await page.message('{"name":"subscribe","data":{"token":"42:a"}}');
        await page.page.evaluate(({ data }) => globalThis.conn?.emit('note', data), { data: ['Grüße 😀'] });
        if (name !== 'module') await page.message('{"name":"note","data":["Grüße 😀"]}');
        assert.deepEqual(page.events.filter(({ event }) => event === 'fault'), []);
      }
    });
  }
}

test('the driver tells what a page says, and ends by itself', async () => {
  const driver = fileURLToPath(new URL('browser.mjs', import.meta.url));
  const run = new Process(process.execPath, [driver, '--page=original', `--url=${url}`, '--token=42:a', '--count=1']);
  assert.equal((await run.exited).code, 0, run.story);
  assert.deepEqual(
    run.output.map((line) => JSON.parse(line)),
    [
      { event: 'open', transport: 'websocket' },
      { event: 'message', data: '{"name":"subscribe","data":{"token":"42:a"}}' },
    ],
  );
});
