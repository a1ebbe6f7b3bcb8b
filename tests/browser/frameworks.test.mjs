// docs/frameworks.md: its files, as they are printed, in a real site on each framework, whose pages are open in Chromium. Where the
// machine has no such framework, its test is skipped.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BIN_DIR, freePort, Process, System } from '../node/processes.mjs';
import { soon } from '../node/waiting.mjs';
import { launch, Page } from './chromium.mjs';
import { express } from './frameworks/express.mjs';
import { laravel } from './frameworks/laravel.mjs';
import { rails } from './frameworks/rails.mjs';
import { spring } from './frameworks/spring.mjs';

/** Compilers and frameworks take their time on a busy machine. */
const PATIENCE_MS = 120_000;
const text = readFileSync(new URL('../../docs/frameworks.md', import.meta.url), 'utf8');
const base = mkdtempSync(join(tmpdir(), 'pushnote-frameworks-'));
const system = new System();
let browser;

/** The blocks of a section: `before` the first heading of a framework, or below one. */
function blocks(heading) {
  const sections = text.split('\n## ');
  const section = heading ? sections.find((each) => each.startsWith(`${heading}\n`)) : sections[0];
  return [...section.matchAll(/^```\w+\n(.*?)^```/gms)].map(([, block]) => block);
}

/** The files of a section by the names that their first lines say; what has no name by its first line. */
function files(heading) {
  return Object.fromEntries(blocks(heading).map((block) => {
    const [line] = block.split('\n');
    return [line.match(/[\w./]+\.\w+(?=[ ,]|$)/)?.[0] ?? line, block];
  }));
}

const [SERVER, ENVIRONMENT, SCRIPT] = blocks();

/** The API as a site finds it: what it does with a request is `mode`. */
class Api {
  mode = 'well';

  async listen(port) {
    this.server = http.createServer((request, response) => {
      if (this.mode === 'gone') return request.destroy();
      if (this.mode === 'overloaded') return response.writeHead(503).end('{"detail":"come again"}');
      if (this.mode === 'silent') return undefined;
      const { method, url, headers } = request;
      const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      return request.pipe(onward);
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await system.stop();
  rmSync(base, { recursive: true, force: true });
});

/**
 * Starts a server as the page has it, but for its ports.
 *
 * @returns {Promise<{api: Api, env: Record<string, string>}>} what its site finds it by: what the page has in its environment
 */
async function serve(folder, t) {
  const bash = async (lines) => {
    const shell = new Process('bash', ['-ec', lines], { PATH: `${BIN_DIR}:${process.env.PATH}` }, folder);
    const { code } = await soon(shell.exited, shell.name, () => shell.story);
    assert.equal(code, 0, shell.story);
    return shell.output;
  };
  const ports = { 8080: await freePort(), 8081: await freePort() };
  const [keygen, secret, line] = SERVER.replace(/\b808[01]\b/g, (port) => ports[port]).trim().split('\n');
  await bash(`${keygen}\n${secret}`);
  const [program, ...args] = line.split(' ');
  const server = system.start(program, args, { PUSHNOTE_SECRET: undefined, PUSHNOTE_API: undefined }, folder);
  await server.until(() => server.story.includes('api listening on'), 'readiness');
  const api = await new Api().listen(ports[8081]);
  t.after(() => api.close());
  const exported = await bash(`${ENVIRONMENT.replace('http://127.0.0.1:8081', api.url).replace('8080', ports[8080])}env`);
  return { api, env: Object.fromEntries(exported.filter((each) => each.startsWith('PUSHNOTE_')).map((each) => each.split(/=(.*)/).slice(0, 2))) };
}

/** A user's page at a site, once it is there. */
class Visitor extends Page {
  static async visit(site, user, t) {
    const self = await this.open(browser, 'about:blank');
    t.after(() => self.close());
    self.page.setDefaultTimeout(PATIENCE_MS);
    await self.page.goto(`${site.address}/sign-in/${user}`);
    const answer = await self.page.goto(`${site.address}/orders`);
    assert.equal(answer.status(), 200, site.story);
    return self;
  }

  /** @returns {Promise<number>} what the site answered, before it sent the browser on to its page */
  async order(item) {
    await this.page.getByRole('textbox').fill(item);
    const answered = this.page.waitForResponse((response) => response.request().method() === 'POST');
    const loaded = this.page.waitForEvent('load');
    await Promise.all([answered, loaded, this.page.getByRole('button', { name: 'Order' }).click()]);
    return (await answered).status();
  }

  sees(said) {
    return this.page.getByText(said).first().isVisible();
  }

  /** All that it was told. */
  async told() {
    return this.page.locator('push-messages p').allTextContents();
  }
}

/** A site whose pages are told of orders, and only of what is for them. */
function testSite(framework) {
  const { heading, version = '', missing } = framework;
  test(`a site on ${heading}: an order is told to all, and to who made it`, { skip: missing(), timeout: 4 * PATIENCE_MS }, async (t) => {
    assert.ok(text.includes(`Our tests run these files on ${version}`), `the page is not of ${version}`);
    const folder = join(base, `on_${heading.toLowerCase()}`);
    mkdirSync(folder);
    const { api, env: found } = await serve(mkdtempSync(join(base, 'server-')), t);
    const printed = { [`${framework.scripts}/messages.js`]: SCRIPT, ...files(heading) };
    const env = { ...found, ...framework.env };
    const run = async (command, args) => {
      const running = new Process(command, args, env, folder);
      const { code } = await soon(running.exited, running.name, () => running.story, PATIENCE_MS);
      assert.equal(code, 0, `${running.name}${running.story}`);
    };
    await framework.prepare({ folder, printed, run });
    for (const [name, block] of Object.entries(printed)) {
      assert.match(name, /^[\w./]+$/, `a block that no file is made of: ${block}`);
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), block);
    }
    cpSync(new URL('../../client-js/dist/pushnote.js', import.meta.url), join(folder, framework.scripts, 'pushnote.js'));
    const port = await freePort();
    const [command, ...args] = await framework.command({ folder, port, run });
    const site = new Process(command, args, env, folder);
    t.after(() => site.end());
    await site.until(() => framework.ready.test(site.story), 'readiness');
    site.address = `http://127.0.0.1:${port}`;
    // The first request is the one that takes its time.
    await fetch(`${site.address}/sign-in/0`, { signal: AbortSignal.timeout(PATIENCE_MS) });

    // One after the other: a database of a file has one writer at a time.
    const visitors = [];
    for (const user of [1, 2, 1, 2]) visitors.push(await Visitor.visit(site, user, t));
    const [anna, ben, annasOther, bensOther] = visitors;
    // Nothing tells a page that its subscription is in force, and what came before that is missed.
    const orderUntil = async (visitor, item, seen) => {
      const end = Date.now() + PATIENCE_MS;
      while (!(await seen())) {
        assert.ok(Date.now() < end, `nobody was told of any ${item}: ${site.story.slice(-3000)}`);
        await visitor.order(item);
      }
    };
    const both = async () => await anna.sees('Your order of tea has number') && ben.sees('Somebody has ordered tea');
    await orderUntil(annasOther, 'tea', both);
    await orderUntil(bensOther, 'coffee', () => ben.sees('Your order of coffee has number'));
    await anna.page.getByText('Somebody has ordered coffee').first().waitFor();

    if (framework.forged) {
      const forged = await annasOther.page.request.post(`${site.address}/orders`, { form: { item: 'poison' } });
      assert.equal(forged.status(), framework.forged, 'without what the form brings along against forged requests');
    }

    // A site goes on when its messages cannot be sent, and says so in its log.
    for (const mode of ['gone', 'overloaded', 'silent']) {
      api.mode = mode;
      const said = () => site.story.split('pushnote: ').length;
      const before = said();
      assert.match(String(await annasOther.order('nothing')), /^30[23]$/, site.story);
      await site.until(() => said() > before, `a line of the log while the API is ${mode}`);
      api.mode = 'well';
    }
    await orderUntil(annasOther, 'cake', () => ben.sees('Somebody has ordered cake'));

    const [annas, bens] = await Promise.all([anna.told(), ben.told()]);
    const yours = (told) => [...new Set(told.map((line) => line.match(/^Your order of (\w+)/)?.[1]).filter(Boolean))];
    assert.deepEqual(yours(bens), ['coffee'], bens.join('\n'));
    assert.ok(yours(annas).includes('tea') && !yours(annas).includes('coffee'), annas.join('\n'));
    assert.ok(![...annas, ...bens].some((line) => /nothing|poison/.test(line)), 'what was not published');

    // A page that is changed in place, to one of nobody.
    await ben.page.evaluate(() => {
      window.before = document.querySelector('push-messages');
      const next = window.before.cloneNode();
      next.removeAttribute('data-token');
      window.before.replaceWith(next);
    });
    await orderUntil(annasOther, 'pie', () => ben.sees('Somebody has ordered pie'));
    const gone = await ben.page.evaluate(() => ({ state: window.before.connection.state, pie: window.before.textContent.includes('pie') }));
    assert.deepEqual(gone, { state: 'disconnected', pie: false });
    for (const { events } of [anna, ben]) {
      assert.deepEqual(events.filter(({ event, url }) => event === 'fault' && !url?.endsWith('/favicon.ico')), []);
    }
  });
}

// Each waits for a server that is silent, which costs the others no time.
describe('frameworks', { concurrency: true }, () => {
  for (const framework of [laravel, rails, spring, express]) testSite(framework);
});
