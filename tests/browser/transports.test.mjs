// sockjs-client's transports in Chromium against the SockJS library's test server, each forced in turn: from a page of
// the server's own origin, and from one of another site.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { bursts, converse } from '../node/conversation.mjs';
import { System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';
import { OTHER, OWN, SKIPPED, TRANSPORTS } from './transports.mjs';

const CLIENT = new URL('../node_modules/sockjs-client/dist/sockjs.js', import.meta.url);

const system = new System();
let servers;
let browser;
let client;

before(async () => {
  const [server, elsewhere] = await Promise.all([system.sockjs(), system.sockjs()]);
  servers = { [OWN]: server.origin, [OTHER]: elsewhere.origin.replace('127.0.0.1', 'localhost') };
  [browser, client] = await Promise.all([launch(), readFile(CLIENT, 'utf8')]);
});

after(async () => {
  await browser?.close();
  await system.stop();
});

/** A page, the greeting of a service, that talks to a service of `to`. `said` is an expression. */
async function conversation(t, { from, to = servers[OWN], service, transports, said = '[]' }) {
  const page = await Page.open(browser, `${servers[from]}/echo/`);
  t.after(() => page.close());
  await page.page.addScriptTag({ content: client });
  const options = JSON.stringify({ url: `${to}/${service}`, transports });
  await page.page.evaluate(`void (${converse})({...${options}, SockJS, bursts: ${said}, tell: console.info})`);
  return page;
}

const everything = `(${bursts})()`;
const hello = `${everything}.slice(0, 1)`;

/** Neither is the fault of who serves: a greeting has no icon, and the protocol wants that assignment. */
const isExpected = ({ event, text, url }) =>
  event === 'fault' && (url.endsWith('/favicon.ico') || text.startsWith('document.domain mutation is ignored'));

/** Waits for the end of a conversation. What happened, but for the close itself, must be this. */
async function ended(page, ...expected) {
  const { code, reason } = await page.event('close');
  const events = page.events.filter((each) => !isExpected(each)).map(({ event, transport }) => transport ?? event);
  assert.deepEqual(events, [...expected, 'close'], page.story);
  return { code, reason };
}

const BY_CLIENT = { code: 1000, reason: 'Normal closure' };

for (const from of [OWN, OTHER]) {
  const skipped = SKIPPED.filter(([, where]) => where === from);

  for (const transport of TRANSPORTS.filter((name) => !skipped.some(([other]) => other === name))) {
    test(`${transport} from ${from}: everything comes back, whole and in order`, async (t) => {
      const page = await conversation(t, { from, service: 'echo', transports: [transport], said: everything });
      assert.deepEqual(await ended(page, transport, 'echoed'), BY_CLIENT);
    });

    test(`${transport} from ${from}: the server closes`, async (t) => {
      const page = await conversation(t, { from, service: 'close', transports: [transport] });
      assert.deepEqual(await ended(page, transport), { code: 3000, reason: 'Go away!' });
    });
  }

  for (const [transport, , why] of skipped) {
    test(`${transport} from ${from} is skipped: ${why}`, async (t) => {
      const page = await conversation(t, { from, service: 'echo', transports: [transport] });
      assert.deepEqual(await ended(page), { code: 2000, reason: 'All transports failed' });
    });
  }

  for (const [service, transport] of [['echo', 'websocket'], ['disabled_websocket_echo', 'xhr-streaming']]) {
    test(`${service} from ${from}: ${transport} is what it chooses`, async (t) => {
      const page = await conversation(t, { from, service, said: hello });
      assert.deepEqual(await ended(page, transport, 'echoed'), BY_CLIENT);
    });
  }
}

// Not those with eventsource, which tries again for ever, and with htmlfile, which does not hear that it broke off.
for (const transport of ['websocket', 'xhr-streaming', 'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling']) {
  test(`${transport}: the server is killed`, async (t) => {
    const server = await system.sockjs();
    const page = await conversation(t, { from: OTHER, to: server.origin, service: 'echo', transports: [transport] });
    assert.equal((await page.event('open')).transport, transport);
    await server.end('SIGKILL');
    assert.equal((await page.event('close')).code, 1006);
  });
}

test('a service that needs it sets the cookie for load balancers', async (t) => {
  const service = 'cookie_needed_echo';
  const page = await conversation(t, { from: OWN, service, transports: ['xhr-polling'], said: hello });
  assert.deepEqual(await ended(page, 'xhr-polling', 'echoed'), BY_CLIENT);
  const cookies = await page.page.context().cookies();
  assert.deepEqual(cookies.map(({ name, path }) => ({ name, path })), [{ name: 'JSESSIONID', path: '/' }]);
});
