// SockJS frames (sockjs-protocol 0.3, "Session framing"): no IO, no clock.

/** Longest frame taken from a server, in UTF-16 units: a bound on memory, far above any server's queue. */
export const FRAME_LENGTH_MAX = 4 * 1024 * 1024;

/**
 * Reads one frame.
 *
 * Elements of `a[…]` may be any JSON value, not only strings.
 *
 * @param {unknown} text
 * @returns {{kind: 'open'} | {kind: 'heartbeat'} | {kind: 'messages', messages: unknown[]}
 *   | {kind: 'close', code: number, reason: string}}
 * @throws {Error} when `text` is no SockJS frame
 */
export function parseFrame(text) {
  if (typeof text !== 'string') throw new Error('a binary frame, where SockJS has only text');
  if (text === 'o') return { kind: 'open' };
  if (text === 'h') return { kind: 'heartbeat' };
  const body = text.slice(1);
  switch (text[0]) {
    case 'a':
      return { kind: 'messages', messages: parseArray(body, text) };
    case 'm':
      return { kind: 'messages', messages: [parseJson(body, text)] };
    case 'c': {
      const [code, reason] = parseArray(body, text);
      return { kind: 'close', code: Number(code) || 1005, reason: String(reason ?? '') };
    }
    default:
      throw notAFrame(text);
  }
}

function parseJson(body, text) {
  try {
    return JSON.parse(body);
  } catch {
    throw notAFrame(text);
  }
}

function parseArray(body, text) {
  const value = parseJson(body, text);
  if (!Array.isArray(value)) throw notAFrame(text);
  return value;
}

function notAFrame(text) {
  return new Error(`not a SockJS frame: ${JSON.stringify(text.slice(0, 40))}`);
}

/** Cuts a stream of text into lines, of which an HTTP transport carries one for each frame. */
export class LineSplitter {
  #rest = '';

  /** Text after the last line feed: a frame that has not wholly arrived. */
  get rest() {
    return this.#rest;
  }

  /**
   * @param {string} chunk
   * @returns {string[]} the lines that `chunk` completed, without their line feeds
   * @throws {Error} when a line grows over FRAME_LENGTH_MAX
   */
  push(chunk) {
    const lines = chunk.split('\n');
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    if (this.#rest.length > FRAME_LENGTH_MAX) {
      throw new Error(`a frame of more than ${FRAME_LENGTH_MAX} characters`);
    }
    return lines;
  }
}
