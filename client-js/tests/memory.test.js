// What a page leaves behind it in the client: nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { connect } from '../src/pushnote.js';
import { resumingWorld, settle } from './fakes.mjs';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

const CHANNELS = 3_000;
/** A name so long that one which is kept shows. */
const name = (n) => `${n} ${'x'.repeat(2_000)}`;

for (const [what, leave] of [
  ['left', (page, channel) => {
    page.subscribe(channel);
    page.answer('subscribe', { type: 'subscribed', channel, cursor: 'c1', complete: true });
    page.listen(channel);
    page.connection.unsubscribe(channel);
    page.answer('unsubscribe', { type: 'unsubscribed', channel });
  }],
  ['left before they had their token', (page, channel) => {
    page.subscribe(channel, { token: () => new Promise(() => {}) });
    page.listen(channel);
    page.connection.unsubscribe(channel);
    page.answer('unsubscribe', { type: 'unsubscribed', channel });
  }],
  ['refused', (page, channel) => {
    const off = page.listen(channel);
    page.subscribe(channel);
    page.answer('subscribe', { type: 'error', channel, code: 'token_missing', text: 'no' });
    off();
    off();
  }],
  ['only asked', (page, channel) => {
    page.connection.channel(channel).presence().catch(() => {});
    page.answer('presence', { type: 'error', code: 'not_subscribed', text: 'no' });
  }],
]) {
  test(`channels that are ${what} are forgotten`, async (t) => {
    const { connection, welcome, say, asked, last, seen } = resumingWorld(t, connect);
    await welcome();
    const page = {
      connection,
      subscribe: (...args) => connection.subscribe(...args).catch(() => {}),
      listen: (channel) => connection.channel(channel).on('message', () => channel),
      answer(to, answer) {
        say({ ...answer, id: asked(to).id });
        last().sent.length = 1; // the hello
      },
    };
    const used = async () => {
      await settle();
      seen.errors.length = 0;
      t.mock.timers.tick(5_000); // what is asked for a token waits so long
      await settle();
      seen.errors.length = 0;
      // What has a finaliser goes in the second round.
      for (let round = 0; round < 3; round++) {
        collect();
        await settle();
      }
      return process.memoryUsage().heapUsed;
    };
    leave(page, name(0));
    const before = await used();
    for (let n = 1; n <= CHANNELS; n++) leave(page, name(n));
    const grown = (await used()) - before;
    assert.ok(grown < 1_000_000, `${grown} bytes more`);
  });
}
