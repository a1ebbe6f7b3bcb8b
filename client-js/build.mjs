// Makes dist/ from src/: each entry as an ES module for pages without a bundler, and as a classic script with one
// global: `pushnote`, `push` and `updates`; and the service worker, as it is.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { minify_sync as minify } from 'terser';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! pushnote ${version}, ${license} */\n`;

/** Properties of objects that no page, server or browser sees: short names will do. */
const OWN_PROPERTIES =
  /^(beats|call|ended|fail|frame|heard|held|io|key|kind|list|listeners|lost|open|opened|prepare|receive|settings|silenceMs|source|stop|timer|userToken)$/;

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  const [module, push, updates] = [
    bundled('pushnote', OWN_PROPERTIES),
    bundled('push'), // what it is given by a connection is of another file, whose short names it does not know
    bundled('updates', OWN_PROPERTIES),
  ];
  return {
    'pushnote.mjs': banner + module,
    'pushnote.js': banner + script('pushnote', module, (connect) => `{connect:${connect.trim()}}`),
    'push.mjs': banner + push,
    'push.js': banner + script('push', push, (one) => one),
    'pushnote-sw.js': banner + readFileSync(new URL('src/pushnote-sw.js', import.meta.url), 'utf8'),
    'updates.mjs': banner + updates,
    // Where jQuery is, as django-pushserver's script of this name has it, too.
    'updates.js': `${banner}${script('updates', updates, (one) => one)}if(globalThis.jQuery)jQuery.updates=updates;\n`,
  };
}

/** The module of this name, whole. */
function bundled(name, mangleProps) {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL(`src/${name}.js`, import.meta.url))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    mangleProps,
    write: false,
  });
  // esbuild bundles, and terser makes less of it.
  const { code } = minify(outputFiles[0].text, { module: true, ecma: 2022, compress: { passes: 3 } });
  return `${code}\n`;
}

/** The same as a classic script with one global, made of what the module exports. */
function script(global, module, made) {
  const body = module.replace(/export\{([\w$]+) as \w+\};\n$/, (_, exported) => `return${made(` ${exported}`)}`);
  return `var ${global}=(()=>{"use strict";${body}})();\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
