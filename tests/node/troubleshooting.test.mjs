// Programs that do not start, connections that are closed, and tokens that are refused: rows of docs/troubleshooting.md.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN_DIR, freePort, Process } from './processes.mjs';
import { asked, folder, logged, provoke, publisher, ran, runs, SECRET, seenBy, signed, single, skipped, system } from './troubleshooting.mjs';
import { soon } from './waiting.mjs';

const NOBODY = 'tcp://127.0.0.1:1';
const env = { PUSHNOTE_SECRET: SECRET };

const server = (...flags) => ['--address=127.0.0.1', `--mq_socket=${NOBODY}`, ...flags];

/** The last line of what does not start. */
async function failing(t, program, args, flag) {
  const { code, last } = await ran(t, program, args, env);
  assert.notEqual(code, 0, last);
  assert.ok(last.includes(flag), `the setting is named: ${last}`);
  return last;
}

/** The same as a user who may not do all. */
async function failingUnprivileged(t, args, flag) {
  const [as, ...who] = process.getuid() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env'];
  const program = join(BIN_DIR, 'pushnote-server');
  if (spawnSync(as, [...who, 'test', '-x', program]).status !== 0) return skipped(t, `another user cannot reach ${program}`);
  const run = new Process(as, [...who, program, ...args], env, '/');
  t.after(() => run.end());
  assert.notEqual((await soon(run.exited, run.name, () => run.story)).code, 0);
  const last = run.heard.at(-1).line;
  assert.ok(last.includes(flag), last);
  return last;
}

/** A command that the row has root run, with the port that is meant. */
function names(t, command, pid) {
  if (process.getuid() !== 0) return t.diagnostic(`only root sees who it is by ${command}`);
  const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
  assert.ok(stdout.includes(`pid=${pid},`), stdout + stderr);
}

provoke('A program does not start', {
  '`the address is in use`': async (t) => {
    const first = await runs(t, 'pushnote-server', server('--port=0'), env);
    const port = first.story.match(/listening on \S+:(\d+)/)[1];
    const last = await failing(t, 'pushnote-server', server(`--port=${port}`), '--port');
    names(t, last.match(/ss -ltnp '[^']*'/)[0], first.child.pid);
    return last;
  },
  '`another process listens on that socket`': async (t) => {
    const socket = `--unix-socket=${folder(t)}/http`;
    const args = [`--mq_socket=${NOBODY}`, socket];
    const first = await runs(t, 'pushnote-server', args, env);
    const last = await failing(t, 'pushnote-server', args, '--unix-socket');
    names(t, last.match(/ss -lxp/)[0], first.child.pid);
    return last;
  },
  '`this machine has no such address`': seenBy('tests/cli/checks.rs', 'none = "this machine has no such address"', '&[": --address: ", at, none]'),
  '`permission denied: a port below 1024`': async (t) => {
    if (Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) < 1024) {
      return skipped(t, 'ports below 1024 are for all here');
    }
    return failingUnprivileged(t, server('--port=443'), '--port');
  },
  '`permission denied: this user may not make files`': seenBy('tests/cli/checks.rs', '"permission denied: this user may not make files in the folder"'),
  '`give a directory that this user may make, and write in`': async (t) => {
    const closed = folder(t);
    chmodSync(closed, 0o555);
    return failingUnprivileged(t, server('--port=0', `--data-dir=${closed}/data`), '--data-dir');
  },
  '`is in use by another server`': async (t) => {
    const data = `--data-dir=${folder(t)}`;
    await runs(t, 'pushnote-server', server('--port=0', data), env);
    const last = await failing(t, 'pushnote-server', server('--port=0', data), '--data-dir');
    await runs(t, 'pushnote-server', server('--port=0', `--data-dir=${folder(t)}`), env);
    return last;
  },
  '`other machines can connect to`': seenBy('tests/cli/main.rs', '"other machines can connect to", "--curve-secret-key-file", "127.0.0.1", "--allow-plaintext"'),
  '`nothing is kept on disk: give`': async (t) => {
    const last = await failing(t, 'pushnote-server', server('--port=0', '--fsync=always'), '--fsync');
    await runs(t, 'pushnote-server', server('--port=0', '--fsync=always', `--data-dir=${folder(t)}`), env);
    return last;
  },
  '`does nothing for this program`': seenBy('tests/cli/idle.rs', '"--allow-network (PUSHNOTE_ALLOW_NETWORK) does nothing for this program: "'),
});

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function jwt(claims, { key = SECRET, alg = 'HS256' } = {}) {
  const signing = `${part({ alg })}.${part({ exp: Math.floor(Date.now() / 1000) + 60, ...claims })}`;
  return `${signing}.${createHmac('sha256', key).update(signing).digest('base64url')}`;
}

/** A page of the original's kind, connected and subscribed with these tokens. */
async function page(t, { url, to }, ...tokens) {
  const own = system(t);
  const client = own.client('sockjs_client.mjs', { url, transport: 'websocket', tokens });
  await client.event('open');
  return Object.assign(client, {
    /** Waits until it is subscribed, and has what is published: as each of these users. */
    hears: (...users) => own.warm(to, client, users),
    /** As the browser says that it has ended. */
    ended: async () => {
      const { code, reason } = await client.event('close');
      return `${code} ${reason}`;
    },
  });
}

/** How the page of somebody who subscribes so is closed. */
const closing = async (t, server, ...tokens) => (await page(t, server, ...tokens)).ended();

/** Waits until a server has no connection of a user any more. */
async function goes(one, user) {
  const gone = async () => {
    while ((await asked(one, `${one.api}/v1/users/${user}`)).json.connections !== 0) await new Promise(setImmediate);
  };
  await soon(gone(), `the end of ${user}`, () => one.server.story);
}

const DAY_S = 24 * 3600;

provoke('The connection is closed with', {
  '3001 `server is shutting down, connect again`': async (t) => {
    const port = await freePort();
    const one = await single(t, [], env, port);
    const [plain, ours] = [await page(t, one), system(t).client('pushnote_client.mjs', { url: one.url, transport: 'websocket' })];
    await ours.event('open');
    await one.server.end('SIGTERM');
    const said = await plain.ended();
    await runs(t, 'pushnote-server', ['--single', '--address=127.0.0.1', `--port=${port}`, '--mq_socket=tcp://127.0.0.1:0'], env);
    await ours.event('open', 2);
    return said;
  },
  '3008 `messages came faster than you read them`': async (t) => {
    const one = await single(t, ['--log-bytes-max=128KiB', '--metrics=127.0.0.1:0', '--heartbeat-delay=600'], env);
    const [metrics] = (await logged(one.server, 'metrics on')).match(/http\S+/);
    const client = await page(t, one);
    await client.hears();
    // For as long as it takes: no heartbeat is due in the meantime, of which 3012 would come.
    client.child.kill('SIGSTOP');
    const list = Array.from({ length: 100 }, () => ({ everyone: true, data: 'x'.repeat(60_000) }));
    const publish = async () => assert.equal((await asked(one, `${one.api}/v1/publish`, list)).status, 202);
    // More than the system keeps for who stands still, and then more than the log does.
    const behind = async () => {
      do await publish();
      while (!/^pushnote_server_fell_behind_total [1-9]/m.test(await (await fetch(metrics)).text()));
      await publish();
    };
    await soon(behind(), 'a page that is behind the log', () => one.server.story);
    client.child.kill('SIGCONT');
    return client.ended();
  },
  '3012 `no answer to a ping`': async (t) => {
    // Whoever answers has time for it.
    const one = await single(t, ['--heartbeat-delay=2'], env);
    const client = await page(t, one, signed('42'));
    await client.hears('42');
    client.child.kill('SIGSTOP');
    await goes(one, '42');
    client.child.kill('SIGCONT');
    return client.ended();
  },
  '3013 `token is not good yet: check the clocks, or its nbf`': async (t) => {
    const one = await single(t, [], env);
    const ahead = Math.floor(Date.now() / 1000) + 600;
    const said = [await closing(t, one, signed('42', { ahead: 600 })), await closing(t, one, jwt({ sub: '42', nbf: ahead }))];
    assert.equal(said[0], said[1]);
    // Set right, but for what clocks may differ by.
    await (await page(t, one, signed('42', { ahead: 200 }))).hears('42');
    return said;
  },
  '3500 `token is invalid`': async (t) => {
    const one = await single(t, [], env);
    await (await page(t, one, signed('42'))).hears('42');
    const said = [];
    for (const wrong of [{ secret: 'another secret, which is long enough for it' }, { salt: 'another salt' }]) {
      said.push(await closing(t, one, signed('42', wrong)));
      await logged(one.server, 'no secret of this server has signed it');
    }
    assert.equal(said[0], said[1]);
    return said;
  },
  '3501 `message is not the client protocol`': async (t) => {
    const client = await page(t, await single(t, [], env));
    client.write({ do: 'send', text: '42["socket.io"]' });
    return client.ended();
  },
  '3502 `token has expired, get a new one`': async (t) => {
    const one = await single(t, ['--token-max-age=60'], env);
    const said = await closing(t, one, signed('42', { ahead: -DAY_S }));
    const client = await page(t, one, signed('42'));
    await client.hears('42');
    assert.equal((await asked(one, `${one.api}/v1/revoke`, { users: ['42'] })).status, 202);
    assert.equal(await client.ended(), said);
    return said;
  },
  '3503 `too many connections of this user`': async (t) => {
    const one = await single(t, ['--connections-per-user-max=1'], env);
    const first = await page(t, one, signed('42'));
    await first.hears('42');
    const said = await closing(t, one, signed('42'));
    await first.end('SIGKILL');
    // When the server has noticed, there is room for another.
    await goes(one, '42');
    await (await page(t, one, signed('42'))).hears('42');
    return said;
  },
  '3504 `too many subscriptions`': async (t) => {
    const open = '--channels={ prefix = "", public = true }';
    const one = await single(t, ['--channels-per-connection-max=1', '--users-per-connection-max=1', open], env);
    const tokens = [signed('42'), signed('43')];
    const said = await closing(t, one, ...tokens);
    // The client protocol, which client-js speaks with `resume: true`.
    const framed = await page(t, one);
    const subscriptions = [...tokens.map((token) => ({ token })), { channel: 'a' }, { channel: 'b' }];
    framed.write({ do: 'emit', name: 'hello', data: { id: 1, version: 1, subscriptions } });
    const { errors } = await framed.until(() => framed.messages.find(({ type }) => type === 'welcome'), 'the answer');
    assert.deepEqual(errors.map(({ channel, code }) => [channel, code]), [[undefined, 'limit'], ['b', 'limit']]);
    const raised = await single(t, ['--users-per-connection-max=2'], env);
    await (await page(t, raised, ...tokens)).hears('42', '43');
    return said;
  },
  '3505 `disconnected by the application`': async (t) => {
    const one = await single(t, [], env);
    const client = await page(t, one, signed('42'));
    await client.hears('42');
    assert.equal((await asked(one, `${one.api}/v1/disconnect`, { users: ['42'] })).status, 202);
    return client.ended();
  },
});

/** What is said of a token by `pushnote token --check`; the log of a server that a page gives it to must say the same. */
async function refused(t, token) {
  const { code, said } = await ran(t, 'pushnote', ['token', '--check', token], env);
  assert.notEqual(code, 0, said);
  const [, flaw] = said.match(/the token is invalid: (.*)$/);
  const one = await single(t, [], env);
  const client = await page(t, one);
  client.write({ do: 'subscribe', token });
  if (token === '') {
    // A visitor, to the server.
    await client.hears();
    return said;
  }
  assert.equal(await client.ended(), '3500 token is invalid');
  return [said, await logged(one.server, `flaw=${flaw} `)];
}

provoke('The token is refused', {
  '`no secret of this server has signed it, with a salt of ours`': (t) => refused(t, signed('42', { secret: `${SECRET}"` })),
  "`no secret of this server has signed it: the key of HS256 is the secret's text as it is, not decoded from base64`": async (t) => {
    const secret = createHash('sha256').update(SECRET).digest('base64');
    const decoded = jwt({ sub: '42' }, { key: Buffer.from(secret, 'base64') });
    const { said } = await ran(t, 'pushnote', ['token', '--check', decoded], { PUSHNOTE_SECRET: secret });
    const asText = await ran(t, 'pushnote', ['token', '--check', jwt({ sub: '42' }, { key: secret })], { PUSHNOTE_SECRET: secret });
    assert.match(asText.said, /user 42$/);
    return [said, ...(await refused(t, decoded))];
  },
  "`it is empty: the page's template printed nothing where the token is to be`": (t) => refused(t, ''),
  "`JavaScript's for a variable without a value`": async (t) => {
    for (const [word, whose] of [['null', "JavaScript's"], ['None', "Python's"], ['[object Promise]', "JavaScript's"]]) {
      const said = await refused(t, word);
      assert.ok(said[0].includes(`"${word}", ${whose}`), said[0]);
    }
    return refused(t, 'undefined');
  },
  '`it has no colon, as what Django signs has`': (t) => refused(t, '<!doctype html>'),
  '`its "alg" is none of HS256, RS256, ES256 and EdDSA`': (t) => refused(t, jwt({ sub: '42' }, { alg: 'HS384' })),
  '`recipient token refused; do application and server have the same secret?`': async (t) => {
    const one = await single(t, [], env);
    const client = await page(t, one, signed('42'));
    await client.hears('42');
    const publish = await publisher(t, one.to);
    await publish({ name: 'notify', data: 'lost', recipients: [signed('42', { secret: 'another secret, which is long enough for it' })] });
    const line = await logged(one.server, 'recipient token refused');
    await publish({ name: 'notify', data: 'good', recipients: [signed('42')] });
    await client.message('good');
    assert.ok(!client.messages.includes('lost'));
    return line;
  },
});
