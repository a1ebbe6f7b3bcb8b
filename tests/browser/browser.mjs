// A page in Chromium as a process, for suites in any language: opens one page, and writes what it says to standard
// output, one JSON object a line, as the drivers in ../node do.

import { parseArgs } from 'node:util';
import { leave, tell } from '../node/driver.mjs';
import { launch, Page } from './chromium.mjs';
import { serve } from './site.mjs';

const USAGE = `usage: browser.mjs --page original|module|script|ADDRESS [--url URL] [--transport NAME] [--token TOKEN]
                   [--host 127.0.0.1|localhost] [--count N] [--lifetime_s S] [--chromium PATH]`;

const { values } = parseArgs({
  options: {
    page: { type: 'string', default: 'module' },
    url: { type: 'string' },
    transport: { type: 'string' },
    token: { type: 'string' },
    host: { type: 'string' },
    count: { type: 'string', default: 'Infinity' },
    lifetime_s: { type: 'string', default: '120' },
    chromium: { type: 'string' },
  },
});
const isAddress = values.page.startsWith('http');
if (!isAddress && !values.url) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(64);
}

const [site, browser] = await Promise.all([serve(), launch(values.chromium)]);
let received = 0;

/** Ends the browser, too, which would outlive a process that only exits. */
async function end(code) {
  await browser.close();
  site.close();
  leave(code);
}

class Telling extends Page {
  hear({ event, ...fields }) {
    tell(event, fields);
    if (event === 'message' && ++received === Number(values.count)) end(0);
  }
}

setTimeout(() => end(3), Number(values.lifetime_s) * 1000);
await Telling.open(browser, isAddress ? values.page : site.address(values.page, values, values.host));
