import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { updates } from '../src/updates.js';
import { advance, settle } from './fakes.mjs';
import { startRelay } from './relay.mjs';

/** A channel of a relay of its own, under a name of its own; what its processor gets and what goes wrong. */
async function channel(t, name, options) {
  const relay = await startRelay();
  t.after(() => relay.close());
  const got = [];
  const errors = [];
  const off = [updates.registerProcessor(name, 'answer', (data) => got.push(data.value)), updates.on('error', (error) => errors.push(error))];
  t.after(() => {
    off.forEach((each) => each());
    updates.unsubscribe(name);
  });
  return { relay, got, errors, subscribe: () => updates.subscribe({ [name]: relay.url }, { backoffMinMs: 1, ...options }) };
}

const answer = (value) => JSON.stringify({ type: 'answer', value });

/** Until it is so; the test's own deadline ends what never is. */
async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('each message comes once and in order: those that were there, and those that come', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'main_channel');
  for (const value of [1, 2]) relay.publish(answer(value));
  subscribe();
  subscribe(); // a name that stands for the same is no second subscription
  await until(() => relay.held.size === 1);
  assert.deepEqual(got, [1, 2]);
  assert.equal(relay.requests[0].headers['if-modified-since'], undefined, 'from the oldest on');
  relay.publish(answer(3));
  relay.publish(answer(4));
  await until(() => got.length === 4 && relay.held.size === 1);
  assert.deepEqual(got, [1, 2, 3, 4]);
  assert.equal(relay.requests.length, 5);
  assert.deepEqual(errors, []);

  assert.throws(() => updates.subscribe({ main_channel: 'http://127.0.0.1:1/' }), /subscribed already, with another address/);
  const [, held] = [...relay.held][0];
  const closed = once(held, 'close');
  assert.equal(updates.unsubscribe('main_channel'), true);
  await closed;
  assert.equal(updates.unsubscribe('main_channel'), false);
});

test('processors are called by type, and a fault of one harms nobody', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'types');
  const thrown = [];
  const own = globalThis.queueMicrotask;
  t.mock.method(globalThis, 'queueMicrotask', (task) => (/^\(\) => \{\s+throw error;/.test(task) ? thrown.push(task) : own(task)));
  const off = updates.registerProcessor('types', 'broken', () => {
    throw new Error('of the page');
  });
  const other = updates.registerProcessor('types', 'answer', ({ value }) => got.push(`again ${value}`));
  for (const body of ['{"type":"broken"}', '{"type":"unknown"}', 'null', '[1]', '"text"', answer(1)]) relay.publish(body);
  subscribe();
  await until(() => got.length === 2);
  assert.deepEqual(got, [1, 'again 1']);
  assert.throws(thrown[0], /of the page/);
  assert.deepEqual(errors, []);
  off();
  other();
  relay.publish(answer(2));
  await until(() => got.length === 3);
  assert.equal(got[2], 2);
  assert.throws(() => updates.registerProcessor('types', 'answer', 7), /must be a function/);
});

test('a message that is no JSON holds up none', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'undecodable');
  for (const body of [answer(1), '{"type":', '', answer(2)]) relay.publish(body);
  subscribe();
  await until(() => got.length === 2);
  assert.deepEqual(got, [1, 2]);
  assert.equal(errors.length, 2);
  assert.match(errors[0].message, /^undecodable: a message is no JSON, and skipped: /);
  assert.equal(errors[0].channel, 'undecodable');
});

test('whatever fails, it goes on where it was', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'failures', { intervalMs: 1 });
  relay.publish(answer(1));
  for (const status of [500, 404, 410, 409, 403]) relay.answers.push((response) => response.writeHead(status).end());
  relay.answers.push((response) => response.destroy());
  subscribe();
  await until(() => got.length === 1);
  assert.deepEqual(errors.map(({ code }) => code), [500, 404, 410, 409, 403, undefined]);
  assert.match(errors[2].message, /^failures: status 410: the channel was deleted; next try in 0\.0 s$/);
  for (const status of [204, 304, 408]) relay.answers.push((response) => response.writeHead(status).end());
  relay.publish(answer(2));
  relay.publish(answer(3));
  await until(() => got.length === 3);
  assert.deepEqual(got, [1, 2, 3]);
  assert.equal(errors.length, 6, 'that there is nothing new is no error');

  // A place that the server does not understand is given up; what is there comes again.
  await until(() => relay.held.size === 1);
  relay.answers.push((response) => response.writeHead(400).end());
  [...relay.held][0][1].destroy();
  await until(() => got.length === 6);
  assert.deepEqual(got.slice(3), [1, 2, 3]);
});

test('a request is asked anew when it was held for long', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'held', { holdMaxMs: 50 });
  subscribe();
  await until(() => relay.requests.length === 3);
  relay.publish(answer(1));
  await until(() => got.length === 1);
  assert.deepEqual([got, errors], [[1], []]);
});

/** The same with answers that a test makes, in a world whose time stands still. */
function scripted(t, answers, options) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const requests = [];
  const fetch = (url, { headers, ...init }) => {
    requests.push({ url, headers, ...init });
    const next = answers.shift();
    if (next instanceof Response) return Promise.resolve(next);
    if (next) return Promise.reject(next);
    return new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)));
  };
  const got = [];
  const errors = [];
  const off = [updates.registerProcessor('scripted', 'a', (data) => got.push(data.n)), updates.on('error', ({ message }) => errors.push(message))];
  updates.subscribe({ scripted: 'http://push.example/updates/a' }, { fetch, ...options });
  t.after(() => {
    updates.unsubscribe('scripted');
    off.forEach((each) => each());
  });
  return { requests, got, errors };
}

const at = 'Thu, 26 Nov 2026 10:00:00 GMT';
const message = (n, headers) => new Response(JSON.stringify({ type: 'a', n }), { headers: { 'Last-Modified': at, ...headers } });

test('the place is read from Etag in any form, else from Cache-Control', async (t) => {
  const { requests, got, errors } = scripted(t, [
    message(1, { Etag: '0' }), message(2, { Etag: '"1"' }), message(3, { Etag: 'W/"2"' }),
    message(4, { 'Cache-Control': 'etag=3' }), message(5, { 'Cache-Control': 'no-cache, ETag=4, private' }),
  ]);
  await settle();
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
  assert.deepEqual(requests[0].headers, {});
  assert.deepEqual(requests.slice(1).map(({ headers }) => headers),
    ['0', '1', '2', '3', '4'].map((etag) => ({ 'If-Modified-Since': at, 'If-None-Match': etag })));
  assert.deepEqual([requests[0].cache, requests[0].credentials], ['no-store', 'include']);
  assert.deepEqual(errors, []);
});

test('a server that does not say where it is is not asked in a tight loop', async (t) => {
  const hidden = () => new Response('{"type":"a","n":0}');
  const { requests, got, errors } = scripted(t, [hidden(), message(1), message(1), message(2, { Etag: '1' })]);
  await settle();
  assert.deepEqual([requests.length, got], [1, []]);
  assert.match(errors[0], /^scripted: no Last-Modified and Etag; a server of another origin has to expose them \(CORS\)/);
  await advance(t, 500);
  assert.deepEqual([requests.length, got], [3, [1]]);
  assert.match(errors[1], /^scripted: a message came twice: is the Etag lost on the way\?/);
  await advance(t, 500);
  assert.deepEqual(got, [1, 2]);
});

test('delays are random below a ceiling that doubles, up to one for all', async (t) => {
  t.mock.method(Math, 'random', () => 0.999);
  const failure = () => new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
  const { requests, errors } = scripted(t, Array.from({ length: 8 }, failure), { backoffMinMs: 1000, backoffMaxMs: 8000 });
  const waits = [1000, 2000, 4000, 8000, 8000];
  await settle();
  for (const [n, ms] of waits.entries()) {
    assert.equal(requests.length, n + 1);
    await advance(t, ms * 0.99);
    assert.equal(requests.length, n + 1);
    await advance(t, ms * 0.01);
  }
  assert.match(errors[0], /^scripted: fetch failed \(ECONNREFUSED\); next try in 1\.0 s$/);
});

test('a gap is told once, before the message behind it', async (t) => {
  const gap = { 'Pushnote-Gap': 'true' };
  const { got } = scripted(t, [
    message(1, { Etag: '0' }), new Response(null, { status: 204, headers: gap }), new Response(null, { status: 204, headers: gap }),
    message(2, { Etag: '5', ...gap }), message(3, { Etag: '9', ...gap }),
  ], { intervalMs: 1000 });
  t.after(updates.on('gap', ({ channel }) => got.push(channel)));
  for (let n = 0; n < 3; n++) await advance(t, 1000);
  assert.deepEqual(got, [1, 'scripted', 2, 'scripted', 3]);
});

test('where the server is polled in intervals, it waits for as long as nothing is new', async (t) => {
  const none = () => new Response(null, { status: 304 });
  const { requests, got, errors } = scripted(t, [none(), none(), message(1, { Etag: '0' }), none()], { intervalMs: 3000 });
  await settle();
  for (const n of [1, 2]) {
    assert.equal(requests.length, n);
    await advance(t, 3000);
  }
  assert.deepEqual([got, requests.length, errors], [[1], 4, []]);
});

test('what makes no sense is said at once', () => {
  assert.throws(() => updates.subscribe({ a: 'no address' }), TypeError);
  assert.throws(() => updates.subscribe({ a: 'http://push.example/' }, { intervalMs: 'soon' }), /intervalMs must be a number, not soon/);
  assert.throws(() => updates.on('message', () => {}), /no event "message", only error, gap/);
  assert.equal(updates.unsubscribe('a'), false);
});

test('to wait for ever is not to ask all the time', { timeout: 20_000 }, async (t) => {
  const { relay, got, errors, subscribe } = await channel(t, 'for_ever', { holdMaxMs: Infinity });
  subscribe();
  await until(() => relay.held.size === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  relay.publish(answer(1));
  await until(() => got.length === 1 && relay.held.size === 1);
  assert.deepEqual([relay.requests.length, errors], [2, []]);
});
