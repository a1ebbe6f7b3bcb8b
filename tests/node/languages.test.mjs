// docs/languages.md and docs/zeromq.md: each language's block is run as it is printed but for the ports. Where the machine has not
// what it needs, its test is skipped.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BIN_DIR, freePort, Process, System } from './processes.mjs';
import { soon } from './waiting.mjs';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'pushnote-languages-'));
const UNSET = ['PUSHNOTE_SECRET', 'PUSHNOTE_MQ_SOCKET', 'PUSHNOTE_API', 'PUSHNOTE_API_KEY'];
const env = { ...Object.fromEntries(UNSET.map((name) => [name, undefined])), PATH: `${BIN_DIR}:${process.env.PATH}` };
/** Compilers take their time on a busy machine. */
const PATIENCE_MS = 120_000;
const system = new System();

/** A page of docs/, and a folder where what it prints is run. */
class Printed {
  constructor(page) {
    this.page = page;
    this.folder = join(base, page);
    mkdirSync(this.folder);
  }

  /** The block below a heading that has this text. */
  block(heading, part = '') {
    const text = readFileSync(at(`../docs/${this.page}`), 'utf8');
    const [section] = text.split(`# ${heading}\n`)[1].split('\n## ');
    const blocks = [...section.matchAll(/^```\w+\n(.*?)^```/gms)].filter(([, code]) => code.includes(part));
    assert.equal(blocks.length, 1, `blocks with ${part} below ${heading} of ${this.page}`);
    return blocks[0][1];
  }

  /** Writes a block to the file that its first line names; the command that this has for it. The first message `times` times. */
  program(heading, part, ports, times = 1) {
    const block = own(this.block(heading, part), ports).replace(/^.*Hi all!.*\n/m, (line) => line.repeat(times));
    const [, name, command] = block.match(/(\S+), run by: (.*)\n/);
    writeFileSync(join(this.folder, name), block);
    return command;
  }

  bash(line, more) {
    return new Process('bash', ['-c', line], { ...env, ...more }, this.folder);
  }

  /** Runs lines to their end; what they say. */
  async run(lines, more) {
    const { code, said } = await this.fails(lines, more);
    assert.equal(code, 0, `${lines}${said}`);
    return said;
  }

  async fails(lines, more) {
    const running = this.bash(lines, more);
    const { code } = await soon(running.exited, lines, () => running.story, PATIENCE_MS);
    return { code, said: running.story };
  }

  /** Starts what does not end by itself, and waits until it is there. */
  async start(line, ready = 'listening on') {
    const [program, ...args] = line.trim().split(/ +/);
    const started = system.start(program, args, env, this.folder);
    await started.until(() => started.story.includes(ready), ready);
    return started;
  }

  /** Opens a page of user 42 at a server; `publish` publishes to it. What runs a command, and looks whether the page hears it. */
  async listen(port, publish) {
    const flags = [`--url=http://127.0.0.1:${port}`, '--user=42', '--secret-file=secret'];
    const page = system.start('pushnote', ['tail', ...flags], env, this.folder);
    const say = (data) => this.run(`${publish} --user 42 '"${data}"'`);
    // A server subscribes in its own time, and so does the page.
    while (!page.output.length) await say('subscribed?');
    let run = 0;
    return async (command, more, times = 1) => {
      const before = page.output.length;
      const messages = () => page.output.slice(before).filter((line) => line.startsWith('{'));
      await this.run(command, more);
      await page.until(() => messages().length > times, `${times + 1} messages`);
      const end = `end of run ${++run}`;
      await say(end);
      await page.until(() => page.output.includes(`"${end}"`), end);
      // What one forwarder is late with is not waited for for ever.
      assert.deepEqual(messages().toSorted(), [...Array(times).fill(HI_ALL), HI], 'each once');
    };
  }
}

const HI_ALL = '{"msg":"Hi all!"}';
const HI = '{"msg":"Hi"}';

/** A text of a page with other ports in the place of those that it names. */
const own = (text, ports) => text.replace(/\b(8080|8081|8001|8002)\b/g, (port) => ports[port] ?? port);
const freePorts = async () => Object.fromEntries(await Promise.all([8080, 8081, 8001, 8002].map(async (port) => [port, await freePort()])));

const http = new Printed('languages.md');
const zeromq = new Printed('zeromq.md');

// What a site has installed that runs the second page's programs: tests/setup did it here.
const [JAR] = zeromq.block('Java').match(/jeromq-[\d.]+\.jar/);
for (const path of ['node_modules', `.cache/${JAR}`]) symlinkSync(at(path), join(zeromq.folder, basename(path)));
for (const file of ['go.mod', 'go.sum']) cpSync(at(`go/${file}`), join(zeromq.folder, file));

/** Below each heading: what tells whether what its block is run by is there. */
const HTTP = {
  'Node': 'node --version',
  'PHP': "php -r 'curl_version();'",
  'Ruby': 'ruby --version',
  'Go': 'go version',
  'Java': 'javac -version',
  'A shell': 'curl --version',
};
const ZEROMQ = {
  'Node': `node -e "require('zeromq')"`,
  'PHP': "php -r 'new ZMQContext();'",
  'Ruby': 'ruby -r ffi-rzmq -e 1',
  'Go': 'GOPROXY=off go build github.com/pebbe/zmq4',
  'Java': `javac -version && test -e ${JAR}`,
  'A shell': 'pushnote --version',
};

/** Why a block cannot be run here, if it cannot. */
function missing(page, needs) {
  const { status } = spawnSync('bash', ['-c', needs], { cwd: page.folder, env: { ...process.env, ...env } });
  return status === 0 ? false : `\`${needs}\` fails: it is not on this machine`;
}

after(async () => {
  await system.stop();
  rmSync(base, { recursive: true, force: true });
});

/** The servers of languages.md: their ports, and what runs a command and looks whether a page hears it. */
const api = {};
/** And those of zeromq.md, each way that it starts them. */
const [forwarder, single, two] = [{}, {}, {}];

before(async () => {
  api.ports = await freePorts();
  const lines = http.block('From any language', 'keygen --api').trim().split('\n');
  await http.run(lines.slice(0, -1).join('\n'));
  await http.start(own(lines.at(-1), api.ports), 'api listening on');
  api.hears = await http.listen(api.ports[8080], `PUSHNOTE_API_KEY=$(cat site.key) pushnote publish --url=http://127.0.0.1:${api.ports[8081]}`);
});

for (const [heading, needs] of Object.entries(HTTP)) {
  test(`${heading}: publishes by HTTP`, { skip: missing(http, needs), timeout: 2 * PATIENCE_MS }, async () => {
    const command = http.program(heading, 'Hi all!', api.ports);
    await api.hears(command, { PUSHNOTE_API_KEY: readFileSync(join(http.folder, 'site.key'), 'utf8').trim() });
    // What is missing is said, and where the API is else counts.
    const keyless = await http.fails(command, { PUSHNOTE_API_KEY: '' });
    assert.notEqual(keyless.code, 0);
    assert.match(keyless.said, /PUSHNOTE_API_KEY.*is not set/s);
    const elsewhere = await http.fails(command, { PUSHNOTE_API_KEY: 'key', PUSHNOTE_API: 'http://127.0.0.1:1' });
    assert.notEqual(elsewhere.code, 0);
    assert.notEqual(elsewhere.said.trim(), 'nothing');
  });
}

before(async () => {
  const [secret, mq, server] = zeromq.block('From any language, by ZeroMQ').trim().split('\n');
  const [, both] = readFileSync(at('../docs/zeromq.md'), 'utf8').match(/`(pushnote-server --single .*)`/);
  await zeromq.run(secret);
  for (const [servers, lines] of [[forwarder, [mq, server]], [single, [both]]]) {
    servers.ports = await freePorts();
    for (const line of lines) await zeromq.start(own(line, servers.ports), 'listening on');
    servers.hears = await zeromq.listen(servers.ports[8080], `pushnote publish --mq_socket=tcp://127.0.0.1:${servers.ports[8002]}`);
  }
  const mqs = [await system.mq(), await system.mq()];
  const port = await freePort();
  await zeromq.start(`pushnote-server --port=${port} --mq_socket=${mqs.map((mq) => mq.pub)} --secret-file=secret`);
  two.env = { PUSHNOTE_MQ_SOCKET: mqs.map((mq) => mq.sub).join() };
  two.hears = await zeromq.listen(port, `pushnote publish --mq_socket=${two.env.PUSHNOTE_MQ_SOCKET}`);
});

for (const [heading, needs] of Object.entries(ZEROMQ)) {
  test(`${heading}: publishes by ZeroMQ`, { skip: missing(zeromq, needs), timeout: 2 * PATIENCE_MS }, async () => {
    await forwarder.hears(zeromq.program(heading, 'Hi all!', forwarder.ports));
    const command = zeromq.program(heading, 'Hi all!', single.ports);
    const failing = zeromq.fails(command, { PUSHNOTE_MQ_SOCKET: 'tcp://127.0.0.1:1' });
    await single.hears(command);
    const alone = await failing;
    assert.notEqual(alone.code, 0);
    assert.match(alone.said, /nobody has subscribed at|not connected to/);
    // More than a socket keeps, from one who ends then, over two forwarders.
    const times = heading === 'A shell' ? 2 : 1200;
    await two.hears(zeromq.program(heading, 'Hi all!', {}, times), two.env, times);
  });
}

/** What each block that makes a token has in it, and what tells whether what it is run by is there. */
const TOKENS = [['createHmac', HTTP.Node], ['hash_hmac', 'php --version'], ['OpenSSL::HMAC', 'ruby -r openssl -e 1']];

for (const [part, needs] of TOKENS) {
  test(`Tokens: one is made without a library, by ${part}`, { skip: missing(http, needs), timeout: PATIENCE_MS }, async () => {
    const command = http.program('Tokens', part, {});
    const [newest, older] = ['new', 'old'].map((word) => word.repeat(20));
    writeFileSync(join(http.folder, 'newest'), newest);
    const token = await http.run(command, { PUSHNOTE_SECRET: `${newest}\n${older}\n` });
    const said = await http.run(`pushnote token --check ${token.trim()} --secret-file=newest`);
    assert.match(said, /good for another 3\d{3} s: user 42$/m);
    const unset = await http.fails(command);
    assert.notEqual(unset.code, 0);
    assert.match(unset.said, /PUSHNOTE_SECRET is not set/);
  });
}
