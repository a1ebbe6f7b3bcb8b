// What applications publish with flask-sse, for EventSource in Chromium: the README of paylogic's pushserver, and more.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Process, System, freePort } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';

const PYTHON = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));
const PUBLISH = fileURLToPath(new URL('../python/flask_sse_publish.py', import.meta.url));
const system = new System();
let application;
let browser;
let redis;
let server;
let site;

before(async () => {
  const port = await freePort();
  redis = new Process('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'].map(String));
  await redis.until(() => redis.story.includes('Ready to accept connections'), 'Redis');
  const flags = [`--redis=redis://127.0.0.1:${port}`];
  server = await system.server({ mq: `tcp://127.0.0.1:${await freePort()}`, single: true, flags });
  application = new Process(PYTHON, [PUBLISH, `redis://127.0.0.1:${port}`]);
  site = http.createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
  site.listen(0, '127.0.0.1');
  [browser] = await Promise.all([launch(), once(site, 'listening')]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await application?.end();
  await system.stop();
  await redis?.end();
});

/** Publishes as soon as somebody hears it, and once. */
async function publish(what) {
  const before = application.output.length;
  for (let tries = 1; ; tries += 1) {
    application.write(what);
    const told = await application.until(() => application.output[before + tries - 1], 'an answer of the application');
    if (told !== 'published to 0') return;
  }
}

/** A page of another origin that writes down all that an EventSource tells it. */
async function listens(t, path) {
  const page = await Page.open(browser, `http://127.0.0.1:${site.address().port}/`);
  t.after(() => page.close());
  await page.page.evaluate((url) => {
    const source = new EventSource(url);
    source.onopen = () => console.info('open');
    source.onmessage = ({ data }) => console.log({ unnamed: data });
    for (const name of ['myevent', 'greeting', 'gap'])
      source.addEventListener(name, ({ data }) => console.log({ [name]: data }));
  }, `http://127.0.0.1:${server.port}${path}`);
  await page.event('open');
  return page;
}

test("the README of paylogic's pushserver: send_event, and EventSource on /stream", async (t) => {
  const page = await listens(t, '/stream');
  await publish({ send_event: ['myevent', JSON.stringify({ message: 'Hello!' }), 'sse'] });
  await page.message({ myevent: '{"message":"Hello!"}' });
  // What onmessage gets has no name.
  await publish({ publish: { data: 'unnamed' } });
  await page.message({ unnamed: 'unnamed' });
});

test('the block of docs/flask-sse.md, in a page', async (t) => {
  const [, code] = readFileSync(new URL('../../docs/flask-sse.md', import.meta.url), 'utf8').match(/^```js\n(.*?)^```/ms);
  const page = await Page.open(browser, `http://127.0.0.1:${site.address().port}/`);
  t.after(() => page.close());
  assert.ok(code.includes('127.0.0.1:8080'));
  await page.page.evaluate(code.replace('127.0.0.1:8080', `127.0.0.1:${server.port}`));
  await publish({ publish: { data: { message: 'Hello!' }, type: 'greeting', channel: 'test' } });
  await page.message('{"message": "Hello!"}');
  await publish({ publish: { data: 'without a type', channel: 'test' } });
  await page.message('without a type');
});

test('names, lines, and values of flask-sse 1.0.0', async (t) => {
  const page = await listens(t, '/stream?channel=test');
  const lines = 'one\ntwo\r\nthree\u2028still three';
  for (const [published, heard] of [
    [{ data: { message: 'Hello!' }, type: 'greeting', id: 7, retry: 1500 }, { greeting: '{"message": "Hello!"}' }],
    [{ data: lines }, { unnamed: lines.replace('\r', '') }],
    [{ data: '' }, { unnamed: '' }],
    [{ data: 5 }, { unnamed: '5' }],
  ]) {
    await publish({ publish: { ...published, channel: 'test' } });
    if (heard.unnamed === '') continue; // a browser tells nobody of empty data
    await page.message(heard);
  }
});

test('who comes back gets what it has missed', async () => {
  const url = `http://127.0.0.1:${server.port}/stream?channel=resumed`;
  const first = await read(url, {}, (text) => text.includes('data: 1\n'), async () => {
    for (const data of [1, 2, 3]) await publish({ publish: { data, channel: 'resumed' } });
  });
  const [, id] = first.match(/id: (\S+)\ndata: 1\n/);
  const second = await read(url, { 'Last-Event-ID': id }, (text) => text.includes('data: 3\n'));
  assert.deepEqual([...second.matchAll(/data: (.)/g)].map(([, data]) => data), ['2', '3']);
  assert.ok(!second.includes('gap'), second);
});

test('what is not public is not for /stream', async () => {
  const long = await fetch(`http://127.0.0.1:${server.port}/stream?channel=${'x'.repeat(300)}`);
  assert.equal(long.status, 400);
  const post = await fetch(`http://127.0.0.1:${server.port}/stream`, { method: 'POST' });
  assert.equal(post.status, 405);
});

/** Reads a stream until it has what is wanted. */
async function read(url, headers, wanted, meanwhile = () => {}) {
  const stop = new AbortController();
  const response = await fetch(url, { headers, signal: stop.signal });
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  const working = meanwhile();
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    if (wanted(text)) break;
  }
  await working;
  stop.abort();
  return text;
}
