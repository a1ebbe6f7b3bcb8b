// Starts the real binaries, and the drivers of this folder, as processes, and ends them again.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BIN_DIR = process.env.PUSHNOTE_BIN_DIR ?? fileURLToPath(new URL('../../target/debug', import.meta.url));
const SECRET = 'a secret of the test suites, which nobody else uses';

/** How long anything may take before a test says what it waited for. */
const PATIENCE_MS = 15_000;

/** @returns {Promise<number>} a TCP port of 127.0.0.1 that was free a moment ago, for what must be restarted on it */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Rejects with what was awaited, and what came instead, if `promise` is not settled in time. */
export async function soon(promise, what, context = () => '', ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms. ${context()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A process whose lines can be awaited. Its lines are kept, so that none is missed. */
export class Process {
  lines = [];
  #output = '';
  #waiting = new Set();

  constructor(command, args, env = {}) {
    this.name = [command.split('/').pop(), ...args].join(' ');
    this.child = spawn(command, args, { env: { ...process.env, RUST_LOG: 'info', ...env } });
    this.exited = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
    this.child.once('error', (error) => (this.#output += error.message));
    this.child.stdin.on('error', () => {}); // it has ended: `exited` tells
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#hear(line, stream === this.child.stdout));
    }
  }

  #hear(line, isOutput) {
    this.#output += `\n  ${line}`;
    this.lines.push({ line, isOutput });
    for (const check of this.#waiting) check();
  }

  /** All that it wrote, for a failing test. */
  get output() {
    return `${this.name} wrote:${this.#output || ' nothing'}`;
  }

  /**
   * Waits until `find` gives something for the lines heard so far.
   *
   * @template T
   * @param {(lines: {line: string, isOutput: boolean}[]) => T} find
   * @returns {Promise<NonNullable<T>>}
   */
  async until(find, what, ms) {
    let check;
    const found = new Promise((resolve) => {
      check = () => {
        const value = find(this.lines);
        if (value) resolve(value);
      };
      this.#waiting.add(check);
      check();
    });
    const ended = this.exited.then(({ code, signal }) => {
      check();
      throw new Error(`${what}: ended with ${code ?? signal}. ${this.output}`);
    });
    try {
      return await soon(Promise.race([found, ended]), what, () => this.output, ms);
    } finally {
      this.#waiting.delete(check);
    }
  }

  write(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** @returns {Promise<{code: number | null, signal: string | null}>} how it ended */
  async end(signal = 'SIGKILL') {
    this.child.kill(signal);
    return soon(this.exited, `the end of ${this.name} by ${signal}`, () => this.output);
  }
}

/** A driver of this folder: a client as a process, whose output is events. */
export class Client extends Process {
  constructor(driver, args) {
    super(process.execPath, [fileURLToPath(new URL(driver, import.meta.url)), ...args]);
  }

  get events() {
    return this.lines.filter(({ isOutput }) => isOutput).map(({ line }) => JSON.parse(line));
  }

  get messages() {
    return this.events.filter(({ event }) => event === 'message').map(({ data }) => data);
  }

  /** Waits for the `nth` event of that name. */
  event(name, nth = 1) {
    return this.until(() => this.events.filter(({ event }) => event === name)[nth - 1], `event ${name} (${nth})`);
  }

  message(expected) {
    const wanted = JSON.stringify(expected);
    return this.until(() => this.messages.some((data) => JSON.stringify(data) === wanted), `message ${wanted}`);
  }
}

/** Everything that one test starts. Call `stop` in the end, whatever happened. */
export class System {
  #processes = [];

  start(binary, args, env) {
    const path = `${BIN_DIR}/${binary}`;
    assert.ok(existsSync(path), `${path} is missing: build the binaries, or set PUSHNOTE_BIN_DIR`);
    return this.#keep(new Process(path, args, { PUSHNOTE_SECRET: SECRET, ...env }));
  }

  /** A client in Node: `sockjs_client.mjs` or `pushnote_client.mjs`. */
  client(driver, { url, transport, token }) {
    const args = ['--url', url];
    if (transport) args.push('--transport', transport);
    for (const each of [token ?? []].flat()) args.push('--token', each);
    return this.#keep(new Client(driver, args));
  }

  #keep(started) {
    this.#processes.push(started);
    return started;
  }

  /** `pushnote-mq` on two ports, which it gets again when it is started again with them. */
  async mq({ sub, pub } = {}) {
    const ports = { sub: sub ?? (await freePort()), pub: pub ?? (await freePort()) };
    const endpoint = (port) => `tcp://127.0.0.1:${port}`;
    const mq = this.start('pushnote-mq', [`--sub=${endpoint(ports.sub)}`, `--pub=${endpoint(ports.pub)}`]);
    await mq.until(listening, 'readiness');
    return Object.assign(mq, { ports, sub: endpoint(ports.sub), pub: endpoint(ports.pub) });
  }

  /** `pushnote-server`, on a free port if none is given. */
  async server({ mq, port = 0, single = false, route = '/sockjs' }) {
    const args = [`--port=${port}`, `--mq_socket=${mq}`, `--route=${route}`, '--address=127.0.0.1'];
    const server = this.start('pushnote-server', single ? ['--single', ...args] : args);
    const [, bound] = (await server.until(listening, 'readiness')).match(/:(\d+)/);
    return Object.assign(server, { port: Number(bound), url: `http://127.0.0.1:${bound}${route}` });
  }

  /** `pushnote publish`, for everyone or for some users. */
  async publish(message, { to, users = [] }) {
    const args = ['publish', JSON.stringify(message), ...users.flatMap((user) => ['--user', user])];
    await this.#run('pushnote', args, { PUSHNOTE_MQ_SOCKET: to });
  }

  /** `pushnote token` */
  async token(user, ...args) {
    const run = await this.#run('pushnote', ['token', user, ...args]);
    return run.lines.find(({ isOutput }) => isOutput).line.trim();
  }

  async #run(binary, args, env) {
    const run = this.start(binary, args, env);
    const { code } = await soon(run.exited, run.name, () => run.output);
    assert.equal(code, 0, run.output);
    return run;
  }

  /**
   * Publishes until each client has got something: a subscriber that has only just connected may miss the first.
   *
   * @param {{message(expected: unknown): Promise<unknown>}[]} clients
   */
  async warm(to, clients) {
    const deadline = Date.now() + PATIENCE_MS;
    const warmUp = { warm: Math.random() };
    const all = Promise.all(clients.map((client) => client.message(warmUp)));
    let done = false;
    all.then(
      () => (done = true),
      () => (done = true),
    );
    while (!done && Date.now() < deadline) await this.publish(warmUp, { to });
    await all;
  }

  async stop() {
    await Promise.all(this.#processes.map((each) => each.end()));
  }
}

function listening(lines) {
  return lines.map(({ line }) => line).find((line) => /listening on \S+:\d+/.test(line));
}
