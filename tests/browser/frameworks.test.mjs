// docs/frameworks.md: its files, as they are printed, in a real site on each framework, whose pages are open in Chromium. Where the
// machine has no such framework, its test is skipped.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, Process, System } from '../node/processes.mjs';
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
const ports = {};
let browser;
let api;

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
  requests = 0;

  async listen(port) {
    this.server = http.createServer((request, response) => {
      this.requests += 1;
      if (this.mode === 'gone') return request.destroy();
      if (this.mode === 'overloaded') return response.writeHead(503).end('{"detail":"come again"}');
      if (this.mode === 'silent') return undefined;
      const { method, url, headers } = request;
      return request.pipe(http.request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      }));
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
  for (const port of ['8080', '8081']) ports[port] = await freePort();
  const lines = SERVER.trim().split('\n');
  const server = lines.pop().replace(/\b808[01]\b/g, (port) => ports[port]);
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const tool = system.start('pushnote', lines[0].replace(' >> api-keys', '').split(' ').slice(1), env, base);
  await soon(tool.exited, tool.name);
  writeFileSync(join(base, 'api-keys'), `${tool.output.join('\n')}\n`);
  writeFileSync(join(base, 'secret'), 'a secret of this test, which nobody else uses\n');
  const [program, ...args] = server.split(' ');
  const started = system.start(program, args, { PUSHNOTE_SECRET: undefined, PUSHNOTE_API: undefined }, base);
  await started.until(() => started.story.includes('api listening on'), 'readiness');
  [api, browser] = await Promise.all([new Api().listen(ports[8081]), launch()]);
});

after(async () => {
  await browser?.close();
  api?.close();
  await system.stop();
  rmSync(base, { recursive: true, force: true });
});

/** What a site has in its environment, as the page has it, but for where the API is. */
function environment() {
  const lines = ENVIRONMENT.replace('http://127.0.0.1:8081', api.url).replace('8080', ports[8080]);
  const show = "node -p 'JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith(\"PUSHNOTE_\"))))'";
  const shell = new Process('bash', ['-ec', `${lines}\n${show}`], {}, base);
  return soon(shell.exited, shell.name, () => shell.story).then(() => JSON.parse(shell.output.at(-1)));
}

/** A user's page at a site, once it is there. */
class Visitor extends Page {
  static async visit(site, user, t) {
    const self = await this.open(browser, `${site.address}/sign-in/${user}`);
    t.after(() => self.close());
    const answer = await self.page.goto(`${site.address}/orders`);
    assert.equal(answer.status(), 200, site.story);
    return self;
  }

  /** @returns {Promise<number>} what the site answered, before it sent the browser on to its page */
  async order(item) {
    await this.page.getByRole('textbox').fill(item);
    const answered = this.page.waitForResponse((response) => response.request().method() === 'POST', { timeout: PATIENCE_MS });
    const loaded = this.page.waitForEvent('load', { timeout: PATIENCE_MS });
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

for (const framework of [laravel, rails, spring, express]) {
  const { heading, missing } = framework;
  test(`a site on ${heading}: an order is told to all, and to who made it`, { skip: missing(), timeout: 3 * PATIENCE_MS }, async (t) => {
    const folder = join(base, `on_${heading.toLowerCase()}`);
    mkdirSync(folder);
    const printed = { [`${framework.scripts}/messages.js`]: SCRIPT, ...files(heading) };
    const env = { ...await environment(), ...framework.env };
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

    const [anna, ben, annasOther, bensOther] = await Promise.all([1, 2, 1, 2].map((user) => Visitor.visit(site, user, t)));
    // Nothing tells a page that its subscription is in force, and what came before that is missed.
    const orderUntil = async (visitor, item, seen) => {
      for (let orders = 0; !(await seen()); orders += 1) {
        assert.ok(orders < 100, `nobody was told of any ${item}: ${site.story.slice(-3000)}`);
        await visitor.order(item);
      }
    };
    const both = async () => await anna.sees('Your order of tea has number') && ben.sees('Somebody has ordered tea');
    await orderUntil(annasOther, 'tea', both);
    await orderUntil(bensOther, 'coffee', () => ben.sees('Your order of coffee has number'));
    await anna.page.getByText('Somebody has ordered coffee').first().waitFor();

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
    assert.ok(![...annas, ...bens].some((line) => line.includes('nothing')), 'what could not be published');

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
