// Starts the real binaries, and the drivers of this folder, as processes, and ends them again.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Heard, soon, withEvents } from './waiting.mjs';

/** Where the real binaries are. */
export const BIN_DIR = process.env.PUSHNOTE_BIN_DIR ?? fileURLToPath(new URL('../../target/debug', import.meta.url));
const SOCKJS_CLIENT = fileURLToPath(new URL('../node_modules/sockjs-client/dist/sockjs.min.js', import.meta.url));
const SECRET = 'a secret of the test suites, which nobody else uses';

const drawn = ports();

/**
 * What `freePort` looks at, without an end: no port twice until all were seen. Above those that suites and pages name, and below those
 * that this machine gives to connections and to whoever asks for port 0. Where that is not known, port 0.
 */
function* ports() {
  const first = 17_000;
  let end = first;
  try {
    end = Math.min(26_000, parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10));
  } catch {
    // Not a Linux.
  }
  const count = end - first;
  // Files are tested at the same time, each by its own process.
  for (let next = Math.floor(Math.random() * count); ; next += 1) yield count >= 1000 ? first + (next % count) : 0;
}

/** @returns {Promise<number>} a TCP port of 127.0.0.1 that was free a moment ago, for what must be restarted on it */
export async function freePort() {
  for (;;) {
    const server = createServer().listen(drawn.next().value, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (error.code === 'EADDRINUSE') continue;
      throw error;
    }
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** A process that is heard: `{line, isOutput}` for each line of its two streams. */
export class Process extends Heard {
  constructor(command, args, env = {}, cwd = undefined) {
    super();
    this.name = [command.split('/').pop(), ...args].join(' ');
    this.child = spawn(command, args, { cwd, env: { ...process.env, RUST_LOG: 'info', ...env } });
    this.exited = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
    this.exited.then(({ code, signal }) => this.silence(`ended with ${code ?? signal}`));
    this.child.once('error', (error) => this.silence(error.message));
    this.child.stdin.on('error', () => {}); // it has ended: `exited` tells
    for (const stream of [this.child.stdout, this.child.stderr]) {
      const isOutput = stream === this.child.stdout;
      createInterface({ input: stream }).on('line', (line) => this.hear({ line, isOutput }));
    }
  }

  get story() {
    return this.heard.map(({ line }) => `\n  ${line}`).join('') || ' nothing';
  }

  get output() {
    return this.heard.filter(({ isOutput }) => isOutput).map(({ line }) => line);
  }

  write(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** @returns {Promise<{code: number | null, signal: string | null}>} how it ended */
  async end(signal = 'SIGKILL') {
    this.child.kill(signal);
    return soon(this.exited, `the end of ${this.name} by ${signal}`, () => this.story);
  }
}

/** A driver of this folder: a client as a process, whose output is events. */
class Client extends withEvents(Process) {
  constructor(driver, args) {
    super(process.execPath, [fileURLToPath(new URL(driver, import.meta.url)), ...args]);
  }

  get events() {
    return this.output.map((line) => JSON.parse(line));
  }
}

/** Everything that one test starts. Call `stop` in the end, whatever happened. */
export class System {
  #processes = [];
  #folders = [];

  start(binary, args, env, cwd) {
    const path = `${BIN_DIR}/${binary}`;
    assert.ok(existsSync(path), `no ${path}: cargo build --workspace --bins --examples, or set PUSHNOTE_BIN_DIR`);
    return this.#keep(new Process(path, args, { PUSHNOTE_SECRET: SECRET, ...env }, cwd));
  }

  /** A client in Node: `sockjs_client.mjs` or `pushnote_client.mjs`. */
  client(driver, { url, transport, tokens = [] }) {
    const args = ['--url', url];
    if (transport) args.push('--transport', transport);
    for (const token of tokens) args.push('--token', token);
    return this.#keep(new Client(driver, args));
  }

  /** The same, connected and subscribed as these users; `to` is where to publish to it. */
  async subscriber(driver, { url, transport, users = [], to }) {
    const tokens = await Promise.all(users.map((user) => this.token(user)));
    const client = this.client(driver, { url, transport, tokens });
    await client.event('open');
    await this.warm(to, client, users);
    return client;
  }

  #keep(started) {
    this.#processes.push(started);
    return started;
  }

  /** `pushnote-mq` on two ports, which it gets again when it is started again with them. */
  async mq({ sub, pub, flags = [] } = {}) {
    const ports = { sub: sub ?? (await freePort()), pub: pub ?? (await freePort()) };
    const endpoint = (port) => `tcp://127.0.0.1:${port}`;
    const mq = this.start('pushnote-mq', [`--sub=${endpoint(ports.sub)}`, `--pub=${endpoint(ports.pub)}`, ...flags]);
    await ready(mq);
    return Object.assign(mq, { ports, sub: endpoint(ports.sub), pub: endpoint(ports.pub) });
  }

  /** `pushnote-server`, on a free port if none is given. */
  async server({ mq, port = 0, single = false, route = '/sockjs', flags = [] }) {
    const args = [`--port=${port}`, `--mq_socket=${mq}`, `--route=${route}`, '--address=127.0.0.1', ...flags];
    const server = this.start('pushnote-server', single ? ['--single', ...args] : args);
    const bound = await ready(server);
    return Object.assign(server, { port: bound, url: `http://127.0.0.1:${bound}${route}` });
  }

  /** The test server of the SockJS library, an example of its crate, on a free port if none is given. */
  async sockjs(port = 0) {
    const server = this.start('examples/test_server', [`--port=${port}`, `--sockjs-url=${SOCKJS_CLIENT}`]);
    return Object.assign(server, { origin: `http://127.0.0.1:${await ready(server)}` });
  }

  /** `pushnote dev`: its page, and where to publish; on the ports of another one that has ended, if it is given. */
  async dev({ mq, port = 0 } = {}) {
    const endpoint = mq ?? `tcp://127.0.0.1:${await freePort()}`;
    // One that is killed cannot take away what it keeps.
    const folder = await mkdtemp(join(tmpdir(), 'pushnote-'));
    this.#folders.push(folder);
    const dev = this.start('pushnote', ['dev', `--port=${port}`, `--mq_socket=${endpoint}`], { TMPDIR: folder });
    const bound = await ready(dev);
    return Object.assign(dev, { mq: endpoint, port: bound, page: `http://127.0.0.1:${bound}/` });
  }

  /** `pushnote publish`, for everyone or for some users. */
  async publish(message, { to, users = [] }) {
    const args = ['publish', JSON.stringify(message), ...users.flatMap((user) => ['--user', user])];
    await this.#run('pushnote', args, { PUSHNOTE_MQ_SOCKET: to });
  }

  /**
   * What publishes for everyone, or for some users, and stays: its messages arrive in their order. Those of `publish` are each by a
   * publisher of its own, and one may overtake the other, however long ago that has ended.
   */
  application(to) {
    const shout = this.start('examples/shout', ['connect', to]);
    return (data, users) => shout.write(users ? { name: 'notify', data, users } : { name: 'notify_all', data });
  }

  /** As `publish` for one user, with a push to follow unless one of the user's pages acknowledges it. */
  async publishWithPush(message, { to, user, id, after = '1m' }) {
    const push = ['--push-title=Hi', `--push-after=${after}`, `--push-id=${id}`];
    await this.#run('pushnote', ['publish', JSON.stringify(message), `--user=${user}`, ...push], { PUSHNOTE_MQ_SOCKET: to });
  }

  /** `pushnote token` */
  async token(user, ...args) {
    return (await this.#run('pushnote', ['token', user, ...args])).output[0].trim();
  }

  async #run(binary, args, env) {
    const run = this.start(binary, args, env);
    const { code } = await soon(run.exited, run.name, () => run.story);
    assert.equal(code, 0, `${run.name}:${run.story}`);
    return run;
  }

  /**
   * Publishes until a client gets what is for all, and what is for each of its users: neither a server's subscription
   * nor a page's is acknowledged, and what is published before them is missed.
   */
  async warm(to, client, users = []) {
    for (const audience of [[], ...users.map((user) => [user])]) {
      const warmUp = { warm: Math.random() };
      let waiting = true;
      const arrived = client.message(warmUp).finally(() => (waiting = false));
      while (waiting) await this.publish(warmUp, { to, users: audience });
      await arrived;
    }
  }

  async stop() {
    await Promise.all(this.#processes.map((each) => each.end()));
    await Promise.all(this.#folders.map((each) => rm(each, { recursive: true })));
  }
}

/** @returns {Promise<number>} the port that a binary says it listens on */
async function ready(started) {
  const port = () => started.story.match(/listening on \S+:(\d+)/)?.[1];
  return Number(await started.until(port, 'readiness'));
}
