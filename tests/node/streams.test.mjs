// Durable Streams: the conformance tests of the protocol's authors, and their client as a reader.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stream } from '@durable-streams/client';
import { freePort, System } from './processes.mjs';
import { soon } from './waiting.mjs';

const KEY = 'a key of the test suites';
const KEYS = `suites publish,read,manage ${createHash('sha256').update(KEY).digest('hex')}\n`;

/** Groups of the conformance tests that are left out, each with the reason. */
const LEFT_OUT = [
  // A log has one line of messages: a stream that begins as another one would need a copy of it.
  /^Fork - /,
  // Web hooks, and queues of workers that they wake.
  /^Reserved subscription APIs/,
];

const system = new System();
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pushnote-streams-'));
  await writeFile(join(folder, 'keys'), KEYS);
});
after(async () => {
  await system.stop();
  await rm(folder, { recursive: true });
});

async function server(flags, port = 0) {
  const mq = `tcp://127.0.0.1:${await freePort()}`;
  const rules = '{ prefix = "", public = true }';
  const api = [`--api=127.0.0.1:${await freePort()}`, `--api-keys=${join(folder, 'keys')}`];
  const all = [`--channels=${rules}`, ...api, ...flags];
  const server = await system.server({ mq, port, single: true, flags: all });
  return Object.assign(server, { mq, streams: `http://127.0.0.1:${server.port}/streams` });
}

test('conforms to the protocol', { timeout: 600_000 }, async (t) => {
  const { streams } = await server(['--long-poll=2', '--message-bytes-max=1MiB']);
  const results = join(folder, 'results.json');
  const root = fileURLToPath(new URL('../streams', import.meta.url));
  const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
  const names = `^(?!${LEFT_OUT.map(({ source }) => source.slice(1)).join('|')})`;
  const env = { STREAMS_URL: streams, STREAMS_KEY: KEY, STREAMS_LONG_POLL_MS: '2000' };
  const args = [vitest, 'run', `--root=${root}`, `--outputFile=${results}`, `--testNamePattern=${names}`];
  const run = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'inherit' });
  await new Promise((resolve) => run.once('close', resolve));
  const { testResults } = JSON.parse(await readFile(results, 'utf8'));
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const of = (status) => all.filter((each) => each.status === status);
  const failed = of('failed').map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]}`);
  const figures = `${of('passed').length} passed, ${failed.length} failed, ${of('skipped').length} left out`;
  t.diagnostic(`Durable Streams: ${figures}`);
  assert.deepEqual(failed, [], figures);
  assert.ok(of('passed').length > 200, figures);
});

/** Waits until somebody has published to a channel. */
async function there(url) {
  while ((await fetch(url)).status === 404) await new Promise(setImmediate);
}

/** Reads a stream's messages, live, until there are `count`; gives them and where it was. */
async function read(url, { offset, count, live }) {
  const reader = await stream({ url, offset, live });
  const messages = [];
  let place = offset;
  await new Promise((resolve, reject) => {
    reader.subscribeJson(async (batch) => {
      messages.push(...batch.items);
      place = batch.offset;
      if (messages.length >= count) resolve();
    });
    reader.closed.catch(reject);
  });
  reader.cancel();
  return { messages, place };
}

for (const live of ['long-poll', 'sse']) {
  test(`${live}: the authors' client reads what applications publish, also after a restart`, async () => {
    const flags = [`--data-dir=${join(folder, live)}`, '--long-poll=5'];
    const port = await freePort();
    const first = await server(flags, port);
    const url = `${first.streams}/news`;
    const shout = async (to, numbers) => {
      const publisher = system.start('examples/shout', ['connect', to]);
      for (const data of numbers) publisher.write({ name: 'publish', channels: ['news'], data });
    };
    await shout(first.mq, [1, 2, 3]);
    await soon(there(url), `a stream at ${url}`);
    const reading = read(url, { offset: '-1', count: 6, live });
    await shout(first.mq, [4, 5, 6]);
    const { messages, place } = await reading;
    assert.deepEqual(messages, [1, 2, 3, 4, 5, 6]);
    assert.equal((await first.end('SIGTERM')).code, 0);

    const second = await server(flags, port);
    const resuming = read(url, { offset: place, count: 2, live });
    await shout(second.mq, [7, 8]);
    assert.deepEqual((await resuming).messages, [7, 8]);
    assert.equal((await fetch(`${url}?offset=${place.replace(/_.*/, '_0000000000000001')}`)).status, 410);
  });
}

test('what is known of a stream outlives its server, and a repeated append counts once', async () => {
  const flags = [`--data-dir=${join(folder, 'kept')}`];
  const port = await freePort();
  const first = await server(flags, port);
  const url = `${first.streams}/kept`;
  const write = (method, headers, body) => {
    const all = { Authorization: `Bearer ${KEY}`, 'Content-Type': 'text/plain', ...headers };
    return fetch(url, { method, headers: all, body });
  };
  const numbered = (seq) => ({ 'Producer-Id': 'a', 'Producer-Epoch': '0', 'Producer-Seq': String(seq) });
  assert.equal((await fetch(url, { method: 'PUT' })).status, 401);
  assert.equal((await write('PUT')).status, 201);
  assert.equal((await write('POST', numbered(0), 'one ')).status, 200);
  await first.end('SIGKILL');

  const second = await server(flags, port);
  assert.equal((await write('POST', numbered(0), 'one ')).status, 204);
  assert.equal((await write('POST', { ...numbered(1), 'Stream-Closed': 'true' }, 'two')).status, 200);
  await second.end('SIGKILL');

  const third = await server(flags, port);
  const answer = await fetch(url);
  assert.deepEqual([await answer.text(), answer.headers.get('Stream-Closed')], ['one two', 'true']);
  assert.equal((await write('POST', {}, 'three')).status, 409);
  assert.equal((await write('DELETE')).status, 204);
  await third.end('SIGKILL');

  await server(flags, port);
  assert.equal((await fetch(url)).status, 404);
});
