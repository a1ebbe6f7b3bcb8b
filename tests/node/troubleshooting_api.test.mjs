// Notifications that do not come, and what the API answers: rows of docs/troubleshooting.md.

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { appendFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIN_DIR, freePort, Process } from './processes.mjs';
import { asked, folder, logged, newKey, provoke, ran, runs, SECRET, seenBy, single, system } from './troubleshooting.mjs';
import { soon } from './waiting.mjs';

const env = { PUSHNOTE_SECRET: SECRET };
const REFUSED = 'tests/delivery/api.rs';
const SOCKET_FIRST = 'tests/web_push/socket_first.rs';
const DIRECT = 'tests/web_push/direct.rs';

/** A browser's subscription at a push service of this machine, where nobody is. */
function subscription() {
  const browser = createECDH('prime256v1');
  browser.generateKeys();
  const keys = { p256dh: browser.getPublicKey('base64url'), auth: randomBytes(16).toString('base64url') };
  return { endpoint: `http://127.0.0.1:1/${randomBytes(8).toString('hex')}`, keys };
}

const LOCAL = '--push-allowed-net=127.0.0.0/8';
const pushing = (data) => ['--vapid-subject=mailto:ops@example.org', `--data-dir=${data}`];

/** What the server answers when a page of this user subscribes. */
async function subscribed(t, one, user, given = subscription()) {
  const token = (await ran(t, 'pushnote', ['token', user], env)).said;
  return asked({}, new URL('/push/subscribe', one.url), { token, subscription: given });
}

provoke('No notification comes', {
  '`devices` is 0': async (t) => {
    const one = await single(t, [...pushing(folder(t)), LOCAL], env);
    const devices = async () => (await asked(one, `${one.api}/v1/push`, { users: ['42'], title: 'Hi' })).json;
    const none = await devices();
    assert.equal(none.devices, 0);
    assert.equal((await subscribed(t, one, '42')).status, 201);
    assert.equal((await devices()).devices, 1);
    return JSON.stringify(none);
  },
  'state `failed`': seenBy(SOCKET_FIRST, 'until(&setup, "none", "failed")', 'until(&setup, "later", "failed")'),
  'state `delivered`': seenBy(SOCKET_FIRST, 'until(&setup, "order-7", "delivered")', 'until(&setup, "page", "delivered")'),
  'state `pushed`, and nothing is seen': seenBy(SOCKET_FIRST, 'until(&setup, "no%20page", "pushed")', 'until(&setup, "no%20page", "shown")'),
  '404 `push_off`': seenBy('tests/web_push/refused.rs', '("GET", "/push/key", "push_off", "--vapid-subject switches it on")', '(404, expected.to_owned())'),
  '400 `service_refused`': async (t) => {
    const none = await single(t, pushing(folder(t)), env);
    const net = await single(t, [...pushing(folder(t)), LOCAL], env);
    const host = await single(t, [...pushing(folder(t)), '--push-allowed-host=push.example.org'], env);
    const elsewhere = (name) => ({ ...subscription(), endpoint: `https://${name}/x` });
    const said = [(await subscribed(t, none, '42')).said, (await subscribed(t, host, '42', elsewhere('other.example.org'))).said];
    assert.equal(said[0], said[1]);
    assert.equal((await subscribed(t, net, '42')).status, 201);
    assert.equal((await subscribed(t, host, '42', elsewhere('push.example.org'))).status, 201);
    return said;
  },
  '404 `message_unknown`': seenBy(SOCKET_FIRST, '("/v1/messages/other", "message_unknown")', '(404, json!(format!("urn:pushnote:problem:{kind}")))'),
  '`the key that browsers have subscribed with is not here`': seenBy(
    'tests/web_push/restarts.rs',
    'setup.server.process.logged("the key that browsers have subscribed with is not here")',
  ),
  '`browsers have subscribed with a key that is not here`': async (t) => {
    const data = folder(t);
    const one = await single(t, [...pushing(data), LOCAL], env);
    assert.equal((await subscribed(t, one, '42')).status, 201);
    await one.server.end('SIGTERM');
    const [made, copy] = ['vapid.pem', 'copy.pem'].map((name) => join(data, name));
    renameSync(made, copy);
    const args = ['--single', '--mq_socket=tcp://127.0.0.1:0', '--address=127.0.0.1', '--port=0', ...pushing(data), `--vapid-key-file=${made}`];
    const { code, last } = await ran(t, 'pushnote-server', args, env);
    assert.notEqual(code, 0, last);
    const old = await runs(t, 'pushnote-server', [...args, `--vapid-old-key-file=${copy}`], env);
    await old.end('SIGTERM');
    renameSync(copy, made);
    await runs(t, 'pushnote-server', args, env);
    return last;
  },
});

/** Publishes a message for everyone. */
const publish = (one, data = 'Hi') => asked(one, `${one.api}/v1/publish`, { everyone: true, data });

provoke('The API answers', {
  '401 `key_missing`': seenBy(REFUSED, '401, "key_missing"'),
  '401 `key_unknown`': async (t) => {
    const one = await single(t);
    const { key, line } = await newKey(t);
    const { said } = await publish({ ...one, key });
    appendFileSync(one.keys, `${line.replace('shop', 'other')}\n`);
    one.server.child.kill('SIGHUP');
    const known = async () => {
      while ((await publish({ ...one, key })).status !== 202) await new Promise(setImmediate);
    };
    await soon(known(), 'the new key', () => one.server.story);
    return said;
  },
  '403 `right_missing`': seenBy(REFUSED, '403, "right_missing"'),
  '403 `other_channels`': seenBy(REFUSED, '403, "other_channels"'),
  '413 `data_too_long`': seenBy(REFUSED, '413, "data_too_long"'),
  '429 `too_many_subscriptions`': async (t) => {
    const one = await single(t, [...pushing(folder(t)), LOCAL, '--push-subscriptions-per-user-max=1'], env);
    assert.equal((await subscribed(t, one, '42')).status, 201);
    assert.equal((await subscribed(t, one, '43')).status, 201);
    return (await subscribed(t, one, '42')).said;
  },
  '503 `nowhere_to_publish`': async (t) => {
    const mq = await system(t).mq();
    const { said } = await publish(await single(t, [`--mq_socket=${mq.pub}`]));
    assert.equal((await publish(await single(t, [`--mq_socket=${mq.pub}`, `--publish-to=${mq.sub}`]))).status, 202);
    return said;
  },
  '503 `forwarders_unavailable`': async (t) => {
    const [sub, pub, ack] = (await Promise.all([freePort(), freePort(), freePort()])).map((port) => `tcp://127.0.0.1:${port}`);
    const behind = [`--mq_socket=${pub}`, `--publish-to=${sub}`];
    const acked = await single(t, [...behind, `--publish-ack=${ack}`]);
    const { said } = await publish(acked);
    // Without acknowledgements it is taken to be sent later, as long as there is room.
    const one = await single(t, behind);
    assert.equal((await publish(one)).status, 202);
    const many = Array.from({ length: 100 }, () => ({ everyone: true, data: 'x'.repeat(60_000) }));
    const full = async () => {
      for (;;) {
        const answer = await asked(one, `${one.api}/v1/publish`, many);
        if (answer.status !== 202) return answer.said;
      }
    };
    assert.equal(await soon(full(), 'no room', () => one.server.story), said);
    assert.match((await ran(t, 'pushnote', ['doctor', `--mq-sub=${sub}`])).said, /^FAIL .* nobody listens there: start pushnote-mq /m);
    await runs(t, 'pushnote-mq', [`--sub=${sub}`, `--pub=${pub}`, `--ack=${ack}`]);
    const again = async () => {
      while ((await publish(acked)).status !== 202 || (await publish(one)).status !== 202);
    };
    await soon(again(), 'a forwarder that takes it', () => one.server.story);
    return said;
  },
  '503 `busy`, 429 `key_busy`': seenBy(DIRECT, '(status, kind.as_str()), (429, "key_busy")', '(status, kind.as_str()), (503, "busy")'),
  '503 `not_kept`': async (t) => {
    // Another fault of the disk than that it is full, which needs no root: files above a megabyte cannot be written.
    const data = `--data-dir=${folder(t)}`;
    const { key, line } = await newKey(t);
    const keys = join(folder(t), 'keys');
    appendFileSync(keys, `${line}\n`);
    const args = ['--single', '--address=127.0.0.1', '--port=0', '--api=127.0.0.1:0', `--api-keys=${keys}`, data];
    const limited = ['-c', 'trap "" XFSZ; ulimit -f 1024; exec "$0" "$@"', join(BIN_DIR, 'pushnote-server'), ...args];
    const server = new Process('bash', limited, env);
    t.after(() => server.end());
    await logged(server, 'api listening on');
    const [, origin] = server.story.match(/listening on (http\S+:\d+)\/sockjs/);
    const one = { key, api: server.story.match(/api listening on (http\S+:\d+)\//)[1] };
    const fails = async () => {
      for (;;) {
        const answer = await publish(one, 'x'.repeat(60_000));
        if (answer.status !== 202) return answer.said;
      }
    };
    const said = await soon(fails(), 'a disk that fails', () => server.story);
    assert.match(await (await fetch(`${origin}/health`)).text(), /^ok\nlog not kept: .+\n$/);
    await logged(server, 'nothing is stored until the server starts again');
    await server.end('SIGTERM');
    assert.equal((await publish(await single(t, [data], env))).status, 202);
    const full = seenBy('tests/faults/durability.rs', 'metrics.until("pushnote_server_log_failed", |failed| failed == 0.0)', 'told.starts_with("ok\\nlog not kept: ")');
    full();
    return said;
  },
});

test('What 429 and 503 are to pages', () => {
  seenBy('tests/sse/main.rs', '429, "limit"')();
  seenBy('tests/delivery/main.rs', 'for limit in ["--connections-max=2", "--connections-per-ip-max=2"]', 'refused.contains("503")')();
  seenBy('crates/pushnote-http/tests/run.rs', '503, "nobody new comes in"')();
});
