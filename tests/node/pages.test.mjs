// What is written for people: links lead somewhere, what the pages say that programs say is in the programs, and limits
// and figures are those of the pages that are made by machines.

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

test('what troubleshooting.md says that programs say, they say', () => {
  const source = files('crates', ['.rs']).concat(files('bin', ['.rs']), files('client-py', ['.py'])).map(read);
  // A text may go over several lines.
  const said = source.join('\n').replace(/\\\n\s*/g, '').replace(/\s+/g, ' ');
  const cells = [...read('docs/troubleshooting.md').matchAll(/^\| ([^|]+) \|.*$/gm)].map(([, cell]) => cell);
  const texts = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text));
  const quoted = texts.filter((text) => !/^(Upgrade|allowed_origin|route|…|Authorization|--)/.test(text));
  assert.ok(quoted.length > 30);
  for (const text of quoted) assert.ok(said.includes(text), text);
  for (const [, code, reason] of read('docs/troubleshooting.md').matchAll(/^\| (3\d{3}) `([^`]+)`/gm)) {
    assert.ok(said.includes(`(${code}, "${reason}"`), `${code} ${reason}`);
  }
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

test('the figures of limits.md are in bench/RESULTS.md', () => {
  const results = read('bench/RESULTS.md');
  for (const row of [
    '| pushnote | SockJS websocket | 1.10 (2.613) | 1.07 (0.641) | 1.09 (0.172) |',
    '| pushnote | SockJS websocket | 1456 | 19 | 0.43 |',
    '| pushnote | SockJS xhr-streaming | 13084 |',
    '| 100 | 4 | 8,175,460 | 6,785,735 |',
    '| 1024 | 4 | 724,621 | 734,395 |',
    '1.66 s',
    '| 0 | 2.78 µs | 56 % |',
    '| 20,000 µs | 1.01 µs | 20 % |',
  ]) {
    assert.ok(results.includes(row), `limits.md has a figure that is no more: ${row}`);
  }
});

test("what PyPI shows has no links that hold in the repository alone", () => {
  assert.deepEqual(prose(read('client-py/README.md')).match(/\]\((?!https:|#)[^)]*\)/g), null);
});
