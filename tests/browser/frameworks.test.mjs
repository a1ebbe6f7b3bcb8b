// docs/frameworks.md: its files, as they are printed, in a real site on each framework, whose pages are open in Chromium. Where the
// machine has no such framework, its test is skipped.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { front } from '../node/front.mjs';
import { BIN_DIR, freePort, Process, System } from '../node/processes.mjs';
import { bePatient, soon } from '../node/waiting.mjs';
import { launch, Page } from './chromium.mjs';
import { express } from './frameworks/express.mjs';
import { laravel } from './frameworks/laravel.mjs';
import { rails } from './frameworks/rails.mjs';
import { spring } from './frameworks/spring.mjs';

/** Compilers and frameworks take their time on a busy machine. */
const PATIENCE_MS = 120_000;
bePatient(PATIENCE_MS);
const text = readFileSync(new URL('../../docs/frameworks.md', import.meta.url), 'utf8');
const base = mkdtempSync(join(tmpdir(), 'pushnote-frameworks-'));
const system = new System();

/** What the API does with a site's request, other than to answer it, and what the site's log says of that: one line. */
const FAILURES = {
  gone: { does: (request) => request.destroy(), says: /pushnote: / },
  overloaded: { does: (request, response) => response.writeHead(503).end('{"detail":"come again"}'), says: /pushnote: .*503/ },
  silent: { does: () => {}, says: /pushnote: (?!.*503)/ },
};
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
 * @returns {Promise<{api: {failure?: object}, env: Record<string, string>}>} its API as its site finds it, and what the page has in the
 *   site's environment
 */
async function serve(folder, t) {
  const bash = async (lines) => {
    const shell = new Process('bash', ['-ec', lines], { PATH: `${BIN_DIR}:${process.env.PATH}` }, folder);
    const { code } = await soon(shell.exited, shell.name, () => shell.story);
    assert.equal(code, 0, shell.story);
    return shell.output;
  };
  const [keygen, secret, line] = SERVER.trim().split('\n');
  await bash(`${keygen}\n${secret}`);
  const ports = { 8080: await freePort(), 8081: await freePort() };
  const [program, ...args] = line.replace(/\b808[01]\b/g, (port) => ports[port]).split(' ');
  const server = system.start(program, args, { PUSHNOTE_SECRET: undefined, PUSHNOTE_API: undefined }, folder);
  await server.until(() => server.story.includes('api listening on'), 'readiness');
  const api = {};
  const url = await front(t, (request, response) => {
    if (!api.failure) return `http://127.0.0.1:${ports[8081]}`;
    api.failure.does(request, response);
    return undefined;
  });
  const exported = await bash(`${ENVIRONMENT.replace('http://127.0.0.1:8081', url).replace('8080', ports[8080])}env`);
  return { api, env: Object.fromEntries(exported.filter((each) => each.startsWith('PUSHNOTE_')).map((each) => each.split(/=(.*)/).slice(0, 2))) };
}

/** A user's page at a site, once it is there. */
class Visitor extends Page {
  static async visit(site, user, t) {
    const self = await this.open(browser, 'about:blank');
    self.orders = `${site.address}/orders`;
    t.after(() => self.close());
    self.page.setDefaultTimeout(PATIENCE_MS);
    await self.page.goto(`${site.address}/sign-in/${user}`);
    const answer = await self.page.goto(self.orders);
    assert.equal(answer.status(), 200, site.story);
    assert.match(answer.headers()['cache-control'], /private|no-store/);
    return self;
  }

  /** The answer to the next order, from whatever page. */
  answered() {
    return this.page.waitForResponse((response) => response.url() === this.orders && response.request().method() === 'POST');
  }

  /** @returns {Promise<number>} what the site answered, before it sent the browser on to its page */
  async order(item) {
    await this.page.getByRole('textbox').fill(item);
    const answered = this.answered();
    const loaded = this.page.waitForEvent('load');
    await Promise.all([answered, loaded, this.page.getByRole('button', { name: 'Order' }).click()]);
    return (await answered).status();
  }

  /** @returns {Promise<number>} what the site answers to the form of another site, which is there for this; and comes back */
  async foreign(item) {
    await this.page.goto(new URL('/messages.js', this.orders.replace('127.0.0.1', 'localhost')).href);
    await this.page.setContent(`<form method="post" action="${this.orders}"><input name="item"><button>Order</button></form>`);
    const status = await this.order(item);
    await this.page.goto(this.orders);
    return status;
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
  const { heading, version } = framework;
  test(`a site on ${heading}: an order is told to all, and to who made it`, { skip: framework.missing(), timeout: 4 * PATIENCE_MS }, async (t) => {
    assert.ok(text.includes(`Our tests run these files on ${version}`), `the page is not of ${version}`);
    const folder = join(base, `on_${heading.toLowerCase()}`);
    mkdirSync(folder);
    const { api, env: found } = await serve(mkdtempSync(join(base, 'server-')), t);
    const printed = { [`${framework.scripts}/messages.js`]: SCRIPT, ...files(heading) };
    const env = { ...found, ...framework.env };
    const run = async (command, args) => {
      const running = new Process(command, args, env, folder);
      const { code } = await soon(running.exited, running.name, () => running.story);
      assert.equal(code, 0, `${running.name}${running.story}`);
    };
    const pushServer = new URL(env.PUSHNOTE_URL).host;
    await framework.prepare({ folder, printed, run });
    for (const [name, block] of Object.entries(printed)) {
      assert.match(name, /^[\w./]+$/, `a block that no file is made of: ${block}`);
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), block);
    }
    cpSync(new URL('../../client-js/dist/pushnote.js', import.meta.url), join(folder, framework.scripts, 'pushnote.js'));
    await framework.build?.({ folder, run });
    const port = await freePort();
    const [command, ...args] = framework.command(port);
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

    if (framework.foreign) assert.equal(await annasOther.foreign('poison'), framework.foreign, "a form of another site's");
    if (framework.forged) {
      const forged = await annasOther.page.request.post(`${site.address}/orders`, { form: { item: 'poison' } });
      assert.equal(forged.status(), framework.forged, 'without what the form brings along against forged requests');
    }

    // A site goes on when its messages cannot be sent, and says so in its log.
    for (const [name, failure] of Object.entries(FAILURES)) {
      api.failure = failure;
      const before = site.heard.length;
      assert.match(String(await annasOther.order('nothing')), /^30[23]$/, site.story);
      const said = () => site.heard.slice(before).some(({ line }) => failure.says.test(line));
      await site.until(said, `a line of the log while the API is ${name}`);
    }
    api.failure = undefined;
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
    // A transport that takes too long to open is given up for the next, which Chromium calls a fault.
    const expected = ({ url, text }) => url?.endsWith('/favicon.ico') || [url, text].some((said) => said?.includes(pushServer));
    for (const { events } of [anna, ben]) {
      assert.deepEqual(events.filter((each) => each.event === 'fault' && !expected(each)), []);
    }
  });
}

// Each waits for a server that is silent, which costs the others no time.
describe('frameworks', { concurrency: true }, () => {
  for (const framework of [laravel, rails, spring, express]) testSite(framework);
});
