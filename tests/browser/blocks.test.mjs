// The blocks of docs/ and of client-js's README that are for pages, in Chromium, as they are printed, against a real server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { stubSubscribe } from './pushes.mjs';
import { replaced } from './proxies.mjs';

const root = new URL('../../', import.meta.url);
const DIST = ['pushnote.mjs', 'pushnote.js', 'push.mjs', 'updates.mjs', 'pushnote-sw.js'];
/** What a bundler finds by these names. */
const IMPORTS = { pushnote: '/pushnote.mjs', 'pushnote/push': '/push.mjs', 'pushnote/updates': '/updates.mjs' };
/** A browser's keys: a point of the curve, and 16 bytes. */
const KEYS = {
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
};
const CHANNELS = ['public.', 'news'].map((prefix) => `--channels={ prefix = "${prefix}", public = true }`);
const LOCATION = '{ type = "subscriber", url = "/updates/([^/]+)", create_on_get = true }';
const PUBLISHER = '{ type = "publisher", url = "/send-update/([^/]+)" }';

const system = new System();
const folder = mkdtempSync(join(tmpdir(), 'pushnote-blocks-'));
const pages = {};
let browser;
let site;
let server;
let mq;
let origin;
let lightpush;

/** The page's block of a language that has this text. */
function block(page, language, part) {
  const text = readFileSync(new URL(page, root), 'utf8');
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].filter(([, kind, code]) => kind === language && code.includes(part));
  assert.equal(blocks.length, 1, `blocks of ${page} in ${language} with ${part}`);
  return blocks[0][2];
}

before(async () => {
  site = http.createServer(({ url }, response) => {
    const name = url.slice(1).split('?')[0];
    const script = DIST.includes(name) && readFileSync(new URL(`client-js/dist/${name}`, root));
    response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8').end(script || pages[url.slice(1)] || pages[name] || '');
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  mq = `tcp://127.0.0.1:${await freePort()}`;
  lightpush = await freePort();
  writeFileSync(join(folder, 'lightpush.key'), 'k'.repeat(40));
  const flags = [
    ...CHANNELS,
    `--locations=${LOCATION}`,
    `--locations=${PUBLISHER}`,
    // The application's pages and the server have one origin.
    `--fallback=http://127.0.0.1:${site.address().port}`,
    `--lightpush-port=${lightpush}`,
    `--lightpush-key-file=${join(folder, 'lightpush.key')}`,
    '--vapid-subject=mailto:ops@example.org',
    `--data-dir=${join(folder, 'data')}`,
    '--metrics=127.0.0.1:0',
  ];
  [browser, server] = await Promise.all([launch(), system.server({ mq, single: true, flags })]);
  origin = `http://127.0.0.1:${server.port}`;
});

after(async () => {
  await browser?.close();
  site?.close();
  site?.closeAllConnections();
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a page that consists of this. */
async function open(t, name, body, options) {
  const head = `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;
  pages[name] = head + body;
  const page = await Page.open(browser, `${origin}/${name}`, options);
  t.after(() => page.close());
  return page;
}

const script = (code) => `<script>${code}</script>`;
const module = (code) => `<script type="module">${code}</script>`;

/** Publishes until the page tells of it: nobody says when it listens. */
async function heard(page, data, { channel, event } = {}) {
  let waiting = true;
  const arrived = page.message(data).finally(() => (waiting = false));
  const more = [...(channel ? ['--channel', channel] : []), ...(event ? ['--event', event] : [])];
  while (waiting) {
    await system.start('pushnote', ['publish', JSON.stringify(data), ...more], { PUSHNOTE_MQ_SOCKET: mq }).exited;
  }
  await arrived;
  assert.deepEqual(page.events.filter(({ event }) => event === 'fault'), []);
}

test('docs/sse.md: EventSource', async (t) => {
  const page = await open(t, 'sse', script(block('docs/sse.md', 'js', "addEventListener('gap'")));
  await heard(page, { msg: 'Hi all!' }, { channel: 'public.news' });
  // Its first word says what it is.
  await system.start('pushnote', ['publish', '{}', '--channel=public.news', '--event=late'], { PUSHNOTE_MQ_SOCKET: mq }).exited;
  await page.message('an event of that name');
});

test('docs/sse.md: a page that comes back by itself', async (t) => {
  const code = `function show(data) { console.log(data); }\n${block('docs/sse.md', 'js', 'function listen')}\nlisten();`;
  const page = await open(t, 'listen', script(code));
  await heard(page, { msg: 'Hi all!' }, { channel: 'public.news' });
});

test('docs/lightpush.md: a WebSocket', async (t) => {
  const code = replaced(block('docs/lightpush.md', 'js', 'new WebSocket'), [
    ['127.0.0.1:8086', `127.0.0.1:${lightpush}`],
    ['// do something with the message here', 'console.log(message);'],
  ]);
  const page = await open(t, 'lightpush', script(code));
  await heard(page, 'kick-off', { channel: 'lightpush' });
});

/** How many browsers the server has as subscribed to Web Push. */
async function subscriptions() {
  const address = server.story.match(/metrics on (http:\S+)/)[1];
  return Number((await (await fetch(address)).text()).match(/^pushnote_server_push_subscriptions (\d+)$/m)[1]);
}

async function subscribed(before, page) {
  while ((await subscriptions()) === before) {
    assert.deepEqual(page.events.filter(({ event }) => event === 'fault'), []);
  }
}

for (const [page, part] of [['docs/web-push.md', 'enablePush'], ['client-js/README.md', 'enablePush']]) {
  test(`${page}: a button that subscribes the browser to Web Push`, async (t) => {
    const before = await subscriptions();
    const name = page.replaceAll(/\W/g, '-');
    const own = block(page, 'js', part).replace('https://push.example.org', '');
    const head = script(`const token = ${JSON.stringify(await system.token(name))};`);
    const self = await open(t, name, `<button id="button">Notify me</button>${head}${module(own)}`, { permissions: ['notifications'] });
    await stubSubscribe(self.page, { endpoint: `https://push.example/${name}`, keys: KEYS });
    await self.page.getByRole('button').click();
    await subscribed(before, self);
  });
}

test('docs/web-push.md: a page that subscribes without client-js', async (t) => {
  const before = await subscriptions();
  const own = replaced(block('docs/web-push.md', 'js', 'applicationServerKey'), [['https://push.example.org', origin]]);
  const self = await open(t, 'plain', '', { permissions: ['notifications'] });
  await stubSubscribe(self.page, { endpoint: 'https://push.example/plain', keys: KEYS });
  await self.page.evaluate(`(async () => { const token = ${JSON.stringify(await system.token('plain'))};\n${own} })()`);
  await subscribed(before, self);
});

test('client-js/README.md: a module without a bundler, and a script', async (t) => {
  const token = await system.token('42');
  const code = replaced(block('client-js/README.md', 'html', 'type="module"'), [["'https://push.example/sockjs'", "'/sockjs'"], ["'…'", `'${token}'`]]);
  const pages = [await open(t, 'readme', code), await open(t, 'classic', block('client-js/README.md', 'html', 'src="/pushnote.js"'))];
  for (const page of pages) await heard(page, { msg: 'Hi all!' });
});

test('client-js/README.md: channels, with resume', async (t) => {
  pages['token?channel='] = await system.token('42');
  pages['token?channel=news'] = await system.token('--channel', 'news');
  const code = `const show = console.log;\n${block('client-js/README.md', 'js', "persist: 'session'")}`;
  const page = await open(t, 'resume', module(`import { connect } from 'pushnote';\n${code}\nconn.on('error', ({ message }) => console.error(message));`));
  await heard(page, { msg: 'Hi' }, { channel: 'news', event: 'headline' });
});

test('client-js/README.md: updates over plain HTTP', async (t) => {
  const code = `const show = console.log;\n${block('client-js/README.md', 'js', 'registerProcessor')}`;
  const page = await open(t, 'updates', module(code));
  const body = '{"type":"answer","value":42}';
  await fetch(`${origin}/send-update/some_channel_id`, { method: 'POST', body });
  await page.message(42);
});
