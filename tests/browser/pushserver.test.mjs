// django-pushserver's README, from its settings to its signals: its publisher, its script with jQuery, its tag and its view, all
// unchanged, in Python 2; this server stands where its daemon stood.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Process, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const absent = file('.venv2/absent');
const skip = existsSync(absent) ? readFileSync(absent, 'utf8').trim() : false;

const system = new System();
let browser;
let folder;

before(async () => {
  if (skip) return;
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), 'pushnote-'));
});

after(async () => {
  await browser?.close();
  await system.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** The site of the README, and where it is. */
async function site(t) {
  const path = `${file('.venv2/pushserver')}:${file('.cache/django-pushserver-0.3.4')}`;
  const jquery = file('node_modules/jquery/dist/jquery.js');
  const site = new Process(file('.venv2/python'), [file('python/pushserver_site.py'), jquery], { PYTHONPATH: path });
  t.after(() => site.end());
  const address = () => site.story.match(/listening on (\S+)/)?.[1];
  return Object.assign(site, { address: await site.until(address, 'readiness') });
}

/** The README's settings, key by key; its ports are free ones. */
async function pushServer(origin, more = '') {
  const settings = `[server]
${more}
[[server.locations]]
type = 'subscriber'
url = '/updates/([^/]+)'
polling = 'long'
create_on_get = true
allow_origin = '${origin}'
allow_credentials = true
passthrough = '${origin}/passthrough'
min_messages = 0
max_messages = 100
message_timeout = 10

[[server.locations]]
type = 'publisher'
url = '/send-update/([^/]+)'
`;
  const config = join(folder, `${Math.random()}.toml`);
  await writeFile(config, settings);
  return system.server({ mq: 'tcp://127.0.0.1:0', single: true, flags: [`--config=${config}`] });
}

/** How often the site has said a line. */
const said = (site, line) => site.output.filter((each) => each === line).length;

async function walk(t, site, push, address) {
  site.write({ push_server: `127.0.0.1:${push.port}` });
  await site.until(() => said(site, 'told') === 1, 'the push server is known');
  const page = await Page.open(browser, address);
  t.after(() => page.close());

  // process_channel_subscribe, with what tells who it is.
  await site.until(() => said(site, 'subscribed jana some_channel_id') === 1, 'the signal of a subscription');
  const answers = [42, 'žluťoučký', [1, { a: null }]];
  for (const [index, value] of answers.entries()) {
    site.write({ send_update: ['some_channel_id', { type: 'answer', value }] });
    await site.until(() => said(site, 'sent') === index + 1, 'send_update');
    await page.message(value);
    // "for each sent update, clients unsubscribe and soon afterwards subscribe again"
    await site.until(() => said(site, 'subscribed jana some_channel_id') === index + 2, 'the next subscription');
    assert.equal(said(site, 'unsubscribed jana some_channel_id'), index + 1);
  }
  // What nobody has registered for is passed over, what follows is not.
  site.write({ send_update: ['some_channel_id', { type: 'other', value: 0 }] });
  site.write({ send_update: ['some_channel_id', { type: 'answer', value: 'last' }] });
  await page.message('last');
  // A page that is opened later is given what there is.
  const later = await Page.open(browser, address);
  t.after(() => later.close());
  await later.message('last');
}

test("runpushserver beside Django's server: the page is of another origin", { skip }, async (t) => {
  const django = await site(t);
  await walk(t, django, await pushServer(django.address), django.address);
});

test('runpushserver --allrequests: all requests come here, and the others are passed to Django', { skip }, async (t) => {
  const django = await site(t);
  const push = await pushServer(django.address, `fallback = '${django.address}'`);
  await walk(t, django, push, `http://127.0.0.1:${push.port}/`);
});
