// Makes dist/ from src/: one ES module for pages without a bundler, one classic script with the global `pushnote`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! pushnote ${version}, ${license} */\n`;

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL('src/pushnote.js', import.meta.url))],
    bundle: true,
    format: 'esm',
    minify: true,
    target: 'es2022',
    write: false,
  });
  const module = outputFiles[0].text;
  // esbuild's own form of a script is longer by what only CommonJS needs.
  const body = module.replace(/export\{([\w$]+) as connect\};\n$/, 'return{connect:$1}');
  return {
    'pushnote.mjs': banner + module,
    'pushnote.js': `${banner}var pushnote=(()=>{"use strict";${body}})();\n`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
