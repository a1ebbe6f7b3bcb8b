// The commands of docs/troubleshooting.md, configuration.md and limits.md and the examples of docs/migration.md, as they are
// printed but for the ports.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BIN_DIR, freePort, Process, System } from './processes.mjs';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pushnote-commands-'));
const system = new System();
const ports = {};
let mq;
let server;
let key;

const env = { PATH: `${BIN_DIR}:${process.env.PATH}`, PUSHNOTE_SECRET: undefined };

/** The page's only block of a language, with this set-up's ports. */
function block(page, language) {
  const blocks = [...readFileSync(at(`docs/${page}`), 'utf8').matchAll(/^```(\w+)\n(.*?)^```/gms)].filter(([, kind]) => kind === language);
  assert.equal(blocks.length, 1, `${page} has one block of ${language}`);
  return blocks[0][2].replace(/\b(8080|8081|8001|8002)\b/g, (port) => ports[port]);
}

function run(command, args, more = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder, encoding: 'utf8', timeout: 20_000, env: { ...process.env, ...env, ...more },
  });
  return { status, said: `${error ?? ''}${stdout}${stderr}` };
}

before(async () => {
  const made = run('bash', ['-c', `(umask 077 && openssl rand -base64 32 > secret)
    pushnote keygen --api shop --rights publish,read --secret-file shop.key >> api-keys`]);
  assert.equal(made.status, 0, made.said);
  key = readFileSync(join(folder, 'shop.key'), 'utf8').trim();
  mq = await system.mq();
  ports[8081] = await freePort();
  const flags = ['--secret-file=secret', `--api=127.0.0.1:${ports[8081]}`, '--api-keys=api-keys', `--publish-to=${mq.sub}`];
  const args = ['--port=0', '--address=127.0.0.1', `--mq_socket=${mq.pub}`, ...flags];
  server = system.start('pushnote-server', args, { PUSHNOTE_SECRET: undefined }, folder);
  for (const text of ['api listening on', 'subscribed to']) await server.until(() => server.story.includes(text), text);
  ports[8080] = server.story.match(/listening on http:\/\/127.0.0.1:(\d+)\/sockjs/)[1];
  [ports[8001], ports[8002]] = [mq.ports.pub, mq.ports.sub];
});

after(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Waits for a message in the channel `news`. */
async function inTheLog(expected) {
  const wanted = JSON.stringify(expected);
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${ports[8081]}/v1/channels/news?last=10`, { headers: { Authorization: `Bearer ${key}` } });
    const { messages } = await answer.json();
    if (JSON.stringify(messages?.at(-1)) === wanted) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('the three questions of troubleshooting.md are answered', async () => {
  const [page, doctor, events, token] = block('troubleshooting.md', 'sh').trim().split('\n');
  const seen = run('bash', ['-c', page.replace('#', '--keep-alive=0s #')]);
  assert.equal(seen.status, 0, seen.said);
  assert.match(seen.said, /^ok +page +xhr-streaming +open in .*^ok +page +token +the server takes it/ms);
  const asked = run('bash', ['-c', doctor]);
  assert.equal(asked.status, 0, asked.said);

  const stream = new Process('bash', ['-c', events], env);
  await stream.until(() => stream.story.includes(': pushnote'), 'the first line');
  await system.publish({ msg: 'to everyone' }, { to: mq.sub });
  await stream.until(() => stream.story.includes('data: {"msg":"to everyone"}'), 'the message');
  await stream.end();

  const TOKEN = run('pushnote', ['token', '42', '--secret-file=secret']).said.trim();
  assert.match(run('bash', ['-c', token], { TOKEN }).said, /^good for another .* user 42/);
  assert.match(run('bash', ['-c', token], { TOKEN: 'undefined' }).said, /the text "undefined", JavaScript's/);
});

test("migration.md's Python publishes to a channel", { timeout: 30_000 }, async () => {
  const program = block('migration.md', 'python');
  const socket = { PUSHNOTE_MQ_SOCKET: mq.sub, PYTHONPATH: at('client-py/src') };
  const { status, said } = run(at('tests/.venv/bin/python'), ['-c', program], socket);
  assert.equal(status, 0, said);
  await inTheLog({ channel: 'news', data: { msg: 'Hi' } });
});

test("migration.md's JavaScript publishes an event to a channel", { timeout: 30_000 }, async () => {
  const program = `const key = process.env.KEY;\n${block('migration.md', 'js')}`;
  writeFileSync(join(folder, 'publish.mjs'), program);
  const { status, said } = run(process.execPath, ['publish.mjs'], { KEY: key });
  assert.equal(status, 0, said);
  await inTheLog({ channel: 'news', event: 'headline', data: { msg: 'Hi' } });
});

test("configuration.md's commands do what stands beside them, and its examples are sound", { timeout: 30_000 }, () => {
  const page = readFileSync(at('docs/configuration.md'), 'utf8');
  const [, commands] = page.match(/^```\n(pushnote config .*?)^```/ms);
  // Each must end well.
  const { status, said } = run('bash', ['-ec', commands]);
  assert.equal(status, 0, said);
  assert.match(said, /pushnote.toml: sound/);
  const examples = [...page.matchAll(/^```toml\n(.*?)^```/gms)].map(([, text]) => text);
  assert.equal(examples.length, 2);
  for (const example of examples) {
    writeFileSync(join(folder, 'example.toml'), `[server]\nsingle = true\nsecret_file = "secret"\nmq_socket = "tcp://127.0.0.1:0"\n${example}`);
    const checked = run('pushnote', ['config', '--check', 'example.toml']);
    assert.equal(checked.status, 0, checked.said);
  }
});

test("limits.md's commands print what stands beside them", () => {
  const printed = [
    /^NOFILE .* (\d+|unlimited) +(\d+|unlimited) /m,
    /^LISTEN +0 +4096 /m,
    /^TcpExtListenOverflows +\d+.*\nTcpExtListenDrops +\d+/m,
    /^\d+\s\d+$/m,
    /^\d+\n\d+\n$|No such file/m,
    /^\d+\s\d+\s\d+\n[^]*^TCP: .* mem \d+$/m,
  ];
  const lines = block('limits.md', 'sh').trim().split('\n');
  assert.equal(lines.length, printed.length);
  for (const [at, line] of lines.entries()) {
    assert.match(run('bash', ['-c', line]).said, printed[at], line);
  }
});

test("limits.md's settings of Linux are taken by it", (t) => {
  const settings = Object.fromEntries(block('limits.md', 'ini').trim().split('\n').map((line) => line.split(' = ')));
  const { 'net.ipv4.ip_local_port_range': range, 'net.netfilter.nf_conntrack_max': tracked, ...others } = settings;
  assert.deepEqual(others, {});
  const page = readFileSync(at('docs/limits.md'), 'utf8');

  const [from, to] = range.split(' ').map(Number);
  assert.ok(page.includes(`Above ${from} no port of ours listens`) && page.includes(`; ${(to - from + 1).toLocaleString('en-US')} are left.`), range);
  assert.ok(block('limits.md', 'sh').includes(`ip_local_port_range             # ${range}\n`), 'what the command shows then');
  const named = [...readFileSync(at('README.md'), 'utf8').matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
  assert.ok(named.length > 10 && named.every((port) => port < from), 'above the ports that the pages name');
  // Two for each of 200,000 connections, and more than there are without.
  const [, most] = page.match(/\| ([\d,]+) at most \|/);
  assert.ok(Number(tracked) >= Math.max(2 * 200_000, Number(most.replace(',', ''))), tracked);

  // In a network of its own. Conntrack's table is the machine's: that is left as it is.
  const file = join(folder, '60-pushnote.conf');
  writeFileSync(file, `net.ipv4.ip_local_port_range = ${range}\n`);
  const { status, said } = run('unshare', ['--map-root-user', '--net', 'bash', '-ec', `PATH=$PATH:/usr/sbin; sysctl -q -p ${file}; cat /proc/sys/net/ipv4/ip_local_port_range`]);
  if (/Operation not permitted/.test(said)) return t.skip(said);
  assert.deepEqual([status, said.trim().split(/\s+/)], [0, range.split(' ')]);
});
