// The package as others get it: packed, installed into an empty folder, and used from there. Nothing is asked of the
// registry.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { JSDOM } from 'jsdom';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGE = join(HERE, '..');
const site = mkdtempSync(join(tmpdir(), 'pushnote-package-'));
after(() => rmSync(site, { recursive: true }));

/** Runs a program in the site's folder. */
async function run(program, ...args) {
  try {
    return (await promisify(execFile)(program, args, { cwd: site })).stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
  }
}
const tool = (name, ...args) => run(join(PACKAGE, 'node_modules/.bin', name), ...args);
const write = (name, text) => writeFileSync(join(site, name), text);

let tarball;
let files;
before(async () => {
  write('package.json', '{ "private": true, "type": "module" }');
  const packed = await run('npm', 'pack', PACKAGE, '--ignore-scripts', '--json');
  [{ filename: tarball, files }] = Object.values(JSON.parse(packed));
  await run('npm', 'install', `./${tarball}`, '--offline', '--no-audit', '--no-fund');
});

test('publint and arethetypeswrong find nothing', async () => {
  await tool('publint', 'run', tarball, '--strict');
  // The service worker is a script, which nobody imports.
  await tool('attw', tarball, '--exclude-entrypoints', './pushnote-sw.js');
});

test('it has what it needs, and no more', () => {
  const paths = files.map(({ path }) => path);
  const others = paths.filter((path) => !/^(src|dist|examples)\/[\w-]+\.|^[\w-]+\.d\.ts$/.test(path));
  assert.deepEqual(others.sort(), ['LICENSE', 'README.md', 'package.json']);
  const { exports, main, module, types, unpkg, jsdelivr } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const named = JSON.stringify([exports, main, module, types, unpkg, jsdelivr]).match(/(?<="\.\/)[\w/.-]+\.[\w.]+(?=")/g);
  for (const path of named.filter((path) => path.includes('/') || path.includes('.d.'))) {
    assert.ok(paths.includes(path), `${path} is named, and not in the package`);
  }
});

const USE = 'console.log(JSON.stringify([typeof connect, typeof push, typeof updates.subscribe]))';

for (const [kind, name, line] of [
  ['imported', 'page.js', (what, from) => `import { ${what} } from '${from}';`],
  ['required', 'page.cjs', (what, from) => `const { ${what} } = require('${from}');`],
]) {
  test(`it can be ${kind}, and bundled so`, async () => {
    const lines = [line('connect', 'pushnote'), line('push', 'pushnote/push'), line('updates', 'pushnote/updates'), USE];
    write(name, lines.join('\n'));
    assert.deepEqual(JSON.parse(await run('node', name)), ['function', 'function', 'function']);
    buildSync({ absWorkingDir: site, entryPoints: [name], outfile: `bundle.${name}`, bundle: true, minify: true, logLevel: 'silent' });
    const bundled = readFileSync(join(site, `bundle.${name}`), 'utf8');
    write('bundle.cjs', bundled);
    assert.deepEqual(JSON.parse(await run('node', 'bundle.cjs')), ['function', 'function', 'function']);
  });
}

test('the line of the README has connect, by either way', async () => {
  const blocks = [...readFileSync(join(PACKAGE, 'README.md'), 'utf8').matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  const [line, ...more] = blocks.filter((code) => code.startsWith("import { connect } from 'pushnote'; //"));
  assert.deepEqual(more, []);
  const [, required] = line.match(/^.*; \/\/ or (.*)\n$/);
  write('readme.js', `${line}console.log(typeof connect);`);
  write('readme.cjs', `${required};\nconsole.log(typeof connect);`);
  for (const name of ['readme.js', 'readme.cjs']) assert.equal(await run('node', name), 'function\n');
});

test('the service worker and the builds are found by name', () => {
  const { resolve } = createRequire(join(site, 'page.js'));
  const found = [resolve('pushnote/pushnote-sw.js'), resolve('pushnote/dist/pushnote.mjs')];
  for (const [place, path] of Object.entries(['dist/pushnote-sw.js', 'dist/pushnote.mjs'])) {
    assert.equal(found[place], join(site, 'node_modules/pushnote', path));
  }
});

const BUNDLER = ['--module', 'esnext', '--moduleResolution', 'bundler'];

for (const [name, lib, ...options] of [
  ['usage.ts', 'es2022,dom', '--module', 'nodenext'],
  ['usage.cts', 'es2022,dom', '--module', 'nodenext'],
  ['usage.ts', 'es2022,dom', ...BUNDLER],
  ['usage.ts', 'es2022,dom', '--exactOptionalPropertyTypes', ...BUNDLER],
  ['script.ts', 'es2022,dom', ...BUNDLER],
  ['bare.ts', 'es2022', '--exactOptionalPropertyTypes', '--module', 'nodenext'],
  ['bare.cts', 'es2022', '--exactOptionalPropertyTypes', '--module', 'nodenext'],
]) {
  test(`tsc --strict takes ${name} with ${[lib, ...options].join(' ')}`, async () => {
    copyFileSync(join(HERE, 'types', name.replace('.cts', '.ts')), join(site, name));
    await tool('tsc', '--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2022', '--lib', lib, ...options, name);
  });
}

test('a page loads the scripts', async () => {
  const scripts = ['pushnote', 'push', 'updates'].map((name) => `<script src="node_modules/pushnote/dist/${name}.js"></script>`);
  write('page.html', `<!DOCTYPE html>${scripts.join('')}<script>conn = pushnote.connect('http://push.example/', { push: push })</script>`);
  const fetch = () => new Promise(() => {});
  const page = await JSDOM.fromFile(join(site, 'page.html'), {
    runScripts: 'dangerously',
    resources: 'usable',
    beforeParse: (window) => Object.assign(window, { fetch }),
  });
  const { window } = page;
  await new Promise((resolve) => window.addEventListener('load', resolve));
  assert.deepEqual([window.conn.state, typeof window.conn.enablePush], ['connecting', 'function']);
  assert.equal(typeof window.updates.subscribe, 'function');
  window.conn.close();
  window.close();
});
