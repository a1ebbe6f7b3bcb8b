// What docs/operate.md says of copies and of new versions, in words: with real servers, forwarders and pages of our client. Its
// blocks are run by tests/cli/copies.rs, its alerts by alerts.test.mjs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import EventSource from 'eventsource';
import FayeWebSocket from 'faye-websocket';
import zeromq from 'zeromq';
import { connect } from '../../client-js/src/pushnote.js';
import { front } from './front.mjs';
import { freePort } from './processes.mjs';
import { asked, folder, logged, ran, single, system } from './troubleshooting.mjs';
import { Heard, soon, withEvents } from './waiting.mjs';

const PAGE = readFileSync(new URL('../../docs/operate.md', import.meta.url), 'utf8').replace(/\s+/g, ' ');
/** What a test is about stands on the page. */
const says = (text) => assert.ok(PAGE.includes(text), `the page does not say: ${text}`);

const SECRET = { PUSHNOTE_SECRET: 'a secret of the operators, which nobody else in the suites uses' };
const OPEN = '--channels={ prefix = "", public = true }';

/** A page without its browser, which may go on where it was. */
class Page extends withEvents(Heard) {
  constructor(t, url, options) {
    super();
    this.name = 'page';
    this.conn = connect(url, { WebSocket: FayeWebSocket.Client, EventSource, ...options });
    this.conn.on('message', (data) => this.hear({ event: 'message', data }));
    this.conn.on('gap', (gap) => this.hear({ event: 'gap', ...gap }));
    this.conn.on('state', (state, detail) => this.hear({ event: state, ...detail }));
    t.after(() => this.conn.close());
  }

  get events() {
    return this.heard;
  }
}

const publish = async (one, data) => {
  const { status } = await asked(one, `${one.api}/v1/publish`, { channels: ['news'], data });
  assert.equal(status, 202);
};
/** What is in the channel, when so many messages are there. */
async function history(one, count) {
  const ask = async () => {
    for (;;) {
      const { json } = await asked(one, `${one.api}/v1/channels/news?last=10`);
      if (json.messages.length >= count) return json.messages.map(({ data }) => data);
    }
  };
  return soon(ask(), `${count} messages`, () => one.server.story);
}

test('a snapshot of the file system is what the next start goes on with', async (t) => {
  says('A snapshot of the file system (LVM, ZFS, Btrfs) takes no stop: it is what a machine leaves that lost its power');
  const at = folder(t);
  const [data, snapshot] = ['data', 'snapshot'].map((name) => join(at, name));
  const one = await single(t, [OPEN, `--data-dir=${data}`], SECRET);
  for (const n of [1, 2, 3]) await publish(one, n);
  // Nothing of it changes while it is copied; and the server has the file.
  one.server.child.kill('SIGSTOP');
  cpSync(data, snapshot, { recursive: true });
  one.server.child.kill('SIGCONT');
  await publish(one, 4);
  const next = await single(t, [OPEN, `--data-dir=${snapshot}`], SECRET);
  assert.deepEqual(await history(next, 3), [1, 2, 3]);
  await publish(next, 5);
  assert.deepEqual(await history(next, 4), [1, 2, 3, 5]);
});

test('pages whose place is newer than a copy that was put back are told of a gap, and go on', async (t) => {
  says('Pages whose place is newer than the copy are told of a gap, and go on.');
  const at = folder(t);
  const [data, copy] = ['data', 'copy'].map((name) => join(at, name));
  const port = await freePort();
  const start = () => single(t, [OPEN, `--data-dir=${data}`], SECRET, port);
  let one = await start();
  await publish(one, 'in the copy');
  await one.server.end('SIGTERM');
  cpSync(data, copy, { recursive: true });
  one = await start();
  const page = new Page(t, one.url, { resume: true, transports: ['websocket'] });
  await page.conn.subscribe('news');
  await publish(one, 'since');
  await page.message('since');
  await one.server.end('SIGTERM');
  rmSync(data, { recursive: true });
  cpSync(copy, data, { recursive: true });
  one = await start();
  await page.event('gap');
  await publish(one, 'behind it');
  await page.message('behind it');
  assert.deepEqual(await history(one, 2), ['in the copy', 'behind it']);
});

test('a file of a newer version is refused by an older one', async (t) => {
  says('it says so, and ends (`use a newer one, or another directory`)');
  const data = folder(t);
  const one = await single(t, [`--data-dir=${data}`], SECRET);
  await one.server.end('SIGTERM');
  const newer = "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); file.execute('pragma user_version = 1000'); file.commit()";
  const made = spawnSync('python3', ['-c', newer, join(data, 'pushnote.db')], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const args = ['--single', '--mq_socket=tcp://127.0.0.1:0', '--address=127.0.0.1', '--port=0', `--data-dir=${data}`];
  const { code, last } = await ran(t, 'pushnote-server', args, SECRET);
  assert.notEqual(code, 0);
  assert.match(last, /has format 1000, .*: use a newer one, or another directory/);
});

test('one server after the other, and then one forwarder after the other: pages with resume have missed nothing', async (t) => {
  says('with `resume` they have missed nothing, and others nothing that is published after they are back');
  says('With two forwarders, one after the other, nobody notices.');
  const own = system(t);
  const mqs = [await own.mq(), await own.mq()];
  const heard = mqs.map((mq) => mq.pub).join();
  const start = (port) => own.server({ mq: heard, port, flags: [OPEN, '--metrics=127.0.0.1:0'] });
  const peers = async (server, count) => {
    const [address] = (await logged(server, 'metrics on')).match(/http\S+/);
    const ask = async () => {
      while (!new RegExp(`^pushnote_server_zmq_peers\\{.*\\} ${count}$`, 'm').test(await (await fetch(address)).text()));
    };
    await soon(ask(), `${count} forwarders`, () => server.story);
  };
  const servers = [await start(await freePort()), await start(await freePort())];
  // A proxy that looks at /health, and keeps sessions together as long as their server is well.
  const isWell = new Set(servers);
  const chosen = new Map();
  const between = await front(t, ({ url }) => {
    const session = url.split('/')[3];
    if (!isWell.has(chosen.get(session))) chosen.set(session, servers.find((server) => isWell.has(server)));
    return new URL(chosen.get(session).url).origin;
  });
  const pages = servers.map((server) => new Page(t, server.url, { resume: true, transports: ['websocket'] }));
  const plain = new Page(t, `${between}/sockjs`, { transports: ['xhr-polling'] });
  for (const page of [...pages, plain]) await page.event('connected');

  const socket = new zeromq.XPublisher({ linger: 0, verbosity: 'allSubs' });
  t.after(() => socket.close());
  for (const mq of mqs) {
    socket.connect(mq.sub);
    await soon(socket.receive(), `a subscription at ${mq.sub}`);
  }
  let count = 0;
  let ends = false;
  const publishing = (async () => {
    for (; !ends; count++) {
      await socket.send(JSON.stringify({ name: 'notify_all', data: count, publication: `operator/${count}` }));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  t.after(() => (ends = true));
  const goesOn = (page, from = count) => page.until(() => page.received.some((n) => n > from), 'messages that go on');
  for (const page of [...pages, plain]) await goesOn(page);

  for (const [n, server] of servers.entries()) {
    isWell.delete(server);
    assert.equal((await server.end('SIGTERM')).code, 0);
    Object.assign(servers, { [n]: await start(server.port) });
    assert.equal(await (await fetch(new URL('/health', server.url))).text(), 'ok\n');
    isWell.add(servers[n]);
    await pages[n].event('connected', 2);
    for (const page of [...pages, plain]) await goesOn(page);
  }
  const before = plain.events.length;
  for (const mq of mqs) {
    assert.equal((await mq.end('SIGTERM')).code, 0);
    for (const page of [...pages, plain]) await goesOn(page);
    await own.mq(mq.ports);
    // The publisher has it again, and so have both servers.
    await soon(socket.receive(), `a subscription at ${mq.sub}`);
    for (const server of servers) await peers(server, 2);
    for (const page of [...pages, plain]) await goesOn(page);
  }
  ends = true;
  await publishing;
  const all = Array.from({ length: count }, (_, n) => n);
  for (const page of pages) {
    await page.until(() => page.received.includes(count - 1), 'the last');
    assert.deepEqual(page.received, all.slice(page.received[0]));
    assert.deepEqual(page.events.filter(({ event }) => event === 'gap'), []);
    assert.equal(page.events.find(({ code }) => code)?.code, 3001);
  }
  // It has been connected all the while that the forwarders were restarted.
  const since = plain.events.slice(before).filter(({ event }) => event === 'message').map(({ data }) => data);
  await plain.until(() => plain.received.includes(count - 1), 'the last');
  assert.deepEqual(since, since.map((_, n) => since[0] + n));
});
