import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watch } from '../src/watch.js';

const LIMIT_MS = 40_000;

/** A watch in a page, with a clock and timers that the test moves. */
function page(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  globalThis.document = new EventTarget();
  const seen = { silent: 0 };
  const watching = watch(LIMIT_MS, () => seen.silent++);
  t.after(() => {
    watching.stop();
    for (const name of ['addEventListener', 'removeEventListener', 'document']) delete globalThis[name];
  });
  const wakes = {
    online: () => window.dispatchEvent(new Event('online')),
    visible: () => document.dispatchEvent(new Event('visibilitychange')),
  };
  return { watch: watching, seen, wakes, tick: (ms) => t.mock.timers.tick(ms) };
}

/** Time passes, and no timer rings: the machine sleeps. */
const sleep = (t, ms) => t.mock.timers.setTime(Date.now() + ms);

test('silence counts from the last sign of life', (t) => {
  const { watch, seen, tick } = page(t);
  for (let each = 0; each < 10; each++) {
    tick(LIMIT_MS - 1);
    watch.heard();
  }
  tick(LIMIT_MS - 1);
  assert.equal(seen.silent, 0);
  tick(1);
  assert.equal(seen.silent, 1);
  tick(10 * LIMIT_MS);
  assert.equal(seen.silent, 1, 'it says so once');
});

test('a page that slept reads first, and then judges', (t) => {
  const { watch, seen, tick } = page(t);
  sleep(t, 10 * LIMIT_MS);
  tick(0);
  assert.equal(seen.silent, 0);
  watch.heard(); // it lay there
  tick(LIMIT_MS - 1);
  assert.equal(seen.silent, 0);

  sleep(t, 10 * LIMIT_MS);
  tick(0);
  tick(1_999);
  assert.equal(seen.silent, 0);
  tick(1);
  assert.equal(seen.silent, 1);
});

for (const event of ['online', 'visible']) {
  test(`it looks at once when the page is ${event} again`, (t) => {
    const { seen, wakes, tick } = page(t);
    sleep(t, LIMIT_MS - 1);
    wakes[event]();
    sleep(t, 1);
    wakes[event]();
    wakes[event](); // again does not begin the wait anew
    tick(1_999);
    assert.equal(seen.silent, 0);
    tick(1);
    assert.equal(seen.silent, 1);
  });
}

test('timers that are late each time, as in the background, do not put it off for ever', (t) => {
  const { seen, tick } = page(t);
  for (let minute = 0; minute < 3; minute++) {
    sleep(t, 60_000);
    tick(0);
  }
  assert.equal(seen.silent, 1);
});

test('a clock that is set back makes it no more patient', (t) => {
  const { seen, tick } = page(t);
  tick(20_000);
  const real = Date.now;
  Date.now = () => real() - 3_600_000;
  t.after(() => (Date.now = real));
  for (let second = 0; second < 45; second++) tick(1_000);
  assert.equal(seen.silent, 1);
});

test('a watch that was stopped is gone', (t) => {
  const { watch, seen, wakes, tick } = page(t);
  watch.stop();
  sleep(t, 10 * LIMIT_MS);
  for (const wake of Object.values(wakes)) wake();
  tick(10 * LIMIT_MS);
  assert.equal(seen.silent, 0);
});
