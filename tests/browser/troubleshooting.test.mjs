// What a page's console says when nothing arrives, in Chromium: rows of docs/troubleshooting.md.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { front } from '../node/front.mjs';
import { freePort, System } from '../node/processes.mjs';
import { logged, provoke, ran, seenBy, skipped, TABLES } from '../node/troubleshooting.mjs';
import { soon } from '../node/waiting.mjs';
import { launch, Page } from './chromium.mjs';
import { absent, certificate, HOST, unpacked } from './proxies.mjs';
import { serve } from './site.mjs';

const UPGRADE = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrade;
  proxy_set_header Host $http_host;`;
/** A name that is not this machine's own, which browsers trust without TLS. */
const PLAIN = 'plain.example.org';

const system = new System();
const folder = mkdtempSync(join(tmpdir(), 'pushnote-console-'));
const ports = {};
let mq;
let server;
let buffered;
let browser;
let site;
let safe;
let silent;
let nginx;
let token;

/** nginx with a fault for each row, and one with none: what stands in `location /`. */
const FAULTS = {
  'no upgrade': ({ to }) => `proxy_pass ${to};`,
  'kept back': ({ held }) => `proxy_pass ${held}; proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering;`,
  'none': ({ to }) => `proxy_pass ${to}; ${UPGRADE}`,
  'impatient': ({ quiet }) => `proxy_pass ${quiet}; ${UPGRADE} proxy_read_timeout 6s;`,
  'impatient, with heartbeats': ({ beating }) => `proxy_pass ${beating}; ${UPGRADE} proxy_read_timeout 6s;`,
  'nobody': () => 'proxy_pass http://127.0.0.1:1;',
  'silent': ({ silence }) => `proxy_pass http://127.0.0.1:${silence}; proxy_read_timeout 1s;`,
};

async function startNginx({ crt, key }) {
  const alone = (...flags) => system.server({ mq: 'tcp://127.0.0.1:0', single: true, flags });
  buffered = await alone('--metrics=127.0.0.1:0');
  const [quiet, beating] = [origin(await alone()), origin(await alone('--heartbeat-delay=2'))];
  const to = { to: origin(server), held: origin(buffered), quiet, beating, silence: silent.address().port };
  const blocks = [];
  for (const [name, location] of Object.entries(FAULTS)) {
    ports[name] = await freePort();
    blocks.push(`server { listen 127.0.0.1:${ports[name]}; location / { ${location(to)} } }`);
  }
  ports.http2 = await freePort();
  blocks.push(`server { listen 127.0.0.1:${ports.http2} ssl http2; ssl_certificate ${crt}; ssl_certificate_key ${key};
    location / { proxy_pass ${to.to}; ${UPGRADE} } }`);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, `daemon off; pid ${folder}/pid; error_log stderr crit; events {}
http { access_log off; ${paths.join(' ')} map $http_upgrade $upgrade { default upgrade; "" ""; } ${blocks.join('\n')} }`);
  nginx = unpacked('usr/sbin/nginx', ['-p', folder, '-c', file, '-e', 'stderr']);
  const answers = async () => {
    while (!(await fetch(`http://127.0.0.1:${ports['no upgrade']}/health`).then(({ ok }) => ok, () => false))) {
      assert.ok(nginx.child.exitCode === null && nginx.child.signalCode === null, nginx.story);
    }
  };
  await soon(answers(), 'nginx', () => nginx.story);
}

const NO_NGINX = absent('nginx');
const origin = ({ url }) => new URL(url).origin;
const at = (name) => `http://127.0.0.1:${ports[name]}/sockjs`;

before(async () => {
  silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  mq = await system.mq();
  [server, token] = await Promise.all([system.server({ mq: mq.pub }), system.token('42')]);
  await logged(server, 'subscribed to');
  const { key, crt } = certificate(folder);
  [site, safe] = await Promise.all([serve(), serve({ key: readFileSync(key), cert: readFileSync(crt) })]);
  if (!NO_NGINX) await startNginx({ key, crt });
  browser = await launch(undefined, { [PLAIN]: server.port, [HOST]: ports.http2 ?? 1 });
});

after(async () => {
  await browser?.close();
  for (const each of [site, safe, silent]) each?.close();
  await nginx?.end('SIGTERM');
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A page of our own client that connects there. */
async function opened(t, url, { from = site, ...options } = {}) {
  const page = await Page.open(browser, from.address('module', { url, ...options }), { ignoreHTTPSErrors: true });
  t.after(() => page.close());
  return page;
}

/** What the console has, when a line of it has this text, or is about an address with it. */
async function complains(page, text) {
  await page.until(() => page.events.some(({ event, ...fault }) => event === 'fault' && JSON.stringify(fault).includes(text)), text);
  return page.story;
}

/** Pages of the push server's own origin, as behind one proxy: what it has nothing of is the site's. */
async function together(t, choose) {
  const own = await front(t, (request) => (/^\/(sockjs|push)\//.test(request.url) ? choose(request) : site.origin));
  return { address: (...args) => site.address(...args).replace(site.origin, own), url: (route) => own + route };
}

/** A page that connects there is connected, and gets what is published. */
async function works(t, url, options) {
  const page = await opened(t, url, options);
  await page.event('open');
  await system.warm(mq.sub, page);
  return page;
}

provoke("The page's console says", {
  '"Mixed Content"': async (t) => {
    const page = await opened(t, `http://${PLAIN}/sockjs`, { from: safe });
    const said = await complains(page, 'Mixed Content');
    // By http the same page is none the worse; and by https it is as the page has it.
    await works(t, `http://${PLAIN}/sockjs`);
    if (!NO_NGINX) await works(t, `https://${HOST}/sockjs`, { from: safe });
    return said;
  },
  '"blocked by CORS policy", or 403 for a WebSocket': async (t) => {
    const open = async (origin) => opened(t, (await system.server({ mq: mq.pub, flags: [`--allowed-origin=${origin}`] })).url);
    const page = await open('https://www.example.org');
    await complains(page, 'blocked by CORS policy');
    const strict = await system.server({ mq: mq.pub, flags: ['--allowed-origin=https://www.example.org'] });
    await page.page.evaluate((url) => void new WebSocket(url), `${strict.url.replace('http', 'ws')}/websocket`);
    const said = await complains(page, 'Unexpected response code: 403');
    // Scheme, name and port.
    for (const near of [site.origin.replace('http:', 'https:'), site.origin.replace('127.0.0.1', 'localhost'), 'http://127.0.0.1']) {
      await complains(await open(near), 'blocked by CORS policy');
    }
    await (await open(site.origin)).event('open');
    return said;
  },
  '"blocked by CORS policy", and the network\'s tab shows 404, 502 or 504': async (t) => {
    const there = [`${origin(server)}/elsewhere`, ...(NO_NGINX ? [] : [at('nobody'), at('silent')])];
    const said = [];
    for (const url of there) {
      const page = await opened(t, url);
      // What that tab has: the page itself, and Playwright, are told of no answer.
      const network = await page.page.context().newCDPSession(page.page);
      const seen = once(network, 'Network.responseReceivedExtraInfo');
      await network.send('Network.enable');
      const [{ statusCode }] = await soon(seen, `an answer of ${url}`, () => page.story);
      said.push(await complains(page, 'blocked by CORS policy'), String(statusCode));
    }
    return NO_NGINX ? skipped(t, NO_NGINX) : said;
  },
  '"Content Security Policy"': async (t) => {
    const under = async (policy) => {
      const own = await front(t, () => site.origin, (_, answer) => (answer.headers['content-security-policy'] = `connect-src ${policy}`));
      const from = { address: (...args) => site.address(...args).replace(site.origin, own) };
      return { from };
    };
    const { host } = new URL(server.url);
    const page = await opened(t, server.url, await under("'self'"));
    const said = await complains(page, 'Content Security Policy');
    // One of the two is not enough for a WebSocket.
    const half = await opened(t, server.url, { ...(await under(`http://${host}`)), transport: 'websocket' });
    await complains(half, 'Content Security Policy');
    await works(t, server.url, await under(`http://${host} ws://${host}`));
    return said;
  },
  '404': async (t) => {
    const there = await system.server({ mq: mq.pub, route: '/push' });
    const from = await together(t, () => origin(there));
    const said = await complains(await opened(t, from.url('/sockjs'), { from }), 'status of 404');
    await works(t, from.url('/push'), { from });
    return said;
  },
  '404 for `…/xhr_send`, 1006, over and over': async (t) => {
    const other = await system.server({ mq: mq.pub });
    const servers = [server, other].map(origin);
    // What streams reaches one of them, and what is sent the other.
    const between = await front(t, ({ url }) => servers[url.endsWith('/xhr_send') ? 1 : 0]);
    const page = await opened(t, `${between}/sockjs`, { transport: 'xhr-streaming', token });
    const isRefused = ({ event, text, url }) => event === 'fault' && text.includes('status of 404') && url.endsWith('/xhr_send');
    const { url: refused } = await page.until(() => page.events.find(isRefused), 'the refusal');
    const lost = () => page.events.filter(({ event, code }) => event !== 'open' && code === 1006);
    await page.until(() => lost().length >= 2, 'over and over');
    seenBy('tests/browser/balancer.test.mjs', "await balancer(t, servers.map(({ url }) => new URL(url).origin), { cookie })")();
    return ['404', refused, String(lost()[0].code)];
  },
  '"WebSocket connection … failed", and all goes well by other transports': async (t) => {
    if (NO_NGINX) return skipped(t, NO_NGINX);
    const page = await works(t, at('no upgrade'));
    assert.notEqual((await page.event('open')).transport, 'websocket');
    const well = await works(t, at('none'));
    assert.equal((await well.event('open')).transport, 'websocket');
    return complains(page, 'WebSocket connection');
  },
  'it opens, and messages come late, in heaps or when it ends': async (t) => {
    if (NO_NGINX) return skipped(t, NO_NGINX);
    // A server of its own: of another one's streams and messages it could not be told what is kept back.
    const [to] = buffered.story.match(/tcp:\S+/);
    const [metrics] = (await logged(buffered, 'metrics on')).match(/http\S+/);
    const direct = await opened(t, buffered.url);
    await direct.event('open');
    await system.warm(to, direct);
    const held = `http://127.0.0.1:${ports['kept back']}`;
    const page = await Page.open(browser, `${held}/health`);
    t.after(() => page.close());
    await page.page.evaluate(() => {
      const events = new EventSource('/events');
      events.onopen = () => console.info('open', {});
      events.onmessage = ({ data }) => console.log(data.slice(1, 6));
    });
    while (!/^pushnote_server_sse_streams [1-9]/m.test(await (await fetch(metrics)).text())) await page.page.evaluate(() => {});
    await system.publish('first', { to });
    await direct.message('first');
    assert.deepEqual(page.messages, [], 'it is kept back');
    // What fills a buffer brings all that lies in it.
    while (!page.messages.includes('first')) await system.publish('later'.padEnd(3000, 'x'), { to });
    const curl = spawnSync('curl', ['-sN', '--max-time', '1', '-w', '%{http_code}', `${held}/events`], { encoding: 'utf8' });
    assert.deepEqual([curl.status, curl.stdout], [28, '000'], curl.stderr);
    const stop = new AbortController();
    const first = async () => {
      for await (const piece of (await fetch(`${origin(buffered)}/events`, { signal: stop.signal })).body) return Buffer.from(piece).toString();
    };
    assert.match(await soon(first(), 'the first line').finally(() => stop.abort()), /^: pushnote/);
    return page.story;
  },
  'it ends again and again, each time after so many seconds': async (t) => {
    if (NO_NGINX) return skipped(t, NO_NGINX);
    const page = await opened(t, at('impatient'), { transport: 'websocket' });
    for (const nth of [1, 2, 3]) await page.event('open', nth);
    const held = await ran(t, 'pushnote', ['doctor', at('impatient, with heartbeats'), '--keep-alive=12s', '--transport=websocket']);
    assert.equal(held.code, 0, held.said);
    assert.match(held.said, /^ok .* keep-alive +websocket is open after/m);
    return page.story;
  },
  '502, 504': async (t) => {
    if (NO_NGINX) return skipped(t, NO_NGINX);
    const through = async (name) => {
      const from = await together(t, () => `http://127.0.0.1:${ports[name]}`);
      return opened(t, from.url('/sockjs'), { from });
    };
    return [await complains(await through('nobody'), 'status of 502'), await complains(await through('silent'), 'status of 504')];
  },
  'six windows connect, and the seventh waits': async (t) => {
    if (NO_NGINX) return skipped(t, NO_NGINX);
    const seven = async (there) => {
      const page = await Page.open(browser, `${there}/health`, { ignoreHTTPSErrors: true });
      t.after(() => page.close());
      await page.page.evaluate(() => {
        window.all = Array.from({ length: 7 }, (_, n) => new EventSource('/events'));
        for (const [n, events] of window.all.entries()) {
          events.onopen = () => console.info('open', { n });
          events.onmessage = ({ data }) => console.log(JSON.parse(data));
        }
      });
      return page;
    };
    const page = await seven(origin(server));
    await page.event('open', 6);
    await system.publish('for six', { to: mq.sub });
    await page.until(() => page.messages.filter((data) => data === 'for six').length === 6, 'six messages');
    assert.equal(page.events.filter(({ event }) => event === 'open').length, 6);
    assert.ok(!page.events.some(({ event, url }) => event === 'fault' && !url.endsWith('/favicon.ico')), page.story);
    await page.page.evaluate(() => window.all[0].close());
    await page.event('open', 7);
    await (await seven(`https://${HOST}`)).event('open', 7);
    return page.story;
  },
});

test('each table of the page has a test', () => {
  const files = ['node/troubleshooting.test.mjs', 'node/troubleshooting_log.test.mjs', 'node/troubleshooting_api.test.mjs', 'browser/troubleshooting.test.mjs'];
  const provoked = files.flatMap((file) => [...readFileSync(new URL(`../${file}`, import.meta.url), 'utf8').matchAll(/^provoke\((["'])(.*)\1, /gm)]);
  assert.deepEqual(provoked.map(([, , heading]) => heading).toSorted(), [...TABLES.keys()].toSorted());
});
