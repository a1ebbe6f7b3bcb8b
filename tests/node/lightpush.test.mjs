// The statuses of docs/lightpush.md: each is answered where the page says so, with a body that says why, to pages of every origin.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { test } from 'node:test';
import { runs, system } from './troubleshooting.mjs';
import { soon } from './waiting.mjs';

const page = readFileSync(new URL('../../docs/lightpush.md', import.meta.url), 'utf8');
const [, table] = page.match(/^\| status \| \|\n\|---\|---\|\n(.*?)^$/ms);
const ROWS = [...table.matchAll(/^\| (.+) \| (.+) \|$/gm)].map(([, statuses, what]) => `${statuses}: ${what}`);

const KEY = '00112233445566778899aabbccddeeff00112233';
const env = { PUSHNOTE_SECRET: 'a secret of the lightpush suite, which nobody else uses', PUSHNOTE_LIGHTPUSH_KEY: KEY };

const SINGLE = ['--single', '--mq_socket=tcp://127.0.0.1:0'];

/** A server's port for lightpush. */
async function start(t, ...flags) {
  const server = await runs(t, 'pushnote-server', ['--address=127.0.0.1', '--port=0', '--lightpush-port=0', ...flags], env);
  return server.until(() => server.story.match(/lightpush listening on (http\S+)/)?.[1], 'lightpush');
}

/** What is answered: its status, once it is seen that it says why. A `body` that is null never comes. */
async function ask(address, path, { method = 'POST', authorization = KEY, body = 'Hi', headers = {} } = {}) {
  const length = body === null ? { 'Content-Length': 10 } : {};
  const own = { Origin: 'http://a.example', ...(authorization && { Authorization: authorization }), ...length, ...headers };
  const asking = request(address + path, { method, headers: own, agent: false });
  asking.on('error', () => {}); // it is answered before all of the body is sent
  const answered = once(asking, 'response');
  if (body === null) asking.flushHeaders();
  else asking.end(body);
  const [answer] = await soon(answered, `an answer for ${path}`);
  let text = '';
  for await (const piece of answer) text += piece;
  asking.destroy();
  assert.equal(typeof JSON.parse(text).message, 'string', text);
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  return answer.statusCode;
}

/** By what stands in the rows: `[status, what is asked]`. */
const CASES = {
  '401: `Authorization` is missing': async (own) => [[401, await ask(own, '/', { authorization: null })]],
  '400: there is no message, or it is no text; the path can be no channel; a GET without a WebSocket': async (own) => [
    [400, await ask(own, '/', { body: '' })],
    [400, await ask(own, '/', { body: Buffer.from([0xff, 0xfe]) })],
    [400, await ask(own, `/${'x'.repeat(1000)}`)],
    [400, await ask(own, '/', { method: 'GET', body: '' })],
  ],
  '403: the key is wrong': async (own) => [[403, await ask(own, '/', { authorization: 'another' })]],
  '202: it is accepted': async (own) => [
    [202, await ask(own, '/football')],
    [202, await ask(own, '/', { authorization: `Key ${KEY}` })],
    [202, await ask(own, '/any', { body: '', headers: { 'Lightpush-Message': 'Hi' } })],
  ],
  '405, 408, 413: another method; a body that does not come; a message longer than `--message-bytes-max`': async (own, t) => [
    [405, await ask(own, '/', { method: 'PUT' })],
    [408, await ask(await start(t, ...SINGLE, '--handshake-timeout=3'), '/', { body: null })],
    [413, await ask(own, '/', { body: 'x'.repeat(2000) })],
  ],
  '503: it cannot be published: behind a forwarder without `--publish-to`': async (_, t) => {
    const mq = await system(t).mq();
    const behind = await start(t, `--mq_socket=${mq.pub}`);
    const whole = await start(t, `--mq_socket=${mq.pub}`, `--publish-to=${mq.sub}`);
    return [[503, await ask(behind, '/')], [202, await ask(whole, '/')]];
  },
};

test('each row of the table has a case', () => {
  assert.deepEqual(Object.keys(CASES).toSorted(), ROWS.toSorted());
});

for (const [row, provoke] of Object.entries(CASES)) {
  test(row, async (t) => {
    const own = await start(t, ...SINGLE, '--message-bytes-max=1KiB');
    for (const [expected, status] of await provoke(own, t)) assert.equal(status, expected, row);
  });
}
