import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_LENGTH_MAX, lineSplitter, parseFrame } from '../src/frames.js';

test('each kind of frame is read', () => {
  assert.deepEqual(parseFrame('o'), { kind: 'o' });
  assert.deepEqual(parseFrame('h'), { kind: 'h' });
  assert.deepEqual(parseFrame('a[{"msg":"Hi all!"},"text",[1,2],null,3]'), {
    kind: 'a',
    list: [{ msg: 'Hi all!' }, 'text', [1, 2], null, 3],
  });
  assert.deepEqual(parseFrame('a[]'), { kind: 'a', list: [] });
  assert.deepEqual(parseFrame('c[3000,"Go away!"]'), { kind: 'c', list: [3000, 'Go away!'] });
});

test('escapes come out as the characters they stand for', () => {
  assert.deepEqual(parseFrame('a["\\ud83d\\ude00 \\u2028 \\ud800"]').list, ['😀 \u2028 \ud800']);
});

test('what is no frame is refused with its beginning', () => {
  for (const text of ['', 'x', 'oh', 'hh', 'a', 'a{}', 'a[', 'a["x"', 'c{}', 'c3000', 'm', 'm[]', '<html>', '[]']) {
    assert.throws(() => parseFrame(text), /^Error: not a SockJS frame: "/, JSON.stringify(text));
  }
  assert.throws(() => parseFrame(`a${'['.repeat(1000)}`), (error) => error.message.length < 80);
  assert.throws(() => parseFrame(new ArrayBuffer(1)), /not a SockJS frame: "\[object ArrayBuffer\]"/);
});

test('lines come out the same wherever the chunks are cut', () => {
  const text = 'o\na["one"]\n\nh\na["t\\nwo"]\n';
  for (let first = 0; first <= text.length; first++) {
    for (let second = first; second <= text.length; second++) {
      const split = lineSplitter();
      const chunks = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      assert.deepEqual(chunks.flatMap((chunk) => split(chunk)), ['o', 'a["one"]', '', 'h', 'a["t\\nwo"]']);
      assert.deepEqual(split(), []);
    }
  }
});

test('an endless line is refused, and one that is cut off', () => {
  const split = lineSplitter();
  const chunk = 'a'.repeat(FRAME_LENGTH_MAX / 2);
  split(chunk);
  split(chunk);
  assert.throws(() => split('a'), /more than 4194304 characters/);
  const cut = lineSplitter();
  cut('a[');
  assert.throws(() => cut(), /ended in the middle of a frame/);
});
