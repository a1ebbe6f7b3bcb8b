// Chromium without a screen, and what its pages say on their consoles.

import { chromium } from 'playwright-core';
import { Heard, withEvents } from '../node/waiting.mjs';

const PATH = process.env.PUSHNOTE_CHROMIUM ?? '/usr/bin/chromium';

/** Nothing but the page may use the network. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @param {Record<string, number>} names hosts that are ports of this machine, whatever port a page says
 * @returns {Promise<import('playwright-core').Browser>}
 */
export function launch(path = PATH, names = {}) {
  const rules = Object.entries(names).map(([name, port]) => `MAP ${name} 127.0.0.1:${port}`);
  return chromium.launch({ executablePath: path, args: [...FLAGS, `--host-resolver-rules=${rules.join(', ')}`] });
}

/**
 * A page that is heard: `console.log(data)` is the event `message`, `console.info(event, fields)` any other. A browser's
 * own complaints (a failed request, an exception nobody caught) are the event `fault`.
 */
export class Page extends withEvents(Heard) {
  #order = Promise.resolve();

  /** @param {import('playwright-core').Browser} browser */
  static async open(browser, url, options) {
    const self = new this();
    self.name = url;
    const context = await browser.newContext(options);
    self.page = await context.newPage();
    self.page.setDefaultTimeout(20_000);
    self.page.on('pageerror', (error) => self.#inOrder(() => ({ event: 'fault', text: String(error) })));
    self.page.on('console', (message) => self.#inOrder(() => asEvent(message)));
    self.page.on('close', () => self.silence('the page was closed'));
    await self.page.goto(url);
    return self;
  }

  get events() {
    return this.heard;
  }

  close() {
    return this.page.context().close();
  }

  /** Values come out of the browser asynchronously, and might overtake each other. */
  #inOrder(work) {
    this.#order = this.#order.then(work).then(
      (event) => this.hear(event),
      (error) => this.silence(error.message),
    );
  }
}

/** Has a page be in the background, or in view again: Chromium without a screen has every page in view. */
export function setHidden(page, hidden) {
  return page.evaluate((isHidden) => {
    Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

async function asEvent(message) {
  const [first, second] = await Promise.all(message.args().map((each) => each.jsonValue()));
  switch (message.type()) {
    case 'log':
      return { event: 'message', data: first };
    case 'info':
      return { event: first, ...second };
    default:
      return { event: 'fault', text: message.text(), url: message.location().url };
  }
}
