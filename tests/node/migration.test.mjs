// The tables of docs/migration.md: what they say is here is called as it is printed, against real servers, and does what its row says.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import FayeWebSocket from 'faye-websocket';
import * as pushnote from '../../client-js/src/pushnote.js';
import { path } from './path.mjs';
import { BIN_DIR, freePort, Process, System } from './processes.mjs';
import { Heard, soon } from './waiting.mjs';

const at = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pushnote-migration-'));
const system = new System();
const SECRET = 'the SECRET_KEY of the site that has moved here';
const env = { PATH: `${BIN_DIR}:${process.env.PATH}`, PUSHNOTE_SECRET: SECRET };
/** Django takes its time on a busy machine. */
const PATIENCE_MS = 60_000;
/** How the servers have channels: as the rows say of it. */
const RULE = '{ prefix = "news", public = true, presence = true }';
let mq;
let server;
/** Another one, behind the same forwarder. */
let other;
let api;

before(async () => {
  mq = await system.mq();
  await run('bash', ['-c', 'pushnote keygen --api site --rights publish,read,manage --secret-file site.key > api-keys']);
  const port = await freePort();
  api = { url: `http://127.0.0.1:${port}`, key: readFileSync(join(folder, 'site.key'), 'utf8').trim() };
  const flags = [`--api=127.0.0.1:${port}`, '--api-keys=api-keys', `--publish-to=${mq.sub}`, `--channels=${RULE}`];
  server = await serve('pushnote-server', `--mq_socket=${mq.pub}`, ...flags);
  other = await serve('pushnote-server', `--mq_socket=${mq.pub}`);
  for (const each of [server, other]) await each.until(() => each.story.includes('subscribed to'), 'the forwarder');
  await server.until(() => server.story.includes('api listening on'), 'the API');
});

after(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A server on a free port, and where pages find it. */
async function serve(program, ...flags) {
  const started = system.start(program, ['--port=0', '--address=127.0.0.1', ...flags], env, folder);
  const [, url] = await started.until(() => started.story.match(/listening on (http:\S+sockjs)/), 'readiness');
  return Object.assign(started, { url });
}

/** Runs a program to its end; what it prints. */
async function run(program, args, more) {
  const started = new Process(program, args, { ...env, ...more }, folder);
  const { code } = await soon(started.exited, program, () => started.story, PATIENCE_MS);
  assert.equal(code, 0, `${args.at(-1)}${started.story}`);
  return started.output.join('\n');
}

/** Runs Python as it is printed, in a Django project that has moved here; what it prints. */
const PYTHON = at('tests/.venv/bin/python');
const python = (code, more = {}) => run(PYTHON, ['-c', `${PROJECT}\n${code}\npub.flush()`], {
  PYTHONPATH: at('client-py/src'), PUSHNOTE_MQ_SOCKET: mq.sub, ...more,
});
const PROJECT = `
import os, django
from django.conf import settings
settings.configure(
    SECRET_KEY=${JSON.stringify(SECRET)},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "pushnote"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    PUSHNOTE_MQ_SOCKET=os.environ["PUSHNOTE_MQ_SOCKET"],
    PUSHNOTE_TOKENIZER=os.environ.get("PUSHNOTE_TOKENIZER", "pushnote.utils.tokenize"),
)
django.setup()
from django.contrib.auth.models import User
from django.db import transaction
from django.template import Context, Template
from pushnote import pub
from pushnote.pub import notify, notify_all, notify_channel, notify_on_commit, publish
user, data = User(pk=42), "from Python"
users = [user]`;
const token = (...whose) => run('pushnote', ['token', ...whose]);

/** Posts to the API, or gets from it. */
async function ask(what, body) {
  const [method, target] = what.includes(' ') ? what.split(' ') : [body ? 'POST' : 'GET', what];
  const headers = { Authorization: `Bearer ${api.key}` };
  const answer = await fetch(api.url + target, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${what}: ${answer.status}`);
  return answer.json();
}

/** A page: its code is run as it is printed. */
class Page extends Heard {
  name = 'page';
  #scope;

  constructor(t, scope = {}) {
    super();
    const connect = (url, options) => {
      this.conn = pushnote.connect(url, { WebSocket: FayeWebSocket.Client, ...options });
      this.conn.on('state', (state, detail) => this.hear({ state, ...detail }));
      this.conn.on('error', (error) => this.hear({ error: error.message }));
      t.after(() => this.conn.close());
      return this.conn;
    };
    this.#scope = { connect, url: server.url, f: (data, detail) => this.hear({ data, detail }), ...scope };
  }

  run(code) {
    const scope = { ...this.#scope, conn: this.conn };
    return new Function(...Object.keys(scope), `return ${code.replace('…', 'f(data)')}`)(...Object.values(scope));
  }

  /** Runs what connects, and waits until messages come. */
  async connect(code = 'connect(url, { resume: true })') {
    this.run(code);
    await this.until(() => this.conn.state === 'connected', 'a connection');
    // With resume it gets to know where it is.
    while (code.includes('resume') && !this.conn.cursor) await new Promise((resolve) => setImmediate(resolve));
    return this;
  }

  get messages() {
    return this.heard.flatMap(({ data }) => data ?? []);
  }

  /** Waits for a message that its listener gets. */
  message(expected) {
    return this.until(() => this.heard.find(({ data }) => data === expected), `message ${expected}`);
  }
}

/** A page that runs what a row says gets what is published then, and nothing else. */
async function gets(t, codes, publication, scope) {
  const page = new Page(t, scope);
  await page.connect(codes[0].startsWith('connect(') ? codes.shift() : undefined);
  if (publication.channels) await page.run("conn.subscribe('news')");
  for (const code of codes) await page.run(code);
  await ask('POST /v1/publish', { ...publication, data: 'for others', everyone: false, channels: ['other'] });
  if (publication.event) await ask('POST /v1/publish', { ...publication, data: 'another event', event: 'other' });
  await ask('POST /v1/publish', { data: 'this', ...publication });
  await page.message('this');
  assert.deepEqual(page.messages, ['this']);
  return page;
}

/** A page as the original's are, with a user's token, that gets what is for the user. */
async function asUser(t, token, { code = "conn.emit('subscribe', token)", url = server.url, to = mq.sub } = {}) {
  const page = await new Page(t, { token, url }).connect('connect(url)');
  page.run("conn.on('message', f)");
  page.run(code);
  while (!page.messages.includes('subscribed?')) await system.publish('subscribed?', { to, users: ['42'] });
  return page;
}

/** A page in a channel that a token is for, or a user's, that gets what is published from Python. */
async function getsFromPython(t, code, detail, { channel, extra = '' } = {}) {
  const page = await new Page(t, { token: await token(...(channel ? ['--channel', channel] : ['42'])) }).connect();
  page.run("conn.on('message', f)");
  await page.run(channel ? `conn.subscribe('${channel}', { token })` : 'conn.subscribe({ token })');
  await python(code.replace(/^/gm, extra ? '    ' : '').replace(/^/, extra));
  await page.message('from Python');
  assert.deepEqual(page.heard.at(-1).detail, { data: 'from Python', ...detail });
  return page;
}

const attributes = (names) => python(`from pushnote.webpush import Pusher\nfor name in ${JSON.stringify(names)}: getattr(Pusher, name)`);
const refused = (promise, code) => assert.rejects(promise, (error) => error.code === code);

/** What a row says is here, and what shows that it does what the row says. */
const DOES = {
  'from pushnote.pub import notify_all, notify': ([code]) => python(code),
  'PUSHNOTE_MQ_SOCKET · PUSHNOTE_TOKENIZER · tokenize': async ([socket, tokenizer, name], t) => {
    const own = `from django.core.signing import Signer\ndef own(user): return Signer(salt="pushnote").sign(user.pk)`;
    const tag = 'print(Template("{% load pushnote %}{% pushnote_token %}").render(Context({"user": user})))';
    const env = { [socket]: mq.sub, [tokenizer]: '__main__.own' };
    const page = await asUser(t, JSON.parse(await python(`${own}\n${tag}`, env)));
    await python(`${own}\nnotify(data, [user])`, env);
    await page.message('from Python');
    await asUser(t, await python(`from pushnote.utils import ${name}\nprint(${name}(user))`));
  },
  'SECRET_KEY': async ([name], t) => {
    const salted = `settings.PUSHNOTE_SALT = "salty"\nassert settings.${name} == ${JSON.stringify(SECRET)}`;
    await asUser(t, await python(`${salted}\nfrom pushnote.utils import tokenize\nprint(tokenize(user))`));
  },
  "conn.emit('subscribe', token)": async ([code], t) => asUser(t, await token('42'), { code }),
  'pushnote-mq · pushnote-server --single · SECRET_KEY · --secret-file · PUSHNOTE_SECRET · manage.py runpushnote': async (
    [forwarder, single, , file, variable, manage], t,
  ) => {
    assert.match(mq.name, new RegExp(`^${forwarder} --sub=tcp:.* --pub=tcp:`));
    writeFileSync(join(folder, 'SECRET_KEY'), SECRET);
    const [, command] = manage.split(' ');
    for (const start of [
      (flags) => `exec env -u PUSHNOTE_SECRET ${single} ${file}=SECRET_KEY ${flags}`,
      (flags) => `exec env ${variable}="$PUSHNOTE_SECRET" ${single} ${flags}`,
      (flags, port) => `exec env -u PUSHNOTE_SECRET ${PYTHON} -c '${PROJECT}\nfrom django.core.management import call_command
call_command("${command}", "${port}")'`,
    ]) {
      const [port, to] = [await freePort(), `tcp://127.0.0.1:${await freePort()}`];
      const more = { ...env, PYTHONPATH: at('client-py/src'), PUSHNOTE_MQ_SOCKET: to };
      const line = start(`--port=${port} --route=/sockjs --mq_socket=${to}`, port);
      const started = new Process('bash', ['-c', line], more, folder);
      t.after(() => started.end('SIGTERM'));
      await started.until(() => started.story.includes(`:${port}/sockjs`), 'readiness');
      await asUser(t, await token('42'), { url: `http://127.0.0.1:${port}/sockjs`, to });
    }
  },
  '--legacy-salt-file': async ([flag], t) => {
    const token = await python('from django.core.signing import Signer\nprint(Signer(key="salty").sign("42"))');
    const page = await new Page(t, { token }).connect('connect(url, { token })');
    await page.until(() => page.heard.some(({ code }) => code === 3500), 'the refusal');
    writeFileSync(join(folder, 'salt'), 'salty');
    const to = `tcp://127.0.0.1:${await freePort()}`;
    const { url } = await serve('pushnote-server', '--single', `--mq_socket=${to}`, `${flag}=salt`);
    await asUser(t, token, { url, to });
  },

  'from pushnote.webpush import Pusher': ([code]) => python(code),
  'newSubscription · removeSubscription · getGroupId · getIdSession · notify · notifyAll · wait': attributes,
  'sendNotification · sendNotificationToAll · pusher(…)': (names) => attributes([...names.slice(0, 2), '__call__']),
  'pushnote webpush import': ([command]) => run('bash', ['-c', `${command} --help`]),
  'pushnote-webpush': ([crate]) => assert.ok(existsSync(at(`crates/${crate}/Cargo.toml`))),

  'connect(url, { resume: true })': ([code], t) => new Page(t).connect(code),
  "conn.on('message', f)": (codes, t) => gets(t, codes, { everyone: true }),
  "conn.subscribe('news') · conn.channel('news').on('headline', f)": (codes, t) => gets(t, codes, { channels: ['news'], event: 'headline' }),
  'token': async ([option], t) => asUser(t, await token('42'), { code: `conn.close() || connect(url, { ${option} }).on('message', f)` }),
  'notify_all(data) · publish · event': async ([all, name, event], t) => {
    await getsFromPython(t, all, {});
    await getsFromPython(t, `${name}(data, everyone=True, ${event}="news")`, { event: 'news' });
  },
  "notify_channel('room', data)": ([code], t) => getsFromPython(t, code, { channel: 'room' }, { channel: 'room' }),
  'notify(data, users)': ([code], t) => getsFromPython(t, code, { user: true }),
  'resume: true': async ([option], t) => {
    const way = await path(t, new URL(server.url).port);
    const page = await new Page(t, { url: `${way.origin}/sockjs` }).connect(`connect(url, { ${option} })`);
    page.run("conn.on('message', f)");
    way.lead(new URL(other.url).port);
    way.cut();
    await page.until(() => page.heard.some(({ state, code }) => state === 'connecting' && code), 'the break');
    await ask('POST /v1/publish', { data: 'meanwhile', everyone: true });
    await page.message('meanwhile');
  },
  'pushnote-mq': async (_, t) => {
    const page = await new Page(t, { url: other.url }).connect();
    page.run("conn.on('message', f)");
    await ask('POST /v1/publish', { data: 'from the one to the other', everyone: true });
    await page.message('from the one to the other');
  },

  "connect(url, { resume: true, getToken }) · conn.subscribe('news')": async (codes, t) => {
    const getToken = ({ channel }) => token(...(channel ? ['--channel', channel] : ['42']));
    const page = new Page(t, { getToken });
    await page.connect(codes[0]);
    page.run("conn.on('message', f)");
    await page.run(codes[1].replace('news', 'room'));
    await page.run('conn.subscribe()');
    await ask('POST /v1/publish', { data: 'in the room', channels: ['room'] });
    await ask('POST /v1/publish', { data: 'for 42', users: ['42'] });
    await page.message('in the room');
    await page.message('for 42');
  },
  "conn.channel('news').on('message', (data) => …)": (codes, t) => gets(t, codes, { channels: ['news'] }),
  'sub · channels': async ([sub, channels], t) => {
    const claims = `{"${sub}": "42", "${channels}": ["room"], "exp": 2**32}`;
    const token = await python(`import jwt\nprint(jwt.encode(${claims}, settings.SECRET_KEY, algorithm="HS256"))`);
    const page = await new Page(t, { token }).connect();
    assert.equal((await page.run('conn.subscribe({ token })')).user, '42');
    assert.ok((await page.run("conn.subscribe('room', { token })")).cursor);
    await refused(page.run("conn.subscribe('room.2', { token })"), 'not_allowed');
  },
  '--channels': async ([flag], t) => {
    assert.match(server.name, new RegExp(`${flag}=.* prefix = "news",`));
    const page = await new Page(t).connect();
    await page.run("conn.subscribe('news.of.today')");
    await refused(page.run("conn.subscribe('room')"), 'token_missing');
  },
  'POST /v1/publish · channels': async ([publish, channels], t) => {
    const page = await new Page(t).connect();
    page.run("conn.on('message', f)");
    await Promise.all(['news', 'news.sport'].map((name) => page.conn.subscribe(name)));
    await ask(publish, { data: 'to one', [channels]: ['news'] });
    await ask(publish, { data: 'to both', [channels]: ['news', 'news.sport'] });
    await page.message('to both');
    assert.deepEqual(page.messages, ['to one', 'to both']);
  },
  'presence · /v1/channels/NAME?last=N · /v1/disconnect': async ([presence, history, disconnect], t) => {
    const page = await asUser(t, await token('42'));
    const resuming = await new Page(t).connect();
    resuming.conn.on('message', (data) => resuming.hear({ data }));
    await resuming.conn.subscribe('news');
    assert.ok((await resuming.run(`conn.channel('news').${presence}()`)).anonymous);
    await ask('/v1/publish', { data: 'the last', channels: ['news'] });
    // By the forwarder, so that the answer comes before the message.
    await resuming.until(() => resuming.heard.some(({ data }) => data === 'the last'), 'the last');
    const { messages } = await ask(history.replace('NAME', 'news').replace('N', '1'));
    assert.deepEqual(messages, [{ channel: 'news', data: 'the last' }]);
    await ask(disconnect, { users: ['42'] });
    await page.until(() => page.heard.some(({ state, code }) => state === 'disconnected' && code === 3505), 'the end');
  },
  'resume': ([option], t) => DOES['resume: true']([`${option}: true`], t),

  "connect(url, { resume: true }) · conn.subscribe('news') · conn.channel('news').on('rain', f)": (codes, t) =>
    gets(t, codes, { channels: ['news'], event: 'rain' }),
  'public = true': async ([said], t) => {
    assert.ok(RULE.includes(said));
    const page = await new Page(t).connect();
    await page.conn.subscribe('news');
    await refused(page.conn.subscribe('room'), 'token_missing');
  },
  "presence = true · conn.channel('news').presence({ events: true }) · 'join' · 'leave'": async ([said, presence, ...events], t) => {
    assert.ok(RULE.includes(said));
    const page = await new Page(t).connect();
    await page.conn.subscribe('news');
    for (const event of events) page.run(`conn.channel('news').on(${event}, (user) => f(${event} + ' ' + user))`);
    await page.run(presence);
    const member = await new Page(t, { token: await token('42') }).connect();
    await member.run('conn.subscribe({ token })');
    await member.conn.subscribe('news');
    await page.message('join 42');
    await member.conn.unsubscribe('news');
    await page.message('leave 42');
  },
  '/v1/disconnect · /v1/revoke': async ([disconnect, revoke], t) => {
    for (const [path, end] of [[disconnect, 3505], [revoke, 3502]]) {
      const page = await asUser(t, await token('42'));
      await ask(path, { users: ['42'] });
      await page.until(() => page.heard.some(({ state, code }) => state === 'disconnected' && code === end), `the end by ${path}`);
    }
  },
  'POST /v1/publish · channels · event · data': async ([publish, channels, event, data], t) => {
    const page = await new Page(t).connect();
    await page.conn.subscribe('news');
    page.run("conn.channel('news').on('rain', f)");
    await ask(publish, { [channels]: ['news'], [event]: 'rain', [data]: 'at noon' });
    await page.message('at noon');
  },

  "notify_channel('news', data)": ([code], t) => getsFromPython(t, code, { channel: 'news' }, { channel: 'news' }),
  'pushnote-server': ([program]) => assert.match(server.name, new RegExp(`^${program} `)),
  '{% pushnote_token %}': async ([tag], t) => {
    const rendered = await python(`print(Template("{% load pushnote %}${tag}").render(Context({"user": user})))`);
    await asUser(t, JSON.parse(rendered));
  },
  "connect(url, { resume: true }) · conn.subscribe('news', { token }) · conn.channel('news').on('message', f)": async (codes, t) => {
    await gets(t, [...codes], { channels: ['news'] }, { token: await token('--channel=news') });
    await assert.rejects(gets(t, [...codes], { channels: ['news'] }, { token: 'forged' }), { code: 'token_invalid' });
  },
  'notify(data, users=[user])': ([code], t) => getsFromPython(t, code, { user: true }),
  'notify_on_commit(data, users=[user])': async ([code], t) => {
    const extra = 'with transaction.atomic():\n';
    const page = await getsFromPython(t, `${code}\nnotify("before the commit", users=users)`, { user: true }, { extra });
    assert.deepEqual(page.messages, ['before the commit', 'from Python']);
  },
};

const PAGE = readFileSync(at('docs/migration.md'), 'utf8');
const rows = PAGE.split(/^## /m).slice(1).flatMap((section) => {
  const title = section.split('\n', 1)[0];
  return [...section.matchAll(/^\| (.*) \| (.*) \|$/gm)].map(([, from, here]) => {
    const codes = (text) => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
    // What is the same stands on the left.
    return { title, from, codes: [...(here.startsWith('the same') ? codes(from) : []), ...codes(here)] };
  });
}).filter(({ codes }) => codes.length);

for (const { title, from, codes } of rows) {
  test(`${title}: ${from}`, { timeout: 4 * PATIENCE_MS }, async (t) => {
    const does = DOES[codes.join(' · ')];
    assert.ok(does, `nothing in DOES tests this: ${codes.join(' · ')}`);
    await does([...codes], t);
  });
}

test('what is tested of them is there', () => {
  const printed = new Set(rows.map(({ codes }) => codes.join(' · ')));
  assert.deepEqual(Object.keys(DOES).filter((codes) => !printed.has(codes)), []);
});
