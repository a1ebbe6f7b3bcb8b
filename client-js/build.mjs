// Makes dist/ from src/: one ES module for pages without a bundler, one classic script with the global `pushnote`.
// The modules are laid end to end in the order of their imports, so their top-level names must differ.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! pushnote ${version}, ${license}; made from client-js/src by build.mjs */\n`;
const IMPORT = /^import \{[^}]*\} from '(.+)';\n/gm;
const TOP_LEVEL = /^(?:async )?(?:class|const|function|let) (\w+)/gm;

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  const body = laidEndToEnd(new URL('src/pushnote.js', import.meta.url), new Set()).trim();
  const names = [...body.matchAll(TOP_LEVEL)].map((match) => match[1]);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new Error(`two modules of src/ have a top-level ${twice}`);
  return {
    'pushnote.mjs': `${banner}${body}\n\nexport { connect };\n`,
    'pushnote.js': `${banner}var pushnote = (() => {\n'use strict';\n\n${body}\n\nreturn { connect };\n})();\n`,
  };
}

function laidEndToEnd(url, done) {
  if (done.has(url.href)) return '';
  done.add(url.href);
  const source = readFileSync(url, 'utf8');
  const imported = [...source.matchAll(IMPORT)].map((match) => laidEndToEnd(new URL(match[1], url), done));
  return [...imported, source.replace(IMPORT, '').replace(/^export /gm, '').trim()].filter(Boolean).join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
