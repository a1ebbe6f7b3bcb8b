// Every fenced block of README.md, of docs/ and of the packages' pages is run, or compared, by a test that takes it from the page.
// This is the list of them: below which heading there are how many blocks, and which files test them. Who adds a block adds its
// test, and counts it here. A test takes a block by a piece of its text, which no other block below the heading has.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const names = (folder) => readdirSync(new URL(`../../${folder}`, import.meta.url));
const isThere = (path) => existsSync(new URL(`../../${path}`, import.meta.url));

const README = 'tests/readme/main.rs';
const PAGES = 'tests/browser/blocks.test.mjs';
const LANGUAGES = 'tests/node/languages.test.mjs';
const FRAMEWORKS = 'tests/browser/frameworks.test.mjs';
const PUSH = 'tests/readme/web_push.rs';
const PROGRAMS = 'tests/node/programs.test.mjs';
const PROTOCOL = ['client-js/tests/protocol.test.js', 'tests/delivery/protocol.rs'];
/** Rust's own: the crate's documentation is its README, and `cargo test` runs it. */
const doctest = (crate) => `crates/${crate}/src/lib.rs`;
/** They take all blocks below a heading, or of a page, without a piece of each: and say how many there are, or which is which. */
const TAKE_ALL = [...PROTOCOL, 'client-py/tests/test_start.py', 'tests/browser/readme.test.mjs', 'tests/node/commands.test.mjs', FRAMEWORKS];
/** What `make test` runs is these tests: none of them can run all. */
const ITSELF = 'Makefile';

/** Below each heading of a page: how many blocks, and the files whose tests take them. */
const TESTED = {
  'README.md': {
    'Try it': [3, README, ITSELF],
    'The real set-up': [5, README, 'tests/node/pages.test.mjs'],
    'Publishing': [5, README],
    'In the browser': [2, 'tests/browser/readme.test.mjs'],
    'Nothing lost on the way': [1, PROGRAMS],
    'Keep messages over a restart': [1, PROGRAMS],
    'Across machines': [3, README],
  },
  'docs/api.md': {
    'The API for applications': [1, README],
    'Publish': [3, README],
    'See what is there': [1, README],
    'Users who are to be gone': [1, README],
  },
  'docs/configuration.md': {
    'Configuration': [1, 'tests/node/commands.test.mjs'],
    '`pushnote-server`: table `[server]`': [2, 'tests/node/commands.test.mjs'],
  },
  'docs/deploy.md': {
    'The servers': [3, 'tests/browser/deploy.test.mjs'],
    'Install': [4, 'tests/install/main.rs'],
    'nginx': [1, 'tests/browser/proxies.mjs'],
    'HAProxy': [1, 'tests/browser/proxies.mjs'],
    'Caddy': [1, 'tests/browser/proxies.mjs'],
    'Apache': [2, 'tests/browser/proxies.mjs'],
    'Unix sockets': [2, 'tests/browser/deploy.test.mjs'],
    'Run it': [2, 'tests/browser/deploy.test.mjs', 'tests/install/main.rs'],
    'A new secret': [2, 'tests/install/main.rs'],
    'Is it right?': [2, 'tests/browser/deploy.test.mjs'],
  },
  'docs/fallback.md': { 'One address for the application and push': [4, 'tests/readme/relay.rs'] },
  'docs/flask-sse.md': {
    'Starting it': [2, 'tests/readme/flask_sse.rs'],
    'Publishing': [2, 'tests/readme/flask_sse.rs'],
    'In the browser': [1, 'tests/browser/flask_sse.test.mjs'],
  },
  'docs/rust.md': {
    'Rust: a site on axum or actix-web': [3, 'tests/readme/rust.rs'],
    'axum': [2, 'tests/readme/rust.rs', '.ci/packages.py'],
    'actix-web': [2, 'tests/readme/rust.rs', '.ci/packages.py'],
  },
  'docs/languages.md': {
    'From any language': [1, LANGUAGES],
    'Node': [1, LANGUAGES],
    'PHP': [1, LANGUAGES],
    'Ruby': [1, LANGUAGES],
    'Go': [1, LANGUAGES],
    'Java': [1, LANGUAGES],
    'A shell': [1, LANGUAGES],
    'Tokens': [3, LANGUAGES],
  },
  'docs/frameworks.md': {
    'A site in Laravel, Rails, Spring or Express': [3, FRAMEWORKS],
    'Laravel': [6, FRAMEWORKS],
    'Rails': [6, FRAMEWORKS],
    'Spring': [8, FRAMEWORKS],
    'Express': [4, FRAMEWORKS],
  },
  'docs/zeromq.md': {
    'From any language, by ZeroMQ': [1, LANGUAGES],
    'Node': [1, LANGUAGES],
    'PHP': [1, LANGUAGES],
    'Ruby': [1, LANGUAGES],
    'Go': [1, LANGUAGES],
    'Java': [1, LANGUAGES],
    'A shell': [1, LANGUAGES],
  },
  'docs/lightpush.md': {
    'Starting it': [2, 'tests/readme/lightpush.rs'],
    'Publishing': [3, 'tests/readme/lightpush.rs'],
    'In the browser': [1, PAGES],
  },
  'docs/limits.md': { 'Linux, with many connections': [2, 'tests/node/commands.test.mjs'] },
  'docs/long-poll.md': {
    'Reading with curl': [1, 'tests/readme/long_poll.rs'],
    'Reading with fetch': [1, 'tests/readme/long_poll.rs'],
    'Writing': [1, 'tests/readme/long_poll.rs'],
  },
  'docs/migration.md': {
    'Socket.IO': [1, 'tests/node/commands.test.mjs'],
    'django-channels': [1, 'tests/node/commands.test.mjs'],
  },
  'docs/operate.md': {
    'What to watch': [1, 'tests/node/alerts.test.mjs', 'tests/cli/server_metrics.rs'],
    'A copy of what is kept': [2, 'tests/cli/copies.rs'],
  },
  'docs/protocol.md': {
    'hello': [4, ...PROTOCOL],
    'messages': [2, ...PROTOCOL],
    'subscribe': [6, ...PROTOCOL],
    'unsubscribe': [2, ...PROTOCOL],
    'ack': [2, ...PROTOCOL],
    'expired': [2, ...PROTOCOL],
    'gap': [2, ...PROTOCOL],
    'history': [2, ...PROTOCOL],
    'presence': [4, ...PROTOCOL],
    'error': [1, ...PROTOCOL],
  },
  'docs/relay.md': { 'Push relay: publishers POST, pages poll': [4, 'tests/readme/relay.rs'] },
  'docs/sse.md': {
    'Server-sent events': [6, 'tests/readme/sse.rs', PAGES],
    'What a client asks for': [1, 'tests/readme/sse.rs'],
    'What comes': [1, PAGES],
    'Proxies, and how many streams a browser has': [1, 'tests/readme/sse.rs'],
  },
  'docs/start.md': {
    'Install': [2, 'client-py/tests/test_start.py'],
    'Tell Django': [2, 'client-py/tests/test_start.py'],
    'Run': [4, 'client-py/tests/test_start.py'],
  },
  'docs/tokens.md': { 'The secret': [1, 'client-py/tests/test_rotation.py'], 'JSON Web Tokens': [1, README], 'What is wrong with a token': [2, README] },
  'docs/troubleshooting.md': { 'When nothing arrives': [1, 'tests/node/commands.test.mjs'] },
  'docs/web-push.md': {
    'Start it': [1, PUSH],
    'In a page': [1, PAGES],
    'A browser subscribes': [2, PUSH, PAGES],
    'Send': [4, PUSH],
    'Browsers that the application keeps': [2, PUSH],
    'Send from a shell': [1, PUSH],
    'Socket first': [1, PUSH],
    'What became of it': [2, PUSH],
    'Webhook': [2, PUSH, 'tests/web_push/webhook.rs'],
    'Browsers of a user': [3, PUSH],
    'Coming from solidwebpush': [1, PUSH],
  },
  'client-js/README.md': {
    'pushnote': [1, PAGES],
    'Getting it': [2, 'client-js/tests/package.test.js', PAGES],
    'With `resume: true`': [1, PAGES],
    'React and Vue': [1, 'client-js/tests/examples.test.js'],
    'Web Push': [1, PAGES],
    'Updates over plain HTTP': [1, PAGES],
  },
  'client-py/README.md': {
    'pushnote for Python': [2, 'client-py/tests/test_readme.py'],
    'Django': [3, 'client-py/tests/test_readme.py'],
    'In tests': [1, 'client-py/tests/test_readme.py'],
    'Web Push, flask-sse': [1, 'client-py/tests/test_readme.py'],
  },
  'bin/pushnote/README.md': { 'pushnote-tool': [2, PROGRAMS] },
  'bin/pushnote-mq/README.md': { 'pushnote-mq': [1, PROGRAMS] },
  'bin/pushnote-server/README.md': { 'pushnote-server': [1, PROGRAMS] },
  'crates/pushnote/README.md': {
    pushnote: [1, doctest('pushnote')],
    'In a web application': [1, doctest('pushnote')],
    'Where to': [1, doctest('pushnote')],
  },
  'crates/pushnote-sockjs/README.md': { 'pushnote-sockjs': [1, doctest('pushnote-sockjs')], 'An application': [1, doctest('pushnote-sockjs')] },
  'crates/pushnote-websocket/README.md': { 'pushnote-websocket': [2, doctest('pushnote-websocket'), 'tests/node/pages.test.mjs'] },
  'crates/pushnote-sockjs-proto/README.md': { 'pushnote-sockjs-proto': [1, doctest('pushnote-sockjs-proto')] },
  'crates/pushnote-webpush/README.md': {
    'In a program of its own': [1, doctest('pushnote-webpush')],
    'In an async server': [1, doctest('pushnote-webpush')],
  },
  'crates/pushnote-zmtp-proto/README.md': { 'pushnote-zmtp-proto': [1, doctest('pushnote-zmtp-proto')] },
  'crates/pushnote-zmtp/README.md': { 'pushnote-zmtp': [1, doctest('pushnote-zmtp')] },
};

const pages = [
  'README.md',
  ...names('docs').filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ...['client-js', 'client-py', ...['bin', 'crates'].flatMap((folder) => names(folder).map((name) => `${folder}/${name}`))].map((part) => `${part}/README.md`),
].filter(isThere);

/** The blocks of a page: the heading above each, its language, and its text. */
function blocks(page) {
  const found = [];
  let heading;
  let fence;
  let before = '';
  for (const line of read(page).split('\n')) {
    const [, indent, mark, language] = line.match(/^( *)(```|~~~)(.*)/) ?? [];
    if (fence) {
      if (mark === fence.mark) fence = undefined;
      else found.at(-1).text += `${line.slice(fence.indent.length)}\n`;
    } else if (mark) {
      fence = { mark, indent };
      found.push({ heading, language, text: '' });
    } else if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    // Nobody would count it.
    else assert.ok(before || !/^ {4,}\S/.test(line), `${page} has a block without a fence: ${line}`);
    before = line.trim();
  }
  return found;
}

/** The texts between quotes in a test. */
function quoted(file) {
  const texts = read(file).matchAll(/r#"(.*?)"#|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'/gs);
  return [...texts].map(([, raw, ...others]) => raw ?? others.find((text) => text !== undefined).replace(/\\(.)/g, '$1'));
}

/** Whether a test takes this block, of those below its heading. */
function takes(file, block, others) {
  if (file === ITSELF) return block.text === 'make test\n';
  if (file.endsWith('/lib.rs')) return read(file).includes('include_str!("../README.md")') && /^rust\b/.test(block.language);
  if (TAKE_ALL.includes(file)) return true;
  return quoted(file).some((piece) => piece.length > 3 && block.text.includes(piece) && !others.some(({ text }) => text.includes(piece)));
}

for (const page of pages) {
  test(`the blocks of ${page} are those that are tested`, () => {
    const found = blocks(page);
    const counts = {};
    for (const { heading } of found) counts[heading] = (counts[heading] ?? 0) + 1;
    const listed = Object.entries(TESTED[page] ?? {});
    assert.deepEqual(
      counts,
      Object.fromEntries(listed.map(([heading, [count]]) => [heading, count])),
      'write a test that takes the block from the page, and count it in TESTED',
    );
    for (const [heading, [, ...files]] of listed) {
      const below = found.filter((block) => block.heading === heading);
      const taken = (file, block) => takes(file, block, below.filter((other) => other !== block));
      for (const file of files) {
        assert.ok(isThere(file), file);
        // A test that takes a block names its page, or in a list all pages.
        const named = [page, page.replace(/^docs\//, ''), basename(page)].some((name) => read(file).includes(name));
        assert.ok(named || file === ITSELF, `${file} says nothing of ${page}, where ${heading} is`);
        assert.ok(below.some((block) => taken(file, block)), `${file} takes no block below ${heading} of ${page}`);
      }
      for (const block of below) {
        assert.ok(files.some((file) => taken(file, block)), `nobody takes this block below ${heading} of ${page}:\n${block.text}`);
      }
    }
  });
}

test('no page is listed that is not there', () => {
  assert.deepEqual(Object.keys(TESTED).filter((page) => !pages.includes(page)), []);
});
