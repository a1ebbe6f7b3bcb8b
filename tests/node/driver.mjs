// What the drivers of this folder share: flags in, one JSON object a line out, commands from standard input.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const USAGE = `--url URL --transport websocket|xhr-streaming|eventsource|xhr-polling [--token TOKEN]… [--count N] [--lifetime_s S]`;

/** @returns {{url: string, transport: string, token: string[], count: number, lifetime_s: number}} */
export function flags() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        transport: { type: 'string' },
        token: { type: 'string', multiple: true, default: [] },
        count: { type: 'string', default: 'Infinity' },
        lifetime_s: { type: 'string', default: '120' },
      },
    });
    if (!values.url) throw new Error('--url is missing');
    return { ...values, count: Number(values.count), lifetime_s: Number(values.lifetime_s) };
  } catch (error) {
    process.stderr.write(`${error.message}\nusage: ${process.argv[1]} ${USAGE}\n`);
    process.exit(64);
  }
}

/** Writes one event to standard output. */
export function tell(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/**
 * Obeys standard input: `{"do":"emit","name":…,"data":…}`, `{"do":"subscribe","token":…}`, `{"do":"close"}`.
 *
 * The driver does not end with its input, which may be empty, but it ends by itself after its lifetime: the test that
 * started it may be gone.
 */
export function obey(actions, lifetime_s) {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    actions[command.do](command);
  });
  setTimeout(() => leave(3), lifetime_s * 1000).unref();
}

/** Ends the process once its output is written. */
export function leave(code) {
  process.stdout.write('', () => process.exit(code));
}
