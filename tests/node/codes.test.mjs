// The codes that docs/protocol.md lists for pages, and the outcomes that docs/web-push.md lists for who keeps its browsers itself:
// each comes where the page says so. One that nobody provokes is a test that fails.

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { asked, folder, SECRET, signed, single, system } from './troubleshooting.mjs';

const env = { PUSHNOTE_SECRET: SECRET };

/** What stands in the first cells of the table with this head. */
function listed(page, head) {
  const [, rows] = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8').split(`\n${head}\n|---|---|\n`);
  return [...rows.split('\n\n')[0].matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
}

const channel = (name) => signed(name, { salt: 'pushnote.channel' });
const subscribe = (data) => ['subscribe', data];

/** Requests of a page that has said hello, of which the last is refused so. */
const REFUSED = {
  token_missing: [subscribe({ channel: 'closed' })],
  token_invalid: [subscribe({ channel: 'closed', token: `${channel('closed')}x` })],
  token_expired: [subscribe({ channel: 'closed', token: signed('closed', { salt: 'pushnote.channel', ahead: -48 * 3600 }) })],
  token_from_future: [subscribe({ channel: 'closed', token: signed('closed', { salt: 'pushnote.channel', ahead: 600 }) })],
  not_allowed: [subscribe({ channel: 'closed', token: channel('other') })],
  limit: [subscribe({ channel: 'public.a' }), subscribe({ channel: 'public.b' }), subscribe({ channel: 'public.c' })],
  not_subscribed: [subscribe({ channel: 'public.a' }), ['unsubscribe', { channel: 'public.a' }], ['history', { channel: 'public.a', last: 1 }]],
  no_presence: [subscribe({ channel: 'public.a' }), ['presence', { channel: 'public.a' }]],
  bad_request: [subscribe({ channel: 'ends in *', token: channel('closed') })],
  version: [['hello', { version: 99 }]],
};

test('each code of docs/protocol.md is provoked', () => {
  assert.deepEqual(Object.keys(REFUSED), listed('protocol.md', '| code | what it means |'));
});

for (const [code, requests] of Object.entries(REFUSED)) {
  test(`protocol.md: ${code}`, async (t) => {
    const one = await single(t, ['--channels={ prefix = "public.", public = true }', '--channels-per-connection-max=2'], env);
    const own = system(t);
    const page = own.client('sockjs_client.mjs', { url: one.url, transport: 'websocket' });
    await page.event('open');
    const all = code === 'version' ? requests : [['hello', { version: 1 }], ...requests];
    const answers = [];
    for (const [n, [name, data]] of all.entries()) {
      page.write({ do: 'emit', name, data: { id: n + 1, ...data } });
      answers.push(await page.until(() => page.messages.find(({ id }) => id === n + 1), `an answer to ${name}`));
    }
    const last = answers.pop();
    assert.deepEqual([last.type, last.code], ['error', code]);
    assert.ok(last.text.length > 10, last.text);
    assert.deepEqual(answers.filter(({ type }) => type === 'error'), []);
    // Nothing else changes; the connection goes on.
    await own.publish('goes on', { to: one.to });
    await page.until(() => had(page, 'goes on'), 'what is published');
  });
}

/** Whether a page has this message, bare or as the client protocol has it. */
function had(page, data) {
  const all = page.messages.flatMap((message) => (message?.type === 'messages' ? message.messages.map((each) => each.data) : [message]));
  return all.includes(data);
}

/** What a push service says, by what becomes of the message. */
const SAID = {
  accepted: [[201]],
  gone: [[404], [410]],
  later: [[429, { 'Retry-After': '7' }], [500]],
  too_large: [[413]],
  wrong_key: [[403, {}, '{"reason":"VapidPkHashMismatch"}']],
  unauthorized: [[401], [403]],
  refused: [[400], [302, { Location: 'http://127.0.0.1:1/' }]],
};

test('each outcome of docs/web-push.md is provoked', () => {
  assert.deepEqual(Object.keys(SAID), listed('web-push.md', "| `outcome` | the push service |"));
});

test('web-push.md: what becomes of what is pushed to browsers that the application keeps', async (t) => {
  const answers = Object.entries(SAID).flatMap(([outcome, all]) => all.map((answer) => ({ outcome, answer })));
  const service = createServer((request, response) => {
    const [status, headers, body] = answers[Number(request.url.slice(1))].answer;
    request.resume().on('end', () => response.writeHead(status, headers).end(body));
  }).listen(0, '127.0.0.1');
  t.after(() => service.close() && service.closeAllConnections());
  await once(service, 'listening');
  const browser = createECDH('prime256v1');
  browser.generateKeys();
  const keys = { p256dh: browser.getPublicKey('base64url'), auth: randomBytes(16).toString('base64url') };
  const flags = ['--vapid-subject=mailto:ops@example.org', `--data-dir=${folder(t)}`, '--push-allowed-net=127.0.0.0/8'];
  const one = await single(t, flags, env);
  // One after the other: a service that has had too much is left alone.
  for (const [n, { outcome, answer: [status] }] of answers.entries()) {
    const subscription = { endpoint: `http://127.0.0.1:${service.address().port}/${n}`, keys };
    const { json } = await asked(one, `${one.api}/v1/push`, { subscriptions: [subscription], title: 'Hi' });
    const [said] = json.outcomes;
    assert.deepEqual([said.outcome, said.status], [outcome, status], JSON.stringify(json));
    assert.equal(said.retry_after_s, status === 429 ? 7 : undefined);
  }
});
