// The README's pages in Chromium, as they are printed, against `pushnote dev` on the ports that they name.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { System } from '../node/processes.mjs';
import { launch, Page } from './chromium.mjs';

const MQ = 'tcp://127.0.0.1:8002';
const FILES = {
  '/pushnote.mjs': new URL('../../client-js/dist/pushnote.mjs', import.meta.url),
  '/sockjs.js': new URL('../node_modules/sockjs-client/dist/sockjs.min.js', import.meta.url),
};
const system = new System();
const pages = {};
let browser;
let site;

before(async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [section] = readme.split('\n## In the browser\n')[1].split('\n## ');
  const blocks = Object.fromEntries([...section.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, kind, text]) => [kind, text]));
  const dev = system.start('pushnote', ['dev']);
  await dev.until(() => dev.story.includes('listening on'), 'readiness');
  const { token } = await (await fetch('http://127.0.0.1:8080/dev.json')).json();
  // As a web site's template makes a page: the token, then the block.
  const head = `<!doctype html><link rel="icon" href="data:,"><script>var token = '${token}';</script>`;
  pages['/module'] = head + blocks.html;
  pages['/original'] = `${head}<script src="/sockjs.js"></script><script>${blocks.js}</script>`;
  site = http.createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
  [browser] = await Promise.all([launch(), once(site, 'listening')]);
});

after(async () => {
  await browser?.close();
  site?.close();
  await system.stop();
});

async function answer({ url }, response) {
  if (pages[url]) response.setHeader('Content-Type', 'text/html').end(pages[url]);
  else response.setHeader('Content-Type', 'text/javascript').end(await readFile(FILES[url]));
}

for (const name of ['module', 'original']) {
  test(`the ${name} page gets what is for all and what is for its user`, async (t) => {
    const page = await Page.open(browser, `http://127.0.0.1:${site.address().port}/${name}`);
    t.after(() => page.close());
    await system.warm(MQ, page, ['42']);
    assert.deepEqual(page.events.filter(({ event }) => event === 'fault'), []);
  });
}
