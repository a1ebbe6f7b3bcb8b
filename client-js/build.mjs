// Makes dist/ from src/: each entry as an ES module for pages without a bundler, as a classic script with one global
// (`pushnote`, `push` and `updates`), and for `require`, with types of its own; and the service worker, as it is.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { minify_sync as minify } from 'terser';

const { version, license } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! pushnote ${version}, ${license} */`;
const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');

/** Properties of objects that no page, server or browser sees: short names will do. */
const OWN_PROPERTIES =
  /^(asking|beats|call|ended|fail|frame|heard|held|io|key|kind|life|list|listeners|lost|open|opened|post|prepare|receive|resolve|retry|settings|silenceMs|source|stop|timer|url|userToken)$/;

/** @returns {Record<string, string>} the text of each file of dist/ */
export function build() {
  return {
    ...entry('pushnote', { mangleProps: OWN_PROPERTIES, made: (connect) => `{connect:${connect}}` }),
    // What it is given by a connection is of another file, whose short names it does not know.
    ...entry('push', {}),
    // Where jQuery is, as django-pushserver's script of this name has it, too.
    ...entry('updates', { mangleProps: OWN_PROPERTIES, after: 'if(globalThis.jQuery)jQuery.updates=updates;' }),
    'pushnote-sw.js': `${banner}\n${read('src/pushnote-sw.js')}`,
  };
}

/**
 * The files of one entry. What the builds have in common is the same from the second line on, so that one map is true of
 * all.
 *
 * @param {{mangleProps?: RegExp, made?: (exported: string) => string, after?: string}} options of the script: what its
 *   global is, and what it does then
 */
function entry(name, { mangleProps, made = (exported) => ` ${exported}`, after = '' }) {
  const { code, map } = bundled(name, mangleProps);
  const [, body, exported, as] = code.match(/^(.*)export\{([\w$]+) as (\w+)\};$/s);
  const file = (before, text) => `${banner}${before}\n${text}\n//# sourceMappingURL=${name}.map\n`;
  return {
    [`${name}.mjs`]: file('', code),
    [`${name}.js`]: file(`var ${name}=(()=>{"use strict";`, `${body}return${made(exported)}})();${after}`),
    [`${name}.cjs`]: file('"use strict";', `${body}exports.${as}=${exported};`),
    // Mappings are by line: an empty one is the banner's.
    [`${name}.map`]: `${JSON.stringify({ ...map, mappings: `;${map.mappings}` })}\n`,
    [`${name}.d.cts`]: commonTypes(read(`${name}.d.ts`)),
  };
}

/** The module of this name, whole: esbuild bundles, and terser makes less of it. */
function bundled(name, mangleProps) {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL(`src/${name}.js`, import.meta.url))],
    outfile: fileURLToPath(new URL(`dist/${name}.js`, import.meta.url)),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    mangleProps,
    sourcemap: 'external',
    write: false,
  });
  const [{ text: content }, { text }] = outputFiles;
  const { code, map } = minify(text, {
    module: true,
    ecma: 2022,
    compress: { passes: 3, hoist_funs: true, unsafe_arrows: true },
    sourceMap: { content, includeSources: true, asObject: true },
  });
  return { code, map };
}

/** What `require` gives, has types that are of CommonJS, too. The global is the business of the others. */
function commonTypes(text) {
  return text.replace(/(from '\.\/\w+)\.js'/g, "$1.cjs'").replace(/\n[^\n]*\nexport as namespace \w+;\n/, '');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(build())) writeFileSync(new URL(`dist/${name}`, import.meta.url), text);
}
