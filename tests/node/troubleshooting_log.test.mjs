// What `pushnote doctor`, a server's log and Python say: rows of docs/troubleshooting.md, and what stands below them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import zeromq from 'zeromq';
import { BIN_DIR, freePort, Process } from './processes.mjs';
import { logged, provoke, publisher, ran, runs, SECRET, seenBy, single, system } from './troubleshooting.mjs';

const DOCTOR = 'tests/cli/doctor';
const LINKS = 'client-py/tests/test_links.py';

/** What `pushnote doctor` says of an end, in the line that fails. */
async function fails(t, endpoint) {
  const { code, said } = await ran(t, 'pushnote', ['doctor', `--mq=${endpoint}`, '--timeout=20s']);
  assert.notEqual(code, 0, said);
  return said.match(/^FAIL.*$/m)[0];
}

async function isSound(t, endpoint) {
  const { code, said } = await ran(t, 'pushnote', ['doctor', `--mq=${endpoint}`, '--timeout=20s']);
  assert.equal(code, 0, said);
}

/** A server that one page is connected to, and what publishes to it by libzmq; both are known to work. */
async function publishing(t, flags = []) {
  const one = await single(t, flags);
  const client = system(t).client('sockjs_client.mjs', { url: one.url, transport: 'websocket' });
  await client.event('open');
  const publish = await publisher(t, one.to);
  /** As an application of this name does that has published so many before. */
  const send = (data, number) => publish({ name: 'notify_all', data, publication: `app/${number}` });
  return { one, client, send };
}

provoke("The publisher or the server's log says", {
  '`buffered: `': seenBy(`${DOCTOR}/proxies.rs`, '"buffered: ", "proxy_buffering off", "X-Accel-Buffering"'),
  '`a proxy does not pass the upgrade on`': seenBy(`${DOCTOR}/proxies.rs`, '"400", "a proxy does not pass the upgrade on", "proxy_http_version 1.1"'),
  '`requests of one session reached a server that does not know it`': seenBy(`${DOCTOR}/proxies.rs`, '"of 12 requests of one session reached a server that does not know it"'),
  '`before a heartbeat came`': seenBy(`${DOCTOR}/proxies.rs`, '"before a heartbeat came (25s)", "proxy_read_timeout"'),
  '`is kept on the way and given again`': seenBy(`${DOCTOR}/hostile.rs`, 'said.has("FAIL", "cache", &["is kept on the way and given again", "proxy_cache"])'),
  '`nobody listens there: start pushnote-mq (or pushnote-server --single), or correct`': seenBy(
    `${DOCTOR}/mq.rs`,
    '"nobody listens there: start pushnote-mq (or pushnote-server --single), or correct --mq-sub"',
  ),
  '`connected, but no greeting within`': seenBy(`${DOCTOR}/mq.rs`, '"connected, but no greeting within 500ms", "hangs or is stopped"'),
  '`it wants CURVE: give --curve-server-key`': seenBy(`${DOCTOR}/mq.rs`, '"it wants CURVE: give --curve-server-key", "--curve-secret-key-file"'),
  '`it hangs up:`': async (t) => {
    const port = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    t.after(() => port.close());
    await once(port, 'listening');
    const own = system(t);
    const far = await own.mq({ flags: ['--allow-network=192.0.2.0/24'] });
    const full = await own.mq({ flags: ['--peers-max=1'] });
    await publisher(t, (await own.server({ mq: full.pub })) && full.sub);
    const said = [await fails(t, `tcp://127.0.0.1:${port.address().port}`), await fails(t, far.sub), await fails(t, full.sub)];
    for (const line of said) assert.ok(line.includes('it hangs up:'), line);
    await isSound(t, (await own.mq({ flags: ['--allow-network=127.0.0.0/8'] })).sub);
    return said;
  },
  '`messages missed: their publishers sent later ones, and these did not come in time`': async (t) => {
    const { one, client, send } = await publishing(t);
    for (const number of [0, 1, 3]) await send(number, number);
    await client.message(3);
    assert.ok(!client.messages.includes(2));
    return logged(one.server, 'messages missed');
  },
  "`a publisher's numbers begin anew`": async (t) => {
    const { one, client, send } = await publishing(t);
    for (const number of [0, 1, 2]) await send(`one ${number}`, number);
    for (const number of [0, 1, 2]) await send(`another ${number}`, number);
    await client.message('another 2');
    return logged(one.server, 'begin anew');
  },
  '`few connections: raise the limit of open files`': async (t) => {
    const args = ['--address=127.0.0.1', '--port=0', '--single', '--mq_socket=tcp://127.0.0.1:0'];
    const limited = new Process('bash', ['-c', 'ulimit -n 256; exec "$0" "$@"', join(BIN_DIR, 'pushnote-server'), ...args], { PUSHNOTE_SECRET: SECRET });
    t.after(() => limited.end());
    return logged(limited, 'connections_max=');
  },
  '`there is no setting`': seenBy('tests/cli/settings.rs', '"# there is no setting PUSHNOTE_ROTE; is PUSHNOTE_ROUTE meant?"'),
  '`no secret for user tokens`': seenBy('tests/cli/settings.rs', 'fails("pushnote", &check, &[], 78, &["no secret for user tokens"])'),
  '`listening without CURVE`': async (t) => {
    const listening = async (sub) => {
      const port = await freePort();
      return runs(t, 'pushnote-mq', [`--sub=${sub}:0`, `--pub=tcp://127.0.0.1:${port}`, '--allow-plaintext']);
    };
    const mq = await listening('tcp://*');
    assert.ok(!(await listening('tcp://127.0.0.1')).story.includes('listening without CURVE'));
    return logged(mq, 'WARN');
  },
  '`nothing is served at this path`': seenBy('tests/cli/main.rs', '&["404", "nothing is served at this path", "--api"]'),
  '`nothing listens at`': seenBy(LINKS, 'not_sent(out, f"nothing listens at {server.address}: start pushnote-mq")', '"{server.address}: somebody is there now"'),
  '`wants keys`': seenBy(LINKS, '(sealed.address, None, "wants keys")', 'not_sent(out, r"wants keys \\(PUSHNOTE_CURVE_SERVER_KEY\\), or is another port'),
  '`nobody has subscribed at`': seenBy(LINKS, 'not_sent(out, f"nobody has subscribed at tcp://127.0.0.1:{port}: messages go to pushnote-mq --sub")'),
  '`refuses our key`': seenBy(LINKS, 'not_sent(out, f"{server.address} refuses our key: its --curve-clients wants the public one")'),
  '`has another key than`': seenBy(LINKS, '"has another key than PUSHNOTE_CURVE_SERVER_KEY says"', '"has another key than PUSHNOTE_CURVE_SERVER_KEY says, or none"'),
  '`takes messages too slowly, and misses some`': seenBy(LINKS, '[0]} takes messages too slowly, and misses some, which others have"'),
  '`may name the file of an authority of your own`': seenBy('client-py/tests/test_http.py', 'SSL_CERT_FILE may name the file of an authority of your own"'),
  '`uWSGI has not forked off its workers yet`': seenBy('client-py/tests/test_uwsgi.py', '"NotConfigured: uWSGI has not forked off its workers yet" in shop.log.read_text()'),
  '`uWSGI runs no threads`': seenBy('client-py/tests/test_uwsgi.py', 'startswith("uWSGI runs no threads, and ZeroMQ needs one: start it with --enable-threads")'),
  '`were not sent`, `may not have arrived`': (t) => [
    ...seenBy('client-py/tests/test_zeromq.py', '"1 messages were not sent: nothing listens at" in done.stderr')(t),
    ...seenBy(LINKS, 'match=f"what was sent last may not have arrived: .*{server.address}"')(t),
  ],
});

test('No error, and no message: what is asked with --ack is told who has it, and pushnote tail shows what a page would get', async (t) => {
  const ack = `tcp://127.0.0.1:${await freePort()}`;
  const one = await single(t, [`--ack=${ack}`]);
  const tail = system(t).start('pushnote', ['tail', `--url=${new URL(one.url).origin}`]);
  const publish = (...args) => ran(t, 'pushnote', ['publish', ...args], { PUSHNOTE_MQ_SOCKET: one.to });
  // It shows nothing of what is published before it is there.
  let shown = false;
  const arrived = tail.until(() => tail.story.includes('"first"'), 'a message').finally(() => (shown = true));
  while (!shown) assert.equal((await publish('"first"')).code, 0);
  await arrived;
  const { code, said } = await publish(`--ack=${ack}`, '"sure"');
  assert.equal(code, 0, said);
  assert.match(said, /\b1 server/);
  await tail.until(() => tail.story.includes('"sure"'), 'the message');
});

test('No error, and no message: who publishes before the other side has subscribed, by a PUB socket', async (t) => {
  const endpoint = `tcp://127.0.0.1:${await freePort()}`;
  const hasty = new zeromq.Publisher({ linger: 0 });
  t.after(() => hasty.close());
  hasty.connect(endpoint);
  const everyone = (data) => JSON.stringify({ name: 'notify_all', data });
  await hasty.send(everyone('first'));
  const { one, client } = await publishing(t, ['--single', `--mq_socket=${endpoint}`]);
  // As long as nobody is there it goes nowhere, and when somebody is, no socket of this kind says so.
  let arrived = false;
  const later = client.message('later').finally(() => (arrived = true));
  while (!arrived) await hasty.send(everyone('later'));
  await later;
  assert.ok(!client.messages.includes('first'), client.story);
  // An XPUB socket is told; and our own program has waited for it, and for its end.
  await (await publisher(t, one.to))({ name: 'notify_all', data: 'waited' });
  await client.message('waited');
  assert.equal((await ran(t, 'pushnote', ['publish', '"alone"'], { PUSHNOTE_MQ_SOCKET: one.to })).code, 0);
  await client.message('alone');
});
