// client-js's `updates` in Chromium, against the server's locations: a page of another origin, whose cookies go along.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { path } from '../node/path.mjs';
import { freePort, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const MESSAGES_MAX = 3;

const system = new System();
let browser;
let site;
let folder;

before(async () => {
  [browser, site, folder] = await Promise.all([launch(), serve(), mkdtemp(join(tmpdir(), 'pushnote-'))]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** A server with a subscriber and a publisher location, and a page that is subscribed to `a`, over a path of its own. */
async function visit(t) {
  const config = join(folder, `${Math.random()}.toml`);
  await writeFile(config, `
[[server.locations]]
type = 'subscriber'
url = '/updates/([^/]+)'
create_on_get = true
allow_origin = '${site.origin}'
allow_credentials = true
max_messages = ${MESSAGES_MAX}
message_timeout = '10m'

[[server.locations]]
type = 'publisher'
url = '/send-update/([^/]+)'
`);
  const port = await freePort();
  const flags = [`--config=${config}`, `--data-dir=${config}.data`];
  const start = () => system.server({ mq: 'tcp://127.0.0.1:0', single: true, port, flags });
  const origin = `http://127.0.0.1:${port}`;
  const server = await start();
  const way = await path(t, port);
  const page = await Page.open(browser, site.address('updates', { url: `${way.origin}/updates/a` }));
  t.after(() => page.close());
  const send = (options) => fetch(`${origin}/send-update/a`, { method: 'POST', ...options });
  const publish = async (value) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await send({ headers, body: JSON.stringify({ type: 'answer', value }) });
    assert.ok(response.ok, `status ${response.status}`);
  };
  return { page, server, port, way, start, send, publish };
}

const received = ({ events }) => events.filter(({ event }) => event === 'message').map(({ data }) => data);
const errors = ({ events }) => events.filter(({ event }) => event === 'error').map(({ message }) => message);

test('updates come once and in order, whatever is between them', async (t) => {
  const { page, server, start, send, publish } = await visit(t);
  for (const value of [1, 2]) await publish(value);
  await page.message(2);
  await send({ body: 'not JSON' });
  await publish({ a: 'žluťoučký' });
  await page.message({ a: 'žluťoučký' });
  assert.match(errors(page)[0], /^main_channel: a message is no JSON, and skipped: /);

  assert.equal((await send({ method: 'DELETE' })).status, 200);
  await page.until(() => errors(page).some((text) => text.includes('status 410: the channel was deleted')), 'the end of the channel');
  await publish(4);
  await page.message(4);

  // The server is killed, and comes back with what it has on disk.
  await server.end();
  await page.until(() => errors(page).length > 2, 'an error');
  await start();
  await publish(5);
  await page.message(5);
  assert.deepEqual(received(page), [1, 2, { a: 'žluťoučký' }, 4, 5]);
});

test('what the server has no more is told', async (t) => {
  const { page, port, way, publish } = await visit(t);
  await publish(1);
  await page.message(1);
  way.lead(await freePort()); // nowhere
  way.cut();
  await page.until(() => errors(page).length > 0, 'an error');
  for (const value of [2, 3, 4, 5, 6]) await publish(value);
  way.lead(port);
  await page.message(6);
  assert.deepEqual(received(page), [1, 4, 5, 6]);
  const kinds = page.events.map(({ event }) => event);
  assert.ok(kinds.indexOf('gap') > kinds.indexOf('error') && kinds.indexOf('gap') < kinds.lastIndexOf('message') - 2, `${kinds}`);
});
