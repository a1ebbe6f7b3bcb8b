// The tables of docs/troubleshooting.md: each row is provoked by what it says that it means, and what it quotes must be what is
// said then. A row that nobody provokes is a test that fails.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import zeromq from 'zeromq';
import { System } from './processes.mjs';
import { bePatient, soon } from './waiting.mjs';

// Three rows at a time; and some wait for a time-out.
bePatient(60_000);

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
/** With each white space as one blank. */
const flat = (text) => text.replace(/\s+/g, ' ');

/** The sections of the page that have a table: its rows, each as what is in its first cell, without the head. */
export const TABLES = new Map(
  read('docs/troubleshooting.md')
    .split(/^## /m)
    .map((section) => [section.split('\n')[0], [...section.matchAll(/^\| (.+?) \| .+ \|$/gm)].map(([, says]) => says)])
    .filter(([, rows]) => rows.length > 0)
    .map(([heading, [, ...rows]]) => [heading, rows]),
);

/** What a row quotes, which somebody has to say: `texts`, "words" and numbers, in pieces where it leaves something out. */
function quoted(says) {
  const quotes = [...says.matchAll(/`([^`]+)`|"([^"]+)"|\b(\d{3,4})\b/g)].map(([, text, words, number]) => text ?? words ?? number);
  return quotes.flatMap((quote) => quote.split('…')).map((piece) => piece.trim()).filter(Boolean);
}

/**
 * A provoker for a row that another suite provokes: pieces of its text, which have among them what the row quotes. That they
 * stand there is all that is seen here: that suite has to run, and may skip what this machine has no program for.
 */
export function seenBy(file, ...pieces) {
  return () => {
    assert.ok(existsSync(new URL(`../../${file}`, import.meta.url)), file);
    const text = flat(read(file));
    for (const piece of pieces) assert.ok(text.includes(flat(piece)), `${file} has no ${piece}`);
    return pieces;
  };
}

const SKIPPED = Symbol('skipped');

/** What a provoker gives that cannot do it on this machine. */
export function skipped(t, why) {
  t.skip(why);
  return SKIPPED;
}

/**
 * A test for each row below a heading.
 *
 * @param {Record<string, (t) => unknown>} provokers by what stands in the row's first cell: each does what the row says that it
 *   means, and gives all that is said then; and sees to it that what the row says to do does help, where that is cheap
 */
export function provoke(heading, provokers) {
  describe(heading, { concurrency: 3 }, () => {
    test('each row has who provokes it', () => {
      assert.deepEqual(Object.keys(provokers).toSorted(), TABLES.get(heading).toSorted());
    });
    for (const [says, provoker] of Object.entries(provokers)) {
      test(says, { timeout: 300_000 }, async (t) => {
        const given = await provoker(t);
        if (given === SKIPPED) return;
        const said = flat([given].flat().join('\n'));
        for (const text of quoted(says)) assert.ok(said.includes(text), `${text} is not in: ${said}`);
      });
    }
  });
}

/** Processes that end with a test. */
export function system(t) {
  const made = new System();
  t.after(() => made.stop());
  return made;
}

/** A folder that is gone with a test. */
export function folder(t) {
  const made = mkdtempSync(join(tmpdir(), 'pushnote-trouble-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Runs a program to its end. */
export async function ran(t, program, args, env = {}) {
  const run = system(t).start(program, args, env);
  const { code } = await soon(run.exited, run.name, () => run.story);
  const lines = run.heard.map(({ line }) => line);
  return { code, said: lines.join('\n'), last: lines.at(-1) ?? '' };
}

/** Starts a program that runs on, once it says that it does. */
export async function runs(t, program, args, env = {}) {
  const started = system(t).start(program, args, env);
  await started.until(() => started.story.includes('listening on'), 'readiness');
  return started;
}

/** Waits for a line of a log that has this text, and gives it. */
export function logged(started, text) {
  return started.until(() => started.heard.find(({ line }) => line.includes(text))?.line, text);
}

/**
 * A server with an API, and a key that may do all there; on its own, unless it hears a forwarder (`--mq_socket`).
 *
 * @returns {Promise<{server, url: string, api: string, key: string, keys: string, to: string}>} where its pages, its API and its
 *   applications are, and the file of its keys
 */
export async function single(t, flags = [], env = {}, port = 0) {
  const { key, line } = await newKey(t);
  const keys = join(folder(t), 'keys');
  writeFileSync(keys, `${line}\n`);
  const own = flags.some((flag) => flag.startsWith('--mq_socket')) ? [] : ['--single', '--mq_socket=tcp://127.0.0.1:0'];
  const args = [...own, '--address=127.0.0.1', `--port=${port}`, '--api=127.0.0.1:0', `--api-keys=${keys}`, ...flags];
  const server = await runs(t, 'pushnote-server', args, env);
  await logged(server, 'api listening on');
  const [, url, to] = server.story.match(/listening on (http\S+), (?:bound|connected|connecting) to (\S+)/);
  const [, api] = server.story.match(/api listening on (http\S+:\d+)\//);
  return { server, url, api, key, keys, to };
}

/** The servers' secret, in hands of the application. */
export const SECRET = 'a secret of the troubled, which nobody else in the suites uses';

/** As Django signs a user's id, or a channel's name with the salt for those, by a clock that is so far ahead. */
export function signed(user, { ahead = 0, secret = SECRET, salt = 'pushnote.timestamped' } = {}) {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const base62 = (number) => (number >= 62 ? base62(Math.floor(number / 62)) : '') + digits[number % 62];
  const value = `${user}:${base62(Math.floor(Date.now() / 1000) + ahead)}`;
  const key = createHash('sha256').update(`${salt}signer${secret}`).digest();
  return `${value}:${createHmac('sha256', key).update(value).digest('base64url')}`;
}

/** What sends envelopes to an endpoint, by libzmq. As it is an XPUB socket, it knows when somebody is there who takes them. */
export async function publisher(t, endpoint) {
  const socket = new zeromq.XPublisher({ linger: 0 });
  t.after(() => socket.close());
  socket.connect(endpoint);
  await soon(socket.receive(), `a subscription at ${endpoint}`);
  return (envelope) => socket.send(JSON.stringify(envelope));
}

/** A key of the API, and its line for the file. */
export async function newKey(t, ...flags) {
  const rights = flags.some((flag) => flag.startsWith('--rights')) ? [] : ['--rights=publish,read,manage'];
  const { said } = await ran(t, 'pushnote', ['keygen', '--api', 'shop', ...rights, ...flags]);
  return { key: said.match(/pn_\S+/)[0], line: said.match(/^line of the --api-keys file: (.*)$/m)[1] };
}

/** What the API, or a server, answers: its status, and the kind of the problem if it is one, as the page has them; and the body. */
export async function asked({ key }, url, body, method = body === undefined ? 'GET' : 'POST') {
  const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...(body !== undefined && { 'Content-Type': 'application/json' }) };
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  const json = text.startsWith('{') ? JSON.parse(text) : {};
  return { status: answer.status, said: `${answer.status} ${json.type?.replace('urn:pushnote:problem:', '') ?? ''}`.trim(), json };
}
