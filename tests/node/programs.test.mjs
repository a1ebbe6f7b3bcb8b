// The pages of the programs' crates, bin/*/README.md: run as they are printed, but for the ports, and for what compiles.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
  return code.trim().split('\n').map((line) => line.slice(indent.length));
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

/** Starts a line that does not end by itself, on ports that are free; the one it listens on. */
async function start(line, ready) {
  const process = bash(`exec ${line}`);
  await process.until(() => ready.test(process.story), line);
  return Number(process.story.match(ready)[1]);
}

/** Puts others in the place of ports and names, each of which must be there. */
const replaced = (text, pairs) =>
  pairs.reduce((text, [from, to]) => (assert.ok(text.includes(from), `${from} in ${text}`), text.replaceAll(from, to)), text);

/** A page of a server, which has what these lines publish. */
async function hears(port, publish, data) {
  const page = system.client('pushnote_client.mjs', { url: `http://127.0.0.1:${port}/sockjs` });
  await page.event('open');
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
  const { port } = await system.server({ mq: `tcp://127.0.0.1:${pub}` });
  await hears(port, () => system.publish({ msg: 'Hi all!' }, { to: `tcp://127.0.0.1:${sub}` }), { msg: 'Hi all!' });
});

test("the server's page starts it", { timeout: 60_000 }, async () => {
  const [secret, line, ...more] = installed('bin/pushnote-server/README.md', '--single', 'pushnote-server');
  assert.deepEqual(more, []);
  await run(secret);
  const mq = await freePort();
  const port = await start(replaced(line, [['--port=8080', '--port=0'], ['8002', mq]]), /listening on http:\/\/\S+:(\d+)\/sockjs/);
  await hears(port, () => system.publish({ msg: 'Hi all!' }, { to: `tcp://127.0.0.1:${mq}` }), { msg: 'Hi all!' });
});

test("the tool's page starts everything, and publishes to it", { timeout: 60_000 }, async () => {
  const page = 'bin/pushnote/README.md';
  const [line, ...more] = installed(page, 'pushnote dev', 'pushnote');
  assert.deepEqual(more, []);
  const mq = `tcp://127.0.0.1:${await freePort()}`;
  const port = await start(`${line} --port=0 --mq_socket=${mq}`, /listening on http:\/\/\S+?:(\d+)/);
  const [publish] = lines(page, 'pushnote publish');
  await hears(port, () => run(publish, { PUSHNOTE_MQ_SOCKET: mq }), { msg: 'Hi all!' });
});
