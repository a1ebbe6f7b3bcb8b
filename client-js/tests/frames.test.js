import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_LENGTH_MAX, LineSplitter, parseFrame } from '../src/frames.js';

test('each kind of frame is read', () => {
  assert.deepEqual(parseFrame('o'), { kind: 'open' });
  assert.deepEqual(parseFrame('h'), { kind: 'heartbeat' });
  assert.deepEqual(parseFrame('a[{"msg":"Hi all!"},"text",[1,2],null,3]'), {
    kind: 'messages',
    messages: [{ msg: 'Hi all!' }, 'text', [1, 2], null, 3],
  });
  assert.deepEqual(parseFrame('a[]'), { kind: 'messages', messages: [] });
  assert.deepEqual(parseFrame('m{"a":1}'), { kind: 'messages', messages: [{ a: 1 }] });
  assert.deepEqual(parseFrame('c[3000,"Go away!"]'), { kind: 'close', code: 3000, reason: 'Go away!' });
  assert.deepEqual(parseFrame('c[]'), { kind: 'close', code: 1005, reason: '' });
});

test('escapes come out as the characters they stand for', () => {
  assert.deepEqual(parseFrame('a["\\ud83d\\ude00 \\u2028 \\ud800"]').messages, ['😀 \u2028 \ud800']);
});

test('what is no frame is refused with its beginning', () => {
  for (const text of ['', 'x', 'oh', 'hh', 'a', 'a{}', 'a[', 'a["x"', 'c{}', 'c3000', 'm', '<html>']) {
    assert.throws(() => parseFrame(text), /^Error: not a SockJS frame: "/, JSON.stringify(text));
  }
  assert.throws(() => parseFrame(`a${'['.repeat(1000)}`), (error) => error.message.length < 80);
  assert.throws(() => parseFrame(new ArrayBuffer(1)), /binary/);
});

test('lines come out the same wherever the chunks are cut', () => {
  const text = 'o\na["one"]\n\nh\na["t\\nwo"]\n';
  for (let first = 0; first <= text.length; first++) {
    for (let second = first; second <= text.length; second++) {
      const splitter = new LineSplitter();
      const chunks = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      const lines = chunks.flatMap((chunk) => splitter.push(chunk));
      assert.deepEqual(lines, ['o', 'a["one"]', '', 'h', 'a["t\\nwo"]']);
      assert.equal(splitter.rest, '');
    }
  }
});

test('an endless line is refused', () => {
  const splitter = new LineSplitter();
  const chunk = 'a'.repeat(FRAME_LENGTH_MAX / 2);
  splitter.push(chunk);
  splitter.push(chunk);
  assert.throws(() => splitter.push('a'), /more than 4194304 characters/);
});
