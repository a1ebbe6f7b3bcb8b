import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import { test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build } from '../build.mjs';
import * as module from '../dist/pushnote.mjs';
import * as pushModule from '../dist/push.mjs';
import * as updatesModule from '../dist/updates.mjs';
import { advance, settle, world } from './fakes.mjs';

const dist = new URL('../dist/', import.meta.url);
const built = build();

test('dist/ is what src/ makes', () => {
  assert.deepEqual(readdirSync(dist).sort(), Object.keys(built).sort());
  for (const [name, text] of Object.entries(built)) {
    assert.equal(readFileSync(new URL(name, dist), 'utf8'), text, `${name} is old: run npm run build`);
  }
});

/** In bytes, gzipped. `pushnote` had 6,000 before `eventsource`, and before tokens that fail concerned their subscription alone. */
const LENGTH_MAX = { pushnote: 6_400, push: 2_500, 'pushnote-sw': 1_500, updates: 2_000 };

test('a page loads little', () => {
  for (const [name, text] of Object.entries(built).filter(([name]) => /^[\w-]+\.[cm]?js$/.test(name))) {
    const { length } = gzipSync(text, { level: 9 });
    assert.ok(length <= LENGTH_MAX[name.replace(/\.[cm]?js$/, '')], `${name} has ${length} bytes`);
  }
});

test('each module exports one thing, and each script makes one global of it and no other', () => {
  const required = ['pushnote', 'push', 'updates'].map((name) => createRequire(import.meta.url)(`../dist/${name}.cjs`));
  for (const modules of [[module, pushModule, updatesModule], required]) {
    assert.deepEqual(modules.map(Object.keys), [['connect'], ['push'], ['updates']]);
  }
  const page = vm.createContext({ AbortController });
  for (const name of ['pushnote', 'push', 'updates']) vm.runInContext(built[`${name}.js`], page);
  assert.deepEqual(Object.keys(page), ['AbortController', 'pushnote', 'push', 'updates']);
  const made = [page.pushnote.connect, page.push, page.updates.registerProcessor];
  assert.deepEqual(made.map((each) => typeof each), ['function', 'function', 'function']);
});

test('the maps lead from each build to its sources', () => {
  for (const [name, source, words] of [
    ['pushnote', 'connection.js', 'the connection is closed'],
    ['push', 'worker.js', 'permission_denied'],
    ['updates', 'updates.js', 'registerProcessor'],
  ]) {
    const map = JSON.parse(built[`${name}.map`]);
    for (const [place, path] of map.sources.entries()) {
      assert.equal(map.sourcesContent[place], readFileSync(new URL(path, dist), 'utf8'), path);
    }
    for (const file of ['mjs', 'js', 'cjs'].map((extension) => `${name}.${extension}`)) {
      const [before] = built[file].split(words);
      const lines = before.split('\n');
      const { originalSource, originalLine } = new SourceMap(map).findEntry(lines.length - 1, lines.at(-1).length);
      assert.equal(originalSource, `../src/${source}`, file);
      const original = readFileSync(new URL(originalSource, dist), 'utf8').split('\n')[originalLine];
      assert.ok(original.includes(words), `${file}: ${words} in ${original}`);
    }
  }
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
