// What is written for people: links lead somewhere, flags, metrics and codes are those that the programs have, and limits and
// figures are those of the pages that are made by machines.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const entries = (folder) => readdirSync(join(ROOT, folder), { withFileTypes: true });
const pagesIn = (folder) =>
  entries(folder)
    .filter(({ name }) => name.endsWith('.md'))
    .map(({ name }) => join(folder, name));

/** The files below a folder with one of these extensions, but for what is installed or built. */
function files(folder, extensions) {
  return entries(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(target|node_modules|dist|tests|\..*)$/.test(entry.name) ? [] : files(path, extensions);
    return extensions.some((extension) => entry.name.endsWith(extension)) ? [path] : [];
  });
}

const parts = ['client-js', 'client-py', ...['bin', 'crates'].flatMap((folder) => entries(folder).map(({ name }) => `${folder}/${name}`))];
const PAGES = [...pagesIn('.'), ...pagesIn('docs'), 'bench/RESULTS.md', ...parts.map((part) => `${part}/README.md`)].filter((page) =>
  existsSync(join(ROOT, page)),
);

const REPOSITORY = 'https://github.com/pushnote/pushnote/blob/main/';

/** What a page is without its code, in which brackets are no links. */
const prose = (text) => text.replace(/^ *(```|~~~).*?^ *\1/gms, '').replace(/`[^`\n]*`/g, (code) => code.replace(/[[\](]/g, '·'));

/** A heading's anchor, as GitHub and mdBook make it. */
const anchor = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');

function anchors(text) {
  const seen = new Map();
  const headings = text.replace(/^ *(```|~~~).*?^ *\1/gms, '').matchAll(/^#+ +(.*?) *$/gm);
  return [...headings].map(([, heading]) => {
    const name = anchor(heading);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count ? `${name}-${count}` : name;
  });
}

for (const page of PAGES) {
  test(`the links of ${page} lead to something`, () => {
    // Pages that registries show, too, name others by their addresses.
    const local = (link) => (link.startsWith(REPOSITORY) ? relative(dirname(page), link.slice(REPOSITORY.length)) : link);
    const links = [...prose(read(page)).matchAll(/\]\(([^()\s]+)\)/g)].map(([, link]) => local(link));
    for (const link of links.filter((link) => !/^[a-z]+:/.test(link))) {
      const [path, fragment] = link.split('#');
      const target = path ? join(dirname(join(ROOT, page)), path) : join(ROOT, page);
      assert.ok(existsSync(target), `${link} of ${page}`);
      if (fragment && target.endsWith('.md')) {
        assert.ok(anchors(readFileSync(target, 'utf8')).includes(fragment), `${link} of ${page}: no such heading`);
      }
      assert.ok(!relative(ROOT, target).startsWith('..') && (fragment === undefined || statSync(target).isFile()), link);
    }
  });
}

test('the table of contents names each page of docs once', () => {
  const named = [...read('docs/SUMMARY.md').matchAll(/\]\(([^)]+)\)/g)].map(([, page]) => join('docs', page));
  const own = named.filter((page) => page.startsWith('docs/'));
  assert.deepEqual(own.toSorted(), pagesIn('docs').filter((page) => page !== 'docs/SUMMARY.md').toSorted());
});

test('what pages have Cargo build is there', () => {
  const manifests = ['bin', 'crates'].flatMap((folder) => entries(folder).map(({ name }) => `${folder}/${name}`));
  const members = new Map(manifests.map((folder) => [read(`${folder}/Cargo.toml`).match(/^name = "(.*)"/m)[1], folder]));
  let found = 0;
  const exists = (path, said) => assert.ok(existsSync(join(ROOT, path)), said) ?? (found += 1);
  for (const page of PAGES) {
    for (const [said, command, argument] of read(page).matchAll(/\bcargo (install --path|run[^\n`|]*? --example|bench -p|run --release --bin) "?([\w/$-]+)/g)) {
      const what = argument.replace('$PUSHNOTE/', '');
      if (command.startsWith('install')) exists(`${what}/src/main.rs`, said);
      else if (command.startsWith('bench')) exists(`${members.get(what)}/benches`, said);
      else if (command.endsWith('--bin')) exists(`bin/${what}/src/main.rs`, said);
      else assert.ok([...members.values()].some((folder) => existsSync(join(ROOT, folder, `examples/${what}.rs`))), said) ?? (found += 1);
    }
    for (const [said, target] of read(page).matchAll(/^cd fuzz && cargo \+nightly fuzz run (\w+)/gm)) {
      exists(join(dirname(page), `fuzz/fuzz_targets/${target}.rs`), said);
    }
  }
  assert.ok(found > 8, `only ${found} commands`);
});

test('the close codes are the same on each page, as are those with which client-js comes back', () => {
  const provoked = [...read('docs/troubleshooting.md').matchAll(/^\| (3\d{3}) `([^`]+)`/gm)].map(([, code, reason]) => [code, reason]);
  const rows = [...read('README.md').matchAll(/^\| (3\d{3}) \| (.+) \| (.+) \|$/gm)].map(([, code, reason, back]) => ({ code, reason, back }));
  assert.ok(rows.length > 5);
  assert.deepEqual(rows.map(({ code, reason }) => [code, reason]), provoked);
  const [final, passing] = ['3500–3999, 4500–4999', 'any other'].map((codes) => {
    const [, row] = read('client-js/README.md').match(new RegExp(`^\\| ${codes} \\| (.+) \\|$`, 'm'));
    return row.match(/\b3\d{3}\b/g);
  });
  assert.deepEqual(rows.filter(({ back }) => back === 'yes').map(({ code }) => code), passing);
  assert.deepEqual(rows.filter(({ back }) => back !== 'yes').map(({ code }) => code), final);
});

const RUST = files('crates', ['.rs']).concat(files('bin', ['.rs'])).map(read).join('\n');

/** What stands between backticks in the running text of pages that are about what there is. */
const spans = PAGES.filter((page) => page !== 'CHANGELOG.md').flatMap((page) =>
  [...read(page).replace(/^ *(```|~~~).*?^ *\1/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => ({ page, span })),
);

test('the flags that pages name are those of the programs', () => {
  const flags = new Set(['help', 'version']);
  const nested = /"(?:[^"\\]|\\.)*"|\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]/.source;
  const args = new RegExp(String.raw`#\[arg\(((?:[^()"[\]]|${nested})*)\)\]\s*(?:pub(?:\(\w+\))? )?(?:r#)?(\w+):`, 'g');
  for (const [, said, field] of RUST.matchAll(args)) {
    for (const [, name] of said.matchAll(/\b(?:long|alias) = "([^"]+)"/g)) flags.add(name);
    if (/\blong\b(?! =)/.test(said)) flags.add(field.replaceAll('_', '-'));
  }
  // gunicorn's, uWSGI's and bench/run's.
  const others = ['preload', 'lazy-apps', 'py-call-uwsgi-fork-hooks', 'enable-threads', 'write'];
  const own = spans.filter(({ span }) => /^(?:--|pushnote)/.test(span));
  const named = own.flatMap(({ page, span }) => [...span.matchAll(/(?<![\w-])--([a-z][\w-]*)/g)].map(([, flag]) => ({ page, flag })));
  assert.ok(named.length > 150 && flags.size > 120, `${named.length} names, ${flags.size} flags`);
  for (const { page, flag } of named) assert.ok(flags.has(flag) || others.includes(flag), `--${flag} of ${page}: no program has it`);
});

test('the metrics that pages name are counted', () => {
  const named = spans.flatMap(({ page, span }) => [...span.matchAll(/\bpushnote_(?:server|mq|panics|log)\w*/g)].map(([metric]) => ({ page, metric })));
  assert.ok(named.length > 15, `${named.length} names`);
  for (const { page, metric } of named) {
    const name = metric.replace(/_(?:total|info)$/, '');
    // Most names stand in tables, without what all of a program's begin with.
    const ends = [name, ...['server_', 'mq_', 'server_zmq_', 'mq_history_'].map((begin) => name.replace(`pushnote_${begin}`, ''))];
    assert.ok(ends.some((end) => RUST.includes(`"${end}"`)), `${metric} of ${page}: nothing counts it`);
  }
});

test('the limits are the ones of configuration.md', () => {
  const rows = (page) => [...read(page).matchAll(/^\| (.*) \|$/gm)].map(([, row]) => row.split(' | '));
  const defaults = new Map(rows('docs/configuration.md').map(([name, , value]) => [name, value]));
  const limits = rows('docs/limits.md').filter(([, setting]) => setting?.startsWith('`'));
  assert.ok(limits.length > 15);
  for (const [, setting, value] of limits) {
    assert.ok(defaults.has(setting), `no setting ${setting}`);
    const printed = /^(\d+)$/.exec(value)?.[1];
    if (printed) assert.equal(defaults.get(setting), `\`${printed}\``, setting);
  }
});

test('the figures of limits.md are those of bench/RESULTS.md', () => {
  /** The cells of the table's row that begins so, below a line of RESULTS.md. */
  const row = (below, begin) => {
    const rows = read('bench/RESULTS.md').split(below)[1].split('\n');
    const found = rows.find((line) => line.startsWith(`| ${begin} |`)) ?? assert.fail(`no ${begin} below ${below}`);
    return found.slice(2, -2).split(' | ').slice(begin.split(' | ').length);
  };
  const number = (text) => Number(text.replaceAll(',', '').match(/[\d.]+/)[0]);
  const grouped = (value) => value.toLocaleString('en-US');
  const millions = (value) => (value / 1e6).toFixed(1);

  const [single, , sixteen] = row('| server | transport | 1 in flight |', 'pushnote | SockJS websocket').map((cell) => cell.match(/^(.*) \((.*)\)$/));
  const [alone, together] = [single[2], sixteen[2]].map(Number);
  const [bytes, handshake, idle] = row('| server | transport | RSS per connection', 'pushnote | SockJS websocket');
  const [streaming] = row('| server | transport | RSS per connection', 'pushnote | SockJS xhr-streaming');
  const relayed = (size) => number(row('Messages from the publisher per CPU-second', `${size} | 4`)[1]);
  const back = row('**All come back at once.**', 'pushnote')[3];
  const [[, without, fast], [, with20, slow]] = ['0', '20,000 µs'].map((window) => row('| `--coalescing-window` |', window));
  const more = number(slow) - number(fast);
  const said = [
    `an idle WebSocket is ${grouped(number(bytes))} B, an xhr-streaming session ${grouped(number(streaming))} B,`,
    `(about 4 KB). 10,000 idle WebSockets are thus ${Math.round((number(bytes) * 10_000) / 1e6)} MB and ${(4 * 10_000) / 1000} MB.`,
    `one message to one browser is ${alone.toFixed(1)} µs when each message goes alone, to 1,000 connections, and ${together.toFixed(2)} µs when sixteen`,
    `from ${grouped(Math.round(100 / alone) * 10_000)} to ${millions(1e6 / together)} million deliveries a second and core.`,
    `${single[1]} of what bare \`send(2)\` costs`,
    `cost ${idle} µs of CPU a second each; a handshake ${handshake} µs.`,
    `${millions(relayed(100))} million messages of 100 bytes a second of CPU to 4 servers, ${millions(relayed(1024))} million of 1 KiB.`,
    `10,000 clients that each missed 1,000 messages had them after ${back}.`,
    `Messages × pages they go to × ${alone.toFixed(1)} µs, at most. A site that says ten things a second to 10,000 pages needs a quarter of a core.`,
    `at 20,000 µs and 200 messages a second it was ${with20} of a core instead of ${without}, for ten milliseconds more.`,
  ];
  assert.equal(Math.round(alone * 10 * 10_000 * 4 / 1e6), 1, 'a quarter of a core');
  assert.ok(more >= 9.5 && more < 11, `ten milliseconds more are ${more}`);
  const [, section] = read('docs/limits.md').match(/^## In short\n(.*?)^## /ms);
  let rest = section.replace(/\s+/g, ' ');
  for (const text of said) {
    assert.ok(rest.includes(text), `limits.md does not say what the results are: ${text}`);
    rest = rest.replace(text, '');
  }
  assert.deepEqual(rest.match(/\d[\d.,]*/g), ['64'], 'and has no other figures, but for what the log takes');
});

test("what PyPI shows has no links that hold in the repository alone", () => {
  assert.deepEqual(prose(read('client-py/README.md')).match(/\]\((?!https:|#)[^)]*\)/g), null);
});
