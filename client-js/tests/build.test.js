import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build } from '../build.mjs';
import * as module from '../dist/pushnote.mjs';

const dist = new URL('../dist/', import.meta.url);

test('dist/ is what src/ makes', () => {
  const built = build();
  assert.deepEqual(readdirSync(dist).sort(), Object.keys(built).sort());
  for (const [name, text] of Object.entries(built)) {
    assert.equal(readFileSync(new URL(name, dist), 'utf8'), text, `${name} is old: run npm run build`);
  }
});

test('a page loads little', () => {
  for (const text of Object.values(build())) {
    const { length } = gzipSync(text, { level: 9 });
    assert.ok(length <= 6_000, `${length} bytes`);
  }
});

test('the module exports connect, the script makes one global of it and no other', () => {
  assert.deepEqual(Object.keys(module), ['connect']);
  const page = vm.createContext({});
  vm.runInContext(build()['pushnote.js'], page);
  assert.deepEqual(Object.keys(page), ['pushnote']);
  assert.equal(typeof page.pushnote.connect, 'function');
});

test('the package brings the license of the repository', () => {
  const license = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
  assert.equal(license('../LICENSE'), license('../../LICENSE'));
});
