// docs/deploy.md: the servers as it starts them, behind each proxy as it sets them up, both by the names that it prints,
// with pages in Chromium over every transport, events, and messages published through the API.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { front } from '../node/front.mjs';
import { BIN_DIR, freePort, Process, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { absent, block, certificate, HOST, launchProxy, MODULES, NAMES, PAGE, proxy, replaced } from './proxies.mjs';
import { serve } from './site.mjs';
import { OTHER, SKIPPED, TRANSPORTS } from './transports.mjs';

/** The transports that tell an origin: all of our own client's, and of sockjs-client's. */
const TELLING = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
/** What sockjs-client has besides, for which all origins must be allowed. The requests are like those of the others. */
const OLD = TRANSPORTS.filter((transport) => !TELLING.includes(transport));
/** A message that is kept back on the way waits for this or for ever: HAProxy's is 200 ms. */
const DELAY_MS = 150;
/** Whose pages may connect, as the page has it. */
const SITE = block('toml').match(/^allowed_origin = \["(.*?)"\]/m)[1];
/** For whose pages the servers' cookies are another site's. */
const OTHER_SITE = 'https://www.example.net';
const PRINTED = { proxy: 443, one: 8080, two: 8081, api: 8090, sub: 8002, pub: 8001 };

const system = new System();
const folder = mkdtempSync(join(tmpdir(), 'pushnote-deploy-'));
const ports = {};
const heads = [];
const ends = [];
let browser;
let site;
let application;
let made;
let key;
/** The two that the page starts, and two that allow all origins: they have those transports on, too, that tell no origin. */
let servers;
let allowing;

/** The page's ports for ones that are free, in a text of it. */
const own = (text, ...names) => replaced(text, names.map((name) => [`:${PRINTED[name]}`, `:${ports[name]}`]));

const PATH = `${BIN_DIR}:${process.env.PATH}`;
const shell = (text) => execFileSync('bash', ['-c', text], { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH } });

before(async () => {
  made = certificate(folder);
  [site, application] = await Promise.all([serve({ key: readFileSync(made.key), cert: readFileSync(made.crt) }), serve()]);
  for (const name of ['proxy', 'sub', 'pub']) ports[name] = await freePort();
  const sites = [SITE, OTHER_SITE].map((origin) => [new URL(origin).host, site.port]);
  browser = await launch(undefined, { [HOST]: ports.proxy, ...Object.fromEntries(sites) });
  const fallback = await front({ after: (end) => ends.push(end) }, ({ headers }) => heads.push(headers) && application.origin);

  writeFileSync(join(folder, 'pushnote.toml'), own(block('toml'), 'sub', 'pub'));
  assert.match(shell(block('sh', 'pushnote keygen')), /pushnote.toml: sound/);
  key = readFileSync(join(folder, 'shop.key'), 'utf8').trim();
  const lines = block('sh', '--api-keys').trim().split('\n');
  assert.equal(lines.length, 3);
  const start = async (line, ready, env) => {
    const [binary, ...args] = line.split(' ').map((word) => word.replace(/(=|:)(8080|8081|8090)$/, '$10'));
    const started = system.start(binary, args, { PUSHNOTE_SECRET: undefined, PUSHNOTE_FALLBACK: fallback, ...env }, folder);
    const listening = (what) => started.story.match(new RegExp(`^  ${what} on \\S+:(\\d+)`, 'm'))?.[1];
    await started.until(() => listening(ready), ready);
    return { started, port: listening('listening'), api: listening('api listening') };
  };
  await start(lines[0], 'pub listening');
  servers = [await start(lines[1], 'api listening'), await start(lines[2], 'listening')];
  const all = { PUSHNOTE_ALLOWED_ORIGINS: '*', PUSHNOTE_SOCKJS_URL: `${SITE}/sockjs.js` };
  allowing = [await start(lines[2], 'listening', all), await start(lines[2], 'listening', all)];
  for (const { started } of servers) await started.until(() => started.story.includes('subscribed to'), 'the forwarder');
  [ports.one, ports.two, ports.api] = [servers[0].port, servers[1].port, servers[0].api];
});

after(async () => {
  await browser?.close();
  for (const end of ends) end();
  site?.close();
  application?.close();
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

const setUp = (changes = [], [one, two] = servers) => {
  const printed = [[`127.0.0.1:${PRINTED.one}`, `127.0.0.1:${one.port}`], [`127.0.0.1:${PRINTED.two}`, `127.0.0.1:${two.port}`]];
  return { port: ports.proxy, servers: [...printed, ...changes], certificate: made };
};
const start = (t, name, ...more) => proxy(t, name, setUp(...more));

/** A page of `from`, an origin, that is connected to the servers through the proxy. */
async function opened(t, from, kind, transport) {
  const token = shell('pushnote token 42 --secret-file=secret').trim();
  const { pathname, search } = new URL(site.address(kind, { url: `https://${HOST}/sockjs`, transport, token }));
  const page = await Page.open(browser, from + pathname + search, { ignoreHTTPSErrors: true });
  t.after(() => page.close());
  assert.equal((await page.event('open')).transport, transport);
  return page;
}

/** An empty page of `from`, an origin. */
async function blank(t, from) {
  const page = await Page.open(browser, `${from}/none`, { ignoreHTTPSErrors: true });
  t.after(() => page.close());
  return page;
}

/** What a page over this transport gets, at once and without a break. */
async function gets(page, name) {
  await subscribed(page, '42');
  await withoutDelay(page, name, { users: ['42'] });
  assert.equal(page.events.filter(({ event }) => event === 'close' || event === 'connecting').length, 0, page.story);
}

/**
 * Publishes one message after the other, each when the one before is there, and ten at least: one had no delay on its way. What the
 * way delays is each of them, and on a busy machine many are late.
 */
async function withoutDelay(page, name, audience) {
  let fastest = Infinity;
  for (let n = 0; n < 10 || (n < 100 && fastest >= DELAY_MS); n++) {
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
    const { ask } = await start(t, name);
    for (const transport of TELLING) {
      // sockjs-client's EventSource brings another origin no cookie, as the page says, and Apache needs one.
      const kinds = name === 'apache' && transport === 'eventsource' ? ['module'] : ['original', 'module'];
      for (const kind of kinds) {
        await t.test(`${kind} over ${transport}`, async (t) => {
          await gets(await opened(t, SITE, kind, transport), `${name} ${transport}`);
        });
      }
    }

    await t.test('events', async (t) => {
      const page = await blank(t, SITE);
      await page.page.evaluate((address) => {
        const events = new EventSource(address);
        events.onopen = () => console.info('open', {});
        events.onmessage = ({ data }) => console.log(JSON.parse(data));
      }, `https://${HOST}/events`);
      await page.event('open');
      await withoutDelay(page, `${name} events`, { everyone: true });
    });

    for (const [from, expected] of [[SITE, ['open', 'open', 200]], [OTHER_SITE, ['error', 'error', 'TypeError']]]) {
      await t.test(`pages of ${from} get ${expected}`, async (t) => {
        const page = await blank(t, from);
        const got = await page.page.evaluate(async (host) => {
          const first = (source) => new Promise((got) => (source.onopen = source.onerror = ({ type }) => got(type)));
          return Promise.all([
            first(new WebSocket(`wss://${host}/sockjs/websocket`)),
            first(new EventSource(`https://${host}/events`)),
            fetch(`https://${host}/sockjs/info`, { credentials: 'include' }).then(({ status }) => status, (error) => error.name),
          ]);
        }, HOST);
        assert.deepEqual(got, expected);
      });
    }

    await t.test('a request comes with whose it is', async () => {
      heads.length = 0;
      await ask('/whence', { 'X-Forwarded-Proto': 'http' });
      const [{ 'x-forwarded-for': address, 'x-forwarded-proto': scheme }] = heads;
      // The browser's and then the proxy's own, which the server adds.
      assert.deepEqual([address.split(/, */).length, scheme], [2, 'https']);
    });
  });
}

for (const name of NAMES) {
  // Chromium without a screen keeps cookies of other sites back, as the page says that browsers do: Apache's is one.
  const from = name === 'apache' ? SITE : OTHER_SITE;
  test(`${name}: where all origins are allowed, pages of ${from} over what tells no origin`, { skip: absent(name) }, async (t) => {
    await start(t, name, [], allowing);
    // The streams and polls of a frame are the same as without one: that they come through one proxy is enough.
    for (const transport of { nginx: OLD, apache: ['eventsource', 'jsonp-polling'] }[name] ?? ['jsonp-polling']) {
      const owned = transport === 'eventsource' || SKIPPED.some(([other, where]) => other === transport && where === OTHER);
      await t.test(transport, async (t) => {
        await gets(await opened(t, owned ? `https://${HOST}` : from, 'original', transport), `${name} ${transport}`);
      });
    }
  });
}

/** What the page has in a line of its text, in `backquotes`. */
const inline = (text) => PAGE.match(new RegExp(`\`(${text}[^\`]*)\``))[1];

test('nginx: what the page adds in words, for Web Push and behind Cloudflare', { skip: absent('nginx') }, async (t) => {
  const lines = block('nginx', 'upstream').match(/ {4}location \/ \{\n( +proxy_pass .*\n)([^]*?) {4}\}\n/);
  // The server without Web Push is down for `/`: what is answered came by the line for `/push/`.
  const push = replaced(inline('location /push/ '), [[' }', `\n${lines[2]}}`], [`127.0.0.1:${PRINTED.one}`, `127.0.0.1:${ports.one}`]]);
  const nobody = await freePort();
  const elsewhere = [{ port: nobody }, { port: nobody }];
  const added = [['    location / {', `    ${inline('keepalive_timeout ')}\n    ${push}\n    location / {`]];
  const { started, ask } = launchProxy(t, 'nginx', setUp(added, elsewhere));
  let answer;
  while (!answer && started.child.exitCode === null) answer = await ask('/push/whence').catch(() => undefined);
  assert.ok(answer, started.story);
  assert.notEqual(answer.status, 502);
  assert.equal((await ask('/health')).status, 502);
});

test("caddy: what the page adds in words, behind Cloudflare: by the browser's address", { skip: absent('caddy') }, async (t) => {
  const trusted = replaced(inline('trusted_proxies '), [['173.245.48.0/20', '127.0.0.1']]);
  const changes = [['lb_policy ip_hash', `${inline('lb_policy header ')}\n${trusted}`]];
  const came = [];
  const watched = async ({ port }, server) => {
    const origin = await front(t, ({ headers, url }) => {
      if (url === '/whence') came.push({ server, headers });
      return `http://127.0.0.1:${port}`;
    });
    return { port: new URL(origin).port };
  };
  const { ask } = await start(t, 'caddy', changes, await Promise.all(servers.map(watched)));
  const addresses = Array.from({ length: 20 }, (_, n) => `192.0.2.${n}`);
  for (const address of [...addresses, ...addresses]) await ask('/whence', { 'X-Forwarded-For': address, 'CF-Connecting-IP': address });
  const all = came.map(({ server }) => server);
  assert.deepEqual(all.slice(0, 20), all.slice(20));
  assert.equal(new Set(all).size, 2);
  assert.deepEqual(came.slice(0, 20).map(({ headers }) => headers['x-forwarded-for'].split(',')[0]), addresses);
});

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
  const doctor = `${page.replace('push.example.org', `127.0.0.1:${ports.proxy}`)} --insecure --keep-alive=0s`;
  assert.ok(doctor.includes(`--origin=${SITE} `));
  assert.match(shell(doctor), /^ok +page +websocket .*^ok +page +token .*^ok +page +stickiness /ms);
  const keptOut = /^FAIL +page +origin .* keeps pages of https:\/\/www.example.net out/m;
  assert.throws(() => shell(doctor.replace(SITE, OTHER_SITE)), ({ stdout }) => keptOut.test(stdout));
  assert.match(shell(own(mq, 'sub', 'pub')), /ok/);
});
