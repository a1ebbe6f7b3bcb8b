// The pages of the programs' crates, bin/*/README.md, and what README.md says of two forwarders and of messages that are kept:
// run as they are printed, but for hosts, ports and folders, and for what compiles.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BIN_DIR, freePort, Process, System } from './processes.mjs';
import { soon } from './waiting.mjs';

const read = (path) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'pushnote-programs-'));
const env = { PATH: `${BIN_DIR}:${process.env.PATH}`, PUSHNOTE_SECRET: undefined, RUST_LOG: undefined };
const system = new System();
const started = [];

after(async () => {
  await Promise.all(started.map((process) => process.end()));
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The lines of the page's only block that has this text. */
function lines(page, part) {
  const blocks = [...read(page).matchAll(/^( *)```sh\n(.*?)^ *```/gms)].filter(([, , code]) => code.includes(part));
  assert.equal(blocks.length, 1, `blocks of ${page} with ${part}`);
  const [[, indent, code]] = blocks;
  return code.trimEnd().split('\n').map((line) => line.slice(indent.length));
}

/** The block but for its first line, which installs the program of this page from a checkout: to compile it shows nothing. */
function installed(page, part, name) {
  const [install, ...rest] = lines(page, part);
  const [, path] = install.match(/^cargo install --path (\S+)$/) ?? assert.fail(install);
  assert.equal(`${path}/README.md`, page);
  assert.match(read(`${path}/Cargo.toml`), new RegExp(`^name = "${name}"$`, 'm'));
  assert.match(read(`${path}/src/main.rs`), /^(async )?fn main\b/m);
  return rest;
}

function bash(line, more) {
  const process = new Process('bash', ['-c', line], { ...env, ...more }, folder);
  started.push(process);
  return process;
}

async function run(line, more) {
  const process = bash(line, more);
  const { code } = await soon(process.exited, line, () => process.story);
  assert.equal(code, 0, line + process.story);
}

/** Starts a line that does not end by itself, and has the port it listens on. */
async function start(line, ready = /listening on http:\/\/\S+?:(\d+)/) {
  const process = bash(`exec ${line}`);
  await process.until(() => ready.test(process.story), line);
  return Object.assign(process, { port: Number(process.story.match(ready)[1]) });
}

/** Puts others in the place of ports and names, each of which must be there. */
const replaced = (text, pairs) =>
  pairs.reduce((text, [from, to]) => (assert.ok(text.includes(from), `${from} in ${text}`), text.replaceAll(from, to)), text);

async function open({ port }) {
  const page = system.client('pushnote_client.mjs', { url: `http://127.0.0.1:${port}/sockjs` });
  await page.event('open');
  return page;
}

/** A page of a server has what is published. */
async function hears(server, publish, data) {
  const page = await open(server);
  let waiting = true;
  const arrived = page.message(data).finally(() => (waiting = false));
  // Nobody says when a server has subscribed.
  while (waiting) await publish();
  await arrived;
}

test("the forwarder's page starts it", { timeout: 60_000 }, async () => {
  const [line, ...more] = installed('bin/pushnote-mq/README.md', 'pushnote-mq --sub', 'pushnote-mq');
  assert.deepEqual(more, []);
  const [sub, pub, ack] = [await freePort(), await freePort(), await freePort()];
  await start(replaced(line, [['8002', sub], ['8001', pub], ['8003', ack]]), /pub listening on \S+:(\d+)/);
  const server = await system.server({ mq: `tcp://127.0.0.1:${pub}` });
  await hears(server, () => system.publish({ msg: 'Hi all!' }, { to: `tcp://127.0.0.1:${sub}` }), { msg: 'Hi all!' });
});

test("the server's page starts it", { timeout: 60_000 }, async () => {
  const [secret, line, ...more] = installed('bin/pushnote-server/README.md', '--single', 'pushnote-server');
  assert.deepEqual(more, []);
  await run(secret);
  const mq = await freePort();
  const server = await start(replaced(line, [['--port=8080', '--port=0'], ['8002', mq]]));
  await hears(server, () => system.publish({ msg: 'Hi all!' }, { to: `tcp://127.0.0.1:${mq}` }), { msg: 'Hi all!' });
});

test("the tool's page starts everything, and publishes to it", { timeout: 60_000 }, async () => {
  const page = 'bin/pushnote/README.md';
  const [line, ...more] = installed(page, 'pushnote dev', 'pushnote');
  assert.deepEqual(more, []);
  const mq = `tcp://127.0.0.1:${await freePort()}`;
  const dev = await start(`${line} --port=0 --mq_socket=${mq}`);
  const [publish] = lines(page, 'pushnote publish');
  await hears(dev, () => run(publish, { PUSHNOTE_MQ_SOCKET: mq }), { msg: 'Hi all!' });
});

const SECRET = 'openssl rand -base64 32 > secret';

test('over two forwarders, as README.md has them, a page has each message once, also when one of them is lost', { timeout: 60_000 }, async () => {
  const [application, line, ...more] = lines('README.md', 'export PUSHNOTE_MQ_SOCKET=tcp://one');
  assert.deepEqual(more, []);
  const [one, two] = [await system.mq(), await system.mq()];
  await run(SECRET);
  const server = await start(replaced(line, [['tcp://one:8001', one.pub], ['tcp://two:8001', two.pub], ['--port=8080', '--port=0']]));
  await server.until(() => server.story.match(/subscribed peer=/g)?.length === 2, 'both forwarders');
  const exported = replaced(application, [['tcp://one:8002', one.sub], ['tcp://two:8002', two.sub]]);
  const page = await open(server);
  const publish = (text) => run(`${exported}\npushnote publish '"${text}"'`);
  await publish('to both');
  await page.message('to both');
  await one.end();
  await publish('to the other');
  await page.message('to the other');
  const came = page.events.filter(({ event }) => event === 'message').map(({ data }) => data);
  assert.deepEqual(came, ['to both', 'to the other']);
});

test('with the folder of README.md a message outlives the server', { timeout: 60_000 }, async () => {
  const [line, ...more] = lines('README.md', '--data-dir=/var/lib/pushnote');
  assert.deepEqual(more, []);
  await run(SECRET);
  const mq = await freePort();
  const own = replaced(line, [['--port=8080', '--port=0'], ['8002', mq], ['/var/lib/pushnote', 'kept']]);
  const kept = `${own} --channels='{ prefix = "news", public = true }'`;
  const stream = ({ port }) => fetch(`http://127.0.0.1:${port}/streams/news?offset=-1`);
  const server = await start(kept);
  await run(`pushnote publish --channel news '"kept"'`, { PUSHNOTE_MQ_SOCKET: `tcp://127.0.0.1:${mq}` });
  // What is read there is kept already.
  while ((await (await stream(server)).text()) !== '["kept"]');
  assert.ok(existsSync(join(folder, 'kept/pushnote.db')));
  await server.end();
  const again = await start(kept);
  assert.deepEqual(await (await stream(again)).json(), ['kept']);
});
