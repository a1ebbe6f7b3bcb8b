// docs/deploy.md: the servers as it starts them, behind each proxy as it sets them up, with pages in Chromium over every
// transport, events, and messages published through the API.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { front } from '../node/front.mjs';
import { BIN_DIR, freePort, Process, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { absent, block, certificate, launchProxy, MODULES, NAMES, proxy, replaced } from './proxies.mjs';
import { serve } from './site.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling', 'jsonp-polling'];
/** By sockjs-client, and by our own client what that does in a way of its own. */
const PAGES = [...TRANSPORTS.map((transport) => ['original', transport]), ['module', 'eventsource']];
/** A message that is kept back on the way waits for this or for ever: HAProxy's is 200 ms. */
const DELAY_MS = 150;
const PRINTED = { proxy: 443, one: 8080, two: 8081, api: 8090, sub: 8002, pub: 8001 };

const system = new System();
const folder = mkdtempSync(join(tmpdir(), 'pushnote-deploy-'));
const ports = {};
const heads = [];
const ends = [];
let browser;
let site;
let made;
let key;
let servers;

/** The page's ports for ones that are free, in a text of it. */
const own = (text, ...names) => replaced(text, names.map((name) => [`:${PRINTED[name]}`, `:${ports[name]}`]));

const PATH = `${BIN_DIR}:${process.env.PATH}`;
const shell = (text) => execFileSync('bash', ['-c', text], { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH } });

before(async () => {
  for (const name of Object.keys(PRINTED)) ports[name] = await freePort();
  [browser, site] = await Promise.all([launch(), serve()]);
  made = certificate(folder);
  // Pages are the application's behind the servers, so that they are of the proxy's own origin, with its cookies.
  const application = await front({ after: (end) => ends.push(end) }, ({ headers }) => heads.push(headers) && site.origin);

  writeFileSync(join(folder, 'pushnote.toml'), own(block('toml'), 'sub', 'pub'));
  assert.match(shell(block('sh', 'pushnote keygen')), /pushnote.toml: sound/);
  key = readFileSync(join(folder, 'shop.key'), 'utf8').trim();
  const lines = block('sh', '--api-keys').trim().split('\n');
  // With allowed_origin, transports that tell no origin are off: here all are to be seen.
  const env = { PUSHNOTE_SECRET: undefined, PUSHNOTE_FALLBACK: application, PUSHNOTE_ALLOWED_ORIGINS: '*' };
  const start = async (line, ready) => {
    const [binary, ...args] = line.split(' ').map((word) =>
      word.replace(/=8080$/, `=${ports.one}`).replace(/=8081$/, `=${ports.two}`).replace(':8090', `:${ports.api}`));
    const started = system.start(binary, args, env, folder);
    await started.until(() => started.story.includes(ready), ready);
    return started;
  };
  assert.equal(lines.length, 3);
  await start(lines[0], 'pub listening on');
  servers = [await start(lines[1], 'api listening on'), await start(lines[2], 'listening on http')];
});

after(async () => {
  await browser?.close();
  for (const end of ends) end();
  site?.close();
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function publish(message) {
  const answer = await fetch(`http://127.0.0.1:${ports.api}/v1/publish`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify(message),
  });
  assert.equal(answer.status, 202, await answer.text());
}

const setUp = (changes = []) => {
  const printed = [[`127.0.0.1:${PRINTED.one}`, `127.0.0.1:${ports.one}`], [`127.0.0.1:${PRINTED.two}`, `127.0.0.1:${ports.two}`]];
  return { port: ports.proxy, servers: [...printed, ...changes], certificate: made };
};
const start = (t, name, changes) => proxy(t, name, setUp(changes));

/** Publishes one message after the other, each when the one before is there; the fastest had no delay on its way. */
async function withoutDelay(page, name, audience) {
  let fastest = Infinity;
  for (let n = 0; n < 10; n++) {
    const begun = performance.now();
    await publish({ ...audience, data: `${name} ${n}` });
    await page.message(`${name} ${n}`);
    fastest = Math.min(fastest, performance.now() - begun);
  }
  assert.ok(fastest < DELAY_MS, `${name}: each message took ${fastest} ms or more`);
}

/** Until what is for this user arrives: a subscription is not answered. */
async function subscribed(page, user) {
  let waiting = true;
  const arrived = page.message('subscribed').finally(() => (waiting = false));
  while (waiting) await publish({ users: [user], data: 'subscribed' });
  await arrived;
}

for (const module of MODULES) {
  test(`apache: without ${module}, nothing comes through`, { skip: absent('apache') }, async (t) => {
    const { started, ask } = launchProxy(t, 'apache', { ...setUp(), modules: MODULES.filter((each) => each !== module) });
    let answer;
    while (!answer && started.child.exitCode === null) answer = await ask('/health').catch(() => undefined);
    assert.notEqual(answer?.status, 200);
  });
}

for (const name of NAMES) {
  test(`${name}: pages over every transport, events, and what is published, without delay`, { skip: absent(name) }, async (t) => {
    const { origin, ask } = await start(t, name);
    for (const [kind, transport] of PAGES) {
      await t.test(`${kind} over ${transport}`, async (t) => {
        const token = shell('pushnote token 42 --secret-file=secret').trim();
        const address = new URL(site.address(kind, { url: `${origin}/sockjs`, transport, token }));
        const page = await Page.open(browser, origin + address.pathname + address.search, { ignoreHTTPSErrors: true });
        t.after(() => page.close());
        assert.equal((await page.event('open')).transport, transport);
        await subscribed(page, '42');
        await withoutDelay(page, `${name} ${transport}`, { users: ['42'] });
        assert.equal(page.events.filter(({ event }) => event === 'close' || event === 'connecting').length, 0, page.story);
      });
    }

    await t.test('events', async (t) => {
      const page = await Page.open(browser, `${origin}/health`, { ignoreHTTPSErrors: true });
      t.after(() => page.close());
      await page.page.evaluate(() => {
        const events = new EventSource('/events');
        events.onopen = () => console.info('open', {});
        events.onmessage = ({ data }) => console.log(JSON.parse(data));
      });
      await page.event('open');
      await withoutDelay(page, `${name} events`, { everyone: true });
    });

    await t.test('a request comes with whose it is', async () => {
      heads.length = 0;
      await ask('/whence', { 'X-Forwarded-Proto': 'http' });
      const [{ 'x-forwarded-for': address, 'x-forwarded-proto': scheme }] = heads;
      // The browser's and then the proxy's own, which the server adds.
      assert.deepEqual([address.split(/, */).length, scheme], [2, 'https']);
    });
  });
}

test('a Unix socket, and the file for runit', { skip: absent('nginx') }, async (t) => {
  const socket = join(folder, '1.sock');
  const run = block('sh', '#!/bin/sh');
  const line = block('sh', '--unix-socket').trim().replace('/run/pushnote/1.sock', socket);
  const file = run.replace(/^exec pushnote-server.*$/m, `exec ${line}`).replace('ulimit -n 65536', 'ulimit -n 1024');
  assert.notEqual(file, run);
  writeFileSync(join(folder, 'run'), file, { mode: 0o755 });
  const server = new Process(join(folder, 'run'), [], { PATH }, folder);
  await server.until(() => server.story.includes('listening on http://unix:'), 'readiness');
  const printed = block('nginx', 'unix:').trim().replace('/run/pushnote/1.sock', socket);
  const { ask } = await start(t, 'nginx', [[`server 127.0.0.1:${ports.one};`, printed]]);
  assert.equal((await ask('/health')).text.trim(), 'ok');
  const { code } = await server.end('SIGTERM');
  assert.equal(code, 0, server.story);
});

test('the lines that show whether it is right', { skip: absent('nginx') }, async (t) => {
  await start(t, 'nginx');
  const [health, events, publish] = block('sh', '/health').trim().split('\n');
  const curl = (line) =>
    shell(`export CURL_CA_BUNDLE=${made.crt}; ${line.replace('push.example.org', `127.0.0.1:${ports.proxy}`).replace(':8090', `:${ports.api}`)}`);
  assert.equal(curl(health).trim(), 'ok');
  const stream = new Process('bash', ['-c', `${events.replace('push.example.org', `127.0.0.1:${ports.proxy}`)}`], { CURL_CA_BUNDLE: made.crt });
  await stream.until(() => stream.story.includes(': pushnote'), 'the first line');
  curl(publish);
  await stream.until(() => stream.story.includes('data: "Hi all!"'), 'the message');
  await stream.exited;
  const [page, mq] = block('sh', 'pushnote doctor').trim().split('\n');
  // The certificate is the proxy's own, which is signed by itself.
  const looked = shell(`${page.replace('push.example.org', `127.0.0.1:${ports.proxy}`)} --insecure --keep-alive=0s`);
  assert.match(looked, /^ok +page +websocket .*^ok +page +token .*^ok +page +stickiness /ms);
  assert.match(shell(own(mq, 'sub', 'pub')), /ok/);
});
