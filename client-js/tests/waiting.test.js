import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { backoffMs, pause, within } from '../src/waiting.js';
import { settle } from './fakes.mjs';

test('the ceiling of the back-off doubles up to its limit, and the delay is anywhere below it', (t) => {
  const random = t.mock.method(Math, 'random', () => 0.999999);
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 5000].map((failures) => Math.round(backoffMs(failures, 500, 20_000)));
  assert.deepEqual(ceilings, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
  random.mock.mockImplementation(() => 0);
  assert.equal(backoffMs(9, 500, 20_000), 0);
});

test('a pause ends by time, by abort, and when the browser is online again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const ended = [];
  const abort = new AbortController();
  const start = (name) => pause(1000, abort.signal).then(() => ended.push(name));

  start('time');
  t.mock.timers.tick(999);
  await settle();
  assert.deepEqual(ended, []);
  t.mock.timers.tick(1);
  await settle();
  assert.deepEqual(ended, ['time']);

  start('online');
  window.dispatchEvent(new Event('online'));
  await settle();
  start('abort');
  abort.abort();
  await settle();
  start('aborted before');
  await settle();
  assert.deepEqual(ended, ['time', 'online', 'abort', 'aborted before']);
});

test('work that never ends leaves nothing behind', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const outer = new AbortController();
  const late = within(1000, outer.signal, () => new Promise(() => {}));
  assert.equal(getEventListeners(outer.signal, 'abort').length, 1);
  t.mock.timers.tick(1000);
  await assert.rejects(late);
  assert.equal(getEventListeners(outer.signal, 'abort').length, 0);
});

test('work is aborted at its deadline, and with the signal around it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const outer = new AbortController();
  let inner;
  const hang = (signal) => new Promise(() => (inner = signal));

  const late = within(1000, outer.signal, hang);
  t.mock.timers.tick(1000);
  await assert.rejects(late, /no answer within 1000 ms/);
  assert.ok(inner.aborted);

  const cut = within(1000, outer.signal, hang);
  assert.ok(!inner.aborted);
  outer.abort();
  await assert.rejects(cut, /closed/);
  assert.ok(inner.aborted);

  assert.equal(await within(1000, new AbortController().signal, async () => 42), 42);
});
