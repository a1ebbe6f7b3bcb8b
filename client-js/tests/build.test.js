import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build } from '../build.mjs';
import * as module from '../dist/pushnote.mjs';
import * as pushModule from '../dist/push.mjs';
import * as updatesModule from '../dist/updates.mjs';
import { advance, settle, world } from './fakes.mjs';

const dist = new URL('../dist/', import.meta.url);

test('dist/ is what src/ makes', () => {
  const built = build();
  assert.deepEqual(readdirSync(dist).sort(), Object.keys(built).sort());
  for (const [name, text] of Object.entries(built)) {
    assert.equal(readFileSync(new URL(name, dist), 'utf8'), text, `${name} is old: run npm run build`);
  }
});

const LENGTH_MAX = { pushnote: 6_000, push: 2_500, 'pushnote-sw': 1_500, updates: 2_000 };

test('a page loads little', () => {
  for (const [name, text] of Object.entries(build())) {
    const { length } = gzipSync(text, { level: 9 });
    assert.ok(length <= LENGTH_MAX[name.replace(/\.m?js$/, '')], `${name} has ${length} bytes`);
  }
});

test('each module exports one thing, and each script makes one global of it and no other', () => {
  assert.deepEqual([module, pushModule, updatesModule].map(Object.keys), [['connect'], ['push'], ['updates']]);
  const page = vm.createContext({ AbortController });
  for (const name of ['pushnote', 'push', 'updates']) vm.runInContext(build()[`${name}.js`], page);
  assert.deepEqual(Object.keys(page), ['AbortController', 'pushnote', 'push', 'updates']);
  const made = [page.pushnote.connect, page.push, page.updates.registerProcessor];
  assert.deepEqual(made.map((each) => typeof each), ['function', 'function', 'function']);
});

test('what a page loads speaks the protocol as its sources do', async (t) => {
  const { connection, last, seen } = world(t, module.connect, { resume: true });
  const news = connection.subscribe('news', { token: 'news:a' });
  const details = [];
  connection.channel('news').on('headline', (...args) => details.push(args));
  await settle();
  last().receive('o');
  const { id, subscriptions } = JSON.parse(last().sent[0]).data;
  assert.deepEqual(subscriptions, [{ channel: 'news', token: 'news:a' }]);
  const message = { channel: 'news', event: 'headline', data: 1 };
  const welcome = { type: 'welcome', id, version: 1, cursor: 'c0', complete: true };
  last().receive(`a${JSON.stringify([welcome, { type: 'messages', messages: [message], cursor: 'c1' }])}`);
  assert.deepEqual(await news, { user: undefined, cursor: 'c0', complete: true });
  assert.deepEqual(details, [[1, message]]);
  assert.equal(connection.cursor, 'c1');
  last().drop(1006, 'gone');
  await advance(t, 500);
  assert.deepEqual(seen.states, ['connected', 'connecting']);
  assert.match(seen.errors[0].message, /^gone; next try in 0\.\d s$/);
  connection.close();
  assert.deepEqual(seen.details.at(-1), { code: 1000, reason: 'closed by the page' });
});

test('the package brings the license of the repository', () => {
  const license = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
  assert.equal(license('../LICENSE'), license('../../LICENSE'));
});
