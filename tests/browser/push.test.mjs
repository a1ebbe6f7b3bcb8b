// Web Push in Chromium: its worker shows what is pushed, also when the page is closed. What it cannot do here is to
// subscribe at its push service, which is on the Internet: that alone is made up, and DevTools deliver in its place.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { freePort, System } from '../node/processes.mjs';
import { Heard } from '../node/waiting.mjs';
import { launch, Page, setHidden } from './chromium.mjs';
import { PushService } from './push_service.mjs';
import { pushes, stubSubscribe } from './pushes.mjs';
import { serve } from './site.mjs';

const KEY = 'BAcyx9NPoJxNZGnA1KyXUvMnEQnNJT-jvQKZqGFDxrYdvO1R4VyVVuQIHvJzOdBxwqp4fWpxjSWbPNAD1ZqK8zY';

/** What a pushnote server is to the browser's side of Web Push, as another origin: it hears `{method, path, body}`. */
class PushServer extends Heard {
  name = 'the push server';
  #server = createServer(async (request, response) => {
    const body = await text(request);
    this.hear({ method: request.method, path: request.url, body: body && JSON.parse(body) });
    const { origin = '*' } = request.headers;
    const allowed = { 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true', 'Access-Control-Allow-Methods': 'DELETE' };
    const isThere = request.url.startsWith('/push/');
    response.writeHead(isThere ? 200 : 404, allowed).end(JSON.stringify({ key: KEY }));
  });

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Waits for such a request. */
  asked(method, path) {
    return this.until(() => this.heard.find((each) => each.method === method && each.path === path), `${method} ${path}`);
  }
}

let browser;
let site;

before(async () => {
  [browser, site] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser?.close();
  site?.close();
});

/** A page that is notified also when it is closed, and what DevTools need for it. */
async function enabled(t) {
  const server = await new PushServer().listen();
  t.after(() => server.close());
  const self = await Page.open(browser, site.address('push', { url: `${server.origin}/sockjs`, token: '42:a' }), {
    permissions: ['notifications'],
  });
  t.after(() => self.page.context().close());
  await stubSubscribe(self.page);
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  const { outcome } = await self.event('enablePush');
  assert.equal(outcome, 'done');
  return { self, server, ...(await pushes(self.page, site.origin)) };
}

test('a click subscribes with the server\'s key, and tells the server', async (t) => {
  const { self, server } = await enabled(t);
  const { body } = await server.asked('POST', '/push/subscribe');
  assert.deepEqual({ ...body, subscription: body.subscription.endpoint }, { token: '42:a', subscription: 'https://push.example/1' });
  assert.deepEqual(await self.page.evaluate(() => window.subscribedWith), { userVisibleOnly: true, applicationServerKey: KEY });
});

test('what is pushed is shown after the page was closed, and the server learns of it', async (t) => {
  const { self, server, deliver, shown } = await enabled(t);
  await self.page.close();
  await deliver({ title: 'Order 17', body: 'It is on its way', url: '/push.html?order=17', tag: 'order-17', id: 'm1', ack: 'a.b' });
  const [one] = await shown(1);
  assert.deepEqual(one, { title: 'Order 17', body: 'It is on its way', tag: 'order-17', data: { url: '/push.html?order=17', id: 'm1' } });
  const { body } = await server.asked('POST', '/push/shown');
  assert.deepEqual(body, { ack: 'a.b' });

  await deliver({ title: 'Order 17', body: 'It is there', tag: 'order-17', id: 'm2' });
  await deliver({ title: 'Another' });
  const [second, first] = await shown(2);
  assert.deepEqual([first.body, second.title], ['It is there', 'Another']);
  await deliver({ collapse: 'order-17' });
  await shown(1);
  await deliver({ title: 'The last' });
  assert.deepEqual((await shown(2)).map(({ title }) => title).sort(), ['Another', 'The last']);
});

test('something is shown whatever was pushed', async (t) => {
  const { deliver, shown } = await enabled(t);
  const { host } = new URL(site.origin);
  const odd = [
    ['Hi all!', host, 'Hi all!'],
    ['', host, ''],
    ['[1]', host, '[1]'],
    ['null', host, 'null'],
    ['{"title":', host, '{"title":'],
    ['{"body":"no title"}', host, 'no title'],
    ['{"title":5,"body":{},"icon":"http://[","url":7,"ack":{},"id":null}', '5', '[object Object]'],
    ['{"title":"a","tag":null,"constructor":1}', host, '{"title":"a","tag":null,"constructor":1}'],
  ];
  let count = 0;
  for (const [payload, title, body] of odd) {
    await deliver(payload);
    const all = await shown(++count);
    assert.ok(all.some((each) => each.title === title && each.body === body), `${payload}: ${JSON.stringify(all)}`);
  }
});

test('a site\'s own worker may have it beside what it does', async (t) => {
  const server = await new PushServer().listen();
  t.after(() => server.close());
  const address = site.address('push', { url: `${server.origin}/sockjs`, token: '42:a' });
  const self = await Page.open(browser, address, { permissions: ['notifications'] });
  t.after(() => self.close());
  await stubSubscribe(self.page);
  await self.page.evaluate(async (script) => {
    await navigator.serviceWorker.register(script);
    await window.conn.enablePush({ serviceWorker: navigator.serviceWorker.ready });
  }, `/own-sw.js?server=${server.origin}`);
  const { deliver, shown } = await pushes(self.page, site.origin);
  await deliver({ title: 'Hi', ack: 'a.b' });
  await shown(1);
  await server.asked('POST', '/push/shown');
});

test('a click goes to the page that is open, or opens it', async (t) => {
  const { self, deliver, shown, click } = await enabled(t);
  const other = await self.page.context().newPage();
  await other.goto(`${site.origin}/push.html?url=%22x:%22&token=null&options={}`);
  const address = self.page.url();
  for (const [url, expected] of [
    [address, { focused: address }],
    [new URL(address).pathname + new URL(address).search, { focused: address }],
    ['/module.html?new', { opened: `${site.origin}/module.html?new` }],
    ['https://elsewhere.example/a', { opened: 'https://elsewhere.example/a' }],
    ['javascript:alert(1)', { opened: `${site.origin}/` }],
    ['http://[', { opened: `${site.origin}/` }],
  ]) {
    await deliver({ title: 'Click', url });
    await shown(1);
    assert.deepEqual(await click(), expected, url);
    await shown(0);
  }
  await deliver('no address');
  await shown(1);
  assert.match((await click()).focused, /push\.html/, 'any page of the site');
  await other.close();
  await self.page.close();
  await deliver('no page');
  await shown(1);
  assert.deepEqual(await click(), { opened: `${site.origin}/` });
});

test('when the browser has ended the subscription there is another, which the open page tells the server', async (t) => {
  const { self, server, lose } = await enabled(t);
  await server.asked('POST', '/push/subscribe');
  const before = server.heard.length;
  await self.page.evaluate(() => (PushManager.prototype.getSubscription = async () => null));
  await lose();
  const again = () => server.heard.slice(before).find(({ method, path }) => method === 'POST' && path === '/push/subscribe');
  const { body } = await server.until(again, 'a second subscription');
  assert.equal(body.subscription.endpoint, 'https://push.example/2');
});

/** A page of user 42's that a real server, of another origin, is to notify by a push service of this machine. */
async function subscribed(t) {
  const service = await PushService.start(t);
  const folder = await mkdtemp(join(tmpdir(), 'pushnote-'));
  const [system, mq] = [new System(), `tcp://127.0.0.1:${await freePort()}`];
  t.after(async () => {
    await system.stop();
    await rm(folder, { recursive: true });
  });
  const flags = [`--data-dir=${folder}`, '--vapid-subject=mailto:ops@example.org', '--push-allowed-net=127.0.0.0/8', `--allowed-origin=${site.origin}`];
  const { url } = await system.server({ mq, single: true, flags });
  const address = site.address('push', { url, token: await system.token('42') });
  const self = await Page.open(browser, address, { permissions: ['notifications'] });
  t.after(() => self.page.context().close());
  await self.event('subscribed');
  await stubSubscribe(self.page, service.subscription);
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  assert.deepEqual(await self.event('enablePush'), { event: 'enablePush', outcome: 'done', state: 'enabled' });
  return { self, service, system, mq };
}

test('a server of another origin takes a subscription, and its end', async (t) => {
  const { self } = await subscribed(t);
  await self.page.getByRole('button', { name: 'Do not' }).click();
  assert.deepEqual(await self.event('disablePush'), { event: 'disablePush', outcome: 'done', state: 'disabled' });
  assert.deepEqual(self.events.filter(({ event }) => event === 'fault'), []);
  const code = await self.page.evaluate(() => window.conn.enablePush({ token: '42:no-token' }).catch((error) => error.code));
  assert.equal(code, 'token_invalid', 'it says why, to other origins, too');
});

test('what a page has shown is not pushed; what it shows late is shown no longer', async (t) => {
  const { self, service, system, mq } = await subscribed(t);
  const { deliver, shown } = await pushes(self.page, site.origin);
  // Time enough for a page to say that it has shown it.
  const publish = (id) => system.publishWithPush(id, { to: mq, user: '42', id, after: '5s' });
  await publish('seen');
  assert.equal((await self.event('ack')).id, 'seen');

  await setHidden(self.page, true);
  await publish('unseen');
  const { payload } = await service.pushed();
  assert.equal(JSON.parse(payload).id, 'unseen', 'the other one would have come first');
  await deliver(payload);
  await shown(1);
  await setHidden(self.page, false);
  assert.equal((await self.event('ack', 2)).id, 'unseen');
  await shown(0);
  const late = await service.pushed(2);
  assert.deepEqual([JSON.parse(late.payload), late.headers.ttl], [{ collapse: 'unseen' }, '0'], 'for other devices');
});

test('who said no is told what to do', async (t) => {
  const self = await Page.open(browser, site.address('push', { url: 'http://127.0.0.1:9/sockjs', token: '42:a' }));
  t.after(() => self.close());
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  const { outcome, state } = await self.event('enablePush');
  assert.equal(outcome.code, 'permission_denied');
  assert.match(outcome.message, /the browser shows where to allow them/);
  assert.equal(state, 'permission_denied');
});
