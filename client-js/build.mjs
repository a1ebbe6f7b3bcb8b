// Makes dist/ from src/: one ES module for pages without a bundler, one classic script with the global `pushnote`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { minify_sync as minify } from 'terser';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! pushnote ${version}, ${license} */\n`;

/** Properties of objects that no page, server or browser sees: short names will do. */
const OWN_PROPERTIES =
  /^(beats|call|ended|fail|frame|heard|held|io|key|kind|list|listeners|lost|opened|prepare|receive|settings|silenceMs|source|timer)$/;

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL('src/pushnote.js', import.meta.url))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    mangleProps: OWN_PROPERTIES,
    write: false,
  });
  // esbuild bundles, and terser makes less of it.
  const { code } = minify(outputFiles[0].text, { module: true, ecma: 2022, compress: { passes: 3 } });
  const body = code.replace(/export\{([\w$]+) as connect\};$/, 'return{connect:$1}');
  return {
    'pushnote.mjs': `${banner}${code}\n`,
    'pushnote.js': `${banner}var pushnote=(()=>{"use strict";${body}})();\n`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
