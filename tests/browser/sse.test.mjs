// EventSource in Chromium: docs/sse.md, straight and through nginx with its defaults.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, Process, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';

const NGINX = fileURLToPath(new URL('../.proxies/usr/sbin/nginx', import.meta.url));
const FLAGS = ['--channels={ prefix = "public.", public = true }', '--allowed-origin=*'];

const system = new System();
let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await system.stop();
});

async function single(flags = FLAGS, port = 0, mq) {
  const endpoint = mq ?? `tcp://127.0.0.1:${await freePort()}`;
  const server = await system.server({ mq: endpoint, single: true, port, flags });
  return Object.assign(server, { endpoint, origin: `http://127.0.0.1:${server.port}` });
}

/** nginx as Debian has it, in front of a server. */
async function nginx(t, origin) {
  const directory = mkdtempSync(join(tmpdir(), 'pushnote-nginx-'));
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join('\n');
  const configuration = `daemon off; pid ${directory}/pid; error_log stderr; events {}
http { access_log off; ${paths}
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${origin}; } } }`;
  writeFileSync(join(directory, 'nginx.conf'), configuration);
  const proxy = new Process(NGINX, ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr']);
  t.after(async () => {
    await proxy.end('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).then((answer) => answer.ok, () => false))) {
    assert.equal(proxy.child.exitCode, null, proxy.story);
  }
  return url;
}

/** A page of the server's own origin with an EventSource. */
async function listening(t, origin, query) {
  const self = await Page.open(browser, `${origin}/health`);
  t.after(() => self.close());
  await self.page.evaluate((url) => {
    let last = '';
    function listen() {
      const events = new EventSource(`${url}&last_event_id=${last}`);
      events.onopen = () => console.info('open', {});
      events.onmessage = ({ data, lastEventId }) => {
        last = lastEventId;
        console.log(JSON.parse(data));
      };
      for (const name of ['gap', 'expired']) {
        events.addEventListener(name, ({ data }) => console.info(name, { data: JSON.parse(data) }));
      }
      events.onerror = () => {
        console.info('error', { state: events.readyState });
        // A proxy without its server answers 502, after which a browser does not come back by itself.
        if (events.readyState === EventSource.CLOSED && !url.includes('token=')) setTimeout(listen, 200);
      };
    }
    listen();
  }, `${origin}/events?${query}`);
  return self;
}

for (const proxied of [false, true]) {
  const where = proxied ? 'through nginx with its defaults' : 'straight';

  test(`messages reach an EventSource, ${where}`, async (t) => {
    const server = await single();
    const origin = proxied ? await nginx(t, server.origin) : server.origin;
    const self = await listening(t, origin, `channel=public.a&token=${await system.token('42')}`);
    await self.event('open');
    await system.warm(server.endpoint, self, ['42']);
    await system.publish({ for: '42' }, { to: server.endpoint, users: ['42'] });
    await self.message({ for: '42' });
  });

  test(`an EventSource goes on where it was when the server is killed, ${where}`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'pushnote-log-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const flags = [...FLAGS, `--data-dir=${directory}`];
    const first = await single(flags, await freePort());
    const origin = proxied ? await nginx(t, first.origin) : first.origin;
    const self = await listening(t, origin, 'channel=public.a');
    await self.event('open');
    await system.warm(first.endpoint, self);
    const before = system.application(first.endpoint);
    for (let n = 0; n < 3; n++) before(n);
    await self.message(2);
    await first.end('SIGKILL');
    await self.event('error');
    const second = await single(flags, first.port, first.endpoint);
    const afterwards = system.application(second.endpoint);
    for (let n = 3; n < 6; n++) afterwards(n);
    await self.message(5);
    assert.deepEqual(self.received.filter((message) => typeof message === 'number'), [0, 1, 2, 3, 4, 5]);
    assert.equal(self.events.filter(({ event }) => event === 'gap').length, 0);
  });
}

test('an EventSource whose token has expired comes back, is refused, and stops', async (t) => {
  const server = await single();
  const self = await listening(t, server.origin, `token=${await system.token('42', '--ttl=5s')}`);
  await self.event('open');
  assert.deepEqual((await self.event('expired')).data, { user: '42' });
  assert.equal((await self.event('error')).state, 0, 'it comes back');
  assert.equal((await self.event('error', 2)).state, 2, 'it does not any more');
});

test('a page of another origin reads the stream, too', async (t) => {
  const [server, other] = [await single(), await single()];
  const self = await Page.open(browser, `${other.origin}/health`);
  t.after(() => self.close());
  await self.page.evaluate((url) => {
    const events = new EventSource(url, { withCredentials: true });
    events.onopen = () => console.info('open', {});
    events.onmessage = ({ data }) => console.log(JSON.parse(data));
  }, `${server.origin}/events`);
  await self.event('open');
  await system.warm(server.endpoint, self);
});
