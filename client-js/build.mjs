// Makes dist/ from src/: one ES module for pages without a bundler, one classic script with the global `pushnote`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const FORMS = { 'pushnote.mjs': { format: 'esm' }, 'pushnote.js': { format: 'iife', globalName: 'pushnote' } };

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  return Object.fromEntries(Object.entries(FORMS).map(([name, form]) => [name, bundled(form)]));
}

function bundled(form) {
  const { outputFiles } = buildSync({
    ...form,
    entryPoints: [fileURLToPath(new URL('src/pushnote.js', import.meta.url))],
    banner: { js: `/*! pushnote ${version}, ${license}; made from client-js/src by build.mjs */` },
    bundle: true,
    minify: true,
    target: 'es2022',
    write: false,
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
