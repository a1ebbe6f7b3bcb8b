// `pushnote dev` as a newcomer meets it: open the page, run the line that it shows, see the message.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort, System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { PushService } from './push_service.mjs';
import { pushes, stubSubscribe } from './pushes.mjs';

const shell = promisify(execFile);
const system = new System();
let browser;
let dev;

before(async () => {
  [browser, dev] = await Promise.all([launch(), system.dev()]);
});

after(async () => {
  await browser?.close();
  await system.stop();
});

async function visit(t, options) {
  const self = await Page.open(browser, dev.page, options);
  t.after(() => self.close());
  await self.page.getByRole('status').getByText('connected').waitFor();
  return self;
}

const log = ({ page }) => page.getByRole('log');
const subscriptions = ({ page }, state) => page.locator(`#subscribed [data-state="${state}"]`);
const connected = ({ page }) => page.getByRole('status').getByText('connected', { exact: true }).waitFor();

/** Publishes by the page's own form. */
async function publish({ page }, json, to = 'to everyone') {
  await page.getByLabel('Message, as JSON').fill(json);
  await page.getByLabel('To whom').selectOption({ label: to });
  await page.getByRole('button', { name: 'Publish' }).click();
}

test('the line that the page shows makes the message appear', async (t) => {
  const self = await visit(t);
  await self.page.getByText('Nothing yet.').waitFor();
  const line = await self.page.locator('#publish-all').textContent();
  assert.match(line, /pushnote publish -s tcp:\S+ '{"msg":"Hi all!"}'$/);
  await shell('sh', ['-c', line]);
  await log(self).getByText('{"msg":"Hi all!"}').waitFor();
  assert.equal(await self.page.locator('#count').textContent(), '1');
  assert.equal(await self.page.locator('#transport').textContent(), 'by websocket');

  await system.publish('<img src=x onerror=alert(1)>', { to: dev.mq });
  await log(self).getByText('"<img src=x onerror=alert(1)>"').waitFor();
  assert.equal(await self.page.locator('#log img').count(), 0);
  await self.page.getByRole('button', { name: 'Clear' }).click();
  assert.equal(await self.page.locator('#log li').count(), 0);
  assert.deepEqual(self.events, [], 'nothing to complain of on the console');
});

test('subscribing brings the messages of that user', async (t) => {
  const [subscribed, other] = [await visit(t), await visit(t)];
  const line = await subscribed.page.locator('#publish-user').textContent();
  assert.match(line, /pushnote publish --user 42 -s tcp:\S+ '{"msg":"Hi, 42!"}'$/);
  await subscribed.page.getByRole('button', { name: 'Subscribe' }).click();
  await subscriptions(subscribed, 'taken').getByText('user 42').waitFor();
  await shell('sh', ['-c', line]);
  await log(subscribed).getByText('{"msg":"Hi, 42!"}').waitFor();
  await system.publish('for all', { to: dev.mq });
  await log(other).getByText('"for all"').waitFor();
  assert.equal(await log(other).getByText('Hi, 42!').count(), 0);
});

test('the page publishes by itself', async (t) => {
  const self = await visit(t);
  await publish(self, '{"z":1.50,"a":"from the page"}');
  await log(self).getByText('{"z":1.5,"a":"from the page"}').waitFor();
  await self.page.getByText('Published to every page.').waitFor();
  await publish(self, '{not: json}');
  await self.page.getByText('This is not JSON').waitFor();
  await publish(self, JSON.stringify('x'.repeat(70_000)));
  await self.page.getByText('envelope\'s "data" has 70002 bytes').waitFor();

  await self.page.getByRole('button', { name: 'Subscribe' }).click();
  await subscriptions(self, 'taken').waitFor();
  await publish(self, '"for user 42"', 'to user 42');
  await log(self).getByText('"for user 42"').waitFor();

  const headers = { 'Content-Type': 'application/json', Origin: 'http://evil.example' };
  const body = '{"name":"notify_all","data":1}';
  const response = await fetch(`${dev.page}publish`, { method: 'POST', headers, body });
  assert.equal(response.status, 403, 'other pages may not');
});

test('a wrong token is shown as refused, and the page can come back', async (t) => {
  const self = await visit(t);
  await self.page.getByLabel('Token').fill('42:not-a-token');
  await self.page.getByRole('button', { name: 'Subscribe' }).click();
  const alert = self.page.getByRole('alert');
  await alert.getByText(/token is invalid \(3500\).*Take the one that the page has/).waitFor();
  await subscriptions(self, 'refused').getByText('42:not-a-token').waitFor();
  assert.equal(await subscriptions(self, 'taken').count(), 0);

  await alert.getByRole('button', { name: 'Reconnect' }).click();
  await connected(self);
  assert.ok(await alert.isHidden());
  await self.page.getByRole('button', { name: 'Subscribe' }).click();
  await subscriptions(self, 'taken').getByText('user 42').waitFor();
  await publish(self, '"back"', 'to user 42');
  await log(self).getByText('"back"').waitFor();
});

test('after a restart of the server the page has a token of the new one', async (t) => {
  const own = await system.dev({ port: await freePort() });
  const self = await Page.open(browser, own.page);
  t.after(() => self.close());
  await connected(self);
  const token = () => self.page.getByLabel('Token').inputValue();
  const before = await token();
  await self.page.getByRole('button', { name: 'Subscribe' }).click();
  await subscriptions(self, 'taken').waitFor();
  await own.end();
  await subscriptions(self, 'asked').waitFor();
  await system.dev(own);
  await subscriptions(self, 'taken').waitFor();
  assert.notEqual(await token(), before);
  await publish(self, '"after"', 'to user 42');
  await log(self).getByText('"after"').waitFor();
});

test('the code that the page shows is the code that it runs', async (t) => {
  const self = await visit(t);
  const shown = await self.page.locator('#code').textContent();
  assert.match(shown, /conn = connect\(dev\.route, \{ push \}\);/);
  assert.equal(shown, await (await fetch(`${dev.page}example.js`)).text());
  assert.ok(await self.page.locator('script[src="/example.js"]').count());
});

test('the page says when the server is gone', async (t) => {
  const own = await system.dev();
  const self = await Page.open(browser, own.page);
  t.after(() => self.close());
  await self.page.getByRole('status').getByText('connected').waitFor();
  await own.end('SIGKILL'); // one that ends in order would be waited for without a complaint
  await self.page.getByRole('status').getByText('connecting').waitFor();
  await self.page.locator('#log .error').first().waitFor();
});

test('the line that the page shows notifies its user when it is closed', async (t) => {
  const service = await PushService.start(t);
  const self = await visit(t, { permissions: ['notifications'] });
  const context = self.page.context();
  const line = await self.page.locator('#push').textContent();
  assert.match(line, /^curl .* -d '{"users":\["42"\],"title":"Hi, 42!",.*}' http:\S+\/v1\/push$/);
  await stubSubscribe(self.page, service.subscription);
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  await self.page.getByText('This browser is notified').waitFor();
  const { deliver, shown, click } = await pushes(self.page, new URL(dev.page).origin);
  assert.deepEqual(self.events, [], 'nothing to complain of on the console');
  await self.page.close();

  const answer = JSON.parse((await shell('sh', ['-c', `${line} --silent --fail-with-body`])).stdout);
  assert.equal(answer.devices, 1);
  const { headers, payload } = await service.pushed();
  assert.match(headers.authorization, /^vapid t=[\w-]+\.[\w-]+\.[\w-]+, ?k=B[\w-]{86}$/);
  // From here on as the push service of the browser would have it.
  const told = context.waitForEvent('response', (response) => response.url() === `${dev.page}push/shown`);
  await deliver(payload);
  const [{ title, body, data }] = await shown(1);
  assert.deepEqual([title, body, data], ['Hi, 42!', 'This comes with the page closed.', { url: '/', id: answer.id }]);
  assert.equal((await told).status(), 204, 'the server knows that it was shown');
  assert.deepEqual(await click(), { opened: dev.page });
});

test('a page that is notified says so to a server that was started again', async (t) => {
  const own = await system.dev({ port: await freePort() });
  const service = await PushService.start(t);
  const self = await Page.open(browser, own.page, { permissions: ['notifications'] });
  t.after(() => self.close());
  await connected(self);
  await stubSubscribe(self.page, service.subscription);
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  const notified = () => self.page.getByText('This browser is notified').waitFor();
  await notified();
  const key = () => self.page.evaluate(() => window.subscribedWith.applicationServerKey);
  const before = await key();
  await own.end();
  await self.page.getByRole('status').getByText('connecting').waitFor();
  await system.dev(own);
  await connected(self);
  await notified();
  assert.notEqual(await key(), before);
  const line = await self.page.locator('#push').textContent();
  assert.equal(JSON.parse((await shell('sh', ['-c', `${line} --silent`])).stdout).devices, 1);
  await service.pushed();
});

test('no more notifications come after the other button', async (t) => {
  const service = await PushService.start(t);
  const self = await visit(t, { permissions: ['notifications'] });
  const line = await self.page.locator('#push').textContent();
  const devices = async () => JSON.parse((await shell('sh', ['-c', `${line} --silent`])).stdout).devices;
  const before = await devices();
  await stubSubscribe(self.page, service.subscription);
  await self.page.getByRole('button', { name: 'Notify me' }).click();
  await self.page.getByRole('button', { name: 'No more' }).click();
  await self.page.getByRole('button', { name: 'No more' }).waitFor({ state: 'hidden' });
  assert.equal(await devices(), before);
  assert.deepEqual(service.heard, []);
});

test('the page says what it waits for, and what a private window lacks', async (t) => {
  const self = await visit(t, { permissions: ['notifications'] });
  const { page } = self;
  await page.evaluate(() => {
    PushManager.prototype.subscribe = () => new Promise((_, reject) => (window.refuse = reject));
  });
  await page.clock.install();
  await page.getByRole('button', { name: 'Notify me' }).click();
  await page.getByText("asking the browser's push service").waitFor();
  await page.clock.fastForward(15_000);
  await page.getByText('push service does not answer').waitFor();
  await page.evaluate(() => window.refuse(new DOMException('Registration failed - permission denied', 'NotAllowedError')));
  await page.getByText(/permission denied\. Private windows have no Web Push/).waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  test(`on a phone nothing is cut off, ${colorScheme}`, async (t) => {
    const self = await visit(t, { viewport: { width: 360, height: 740 }, colorScheme });
    await system.publish({ msg: 'x'.repeat(500) }, { to: dev.mq });
    await log(self).getByText('xxx').first().waitFor();
    const [needed, given] = await self.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return [scrollWidth, clientWidth];
    });
    assert.ok(needed <= given, `${needed} > ${given}`);
    await publish(self, '"in view"');
    const message = log(self).getByText('"in view"');
    await message.waitFor();
    const { y, height } = await message.boundingBox();
    assert.ok(y >= 0 && y + height <= 740, `what arrives is in view of who publishes: ${y}`);
  });
}
