// SockJS frames (sockjs-protocol 0.3, "Session framing"): no IO, no clock.

/** Longest frame taken from a server, in UTF-16 units: a bound on memory, far above any server's queue. */
export const FRAME_LENGTH_MAX = 4 * 1024 * 1024;

/**
 * Reads one frame: `o` opens, `h` is a heartbeat, `a` has messages, which may be any JSON values, and `c` closes, with
 * code and reason.
 *
 * @param {unknown} text
 * @returns {{kind: 'o' | 'h' | 'a' | 'c', list?: unknown[]}}
 * @throws {Error} when `text` is no SockJS frame
 */
export function parseFrame(text) {
  if (text === 'o' || text === 'h') return { kind: text };
  try {
    const kind = text[0];
    const list = JSON.parse(text.slice(1));
    if ((kind === 'a' || kind === 'c') && Array.isArray(list)) return { kind, list };
  } catch {
    // Nor is this one.
  }
  throw new Error(`not a SockJS frame: ${JSON.stringify(String(text).slice(0, 40))}`);
}

/**
 * Cuts a stream of text into lines, of which an HTTP transport carries one for each frame.
 *
 * @returns {(chunk?: string) => string[]} the lines that `chunk` completed, without their line feeds; without a chunk
 *   the stream has ended
 * @throws {Error} when a line grows over FRAME_LENGTH_MAX, and when the stream ends within one
 */
export function lineSplitter() {
  let rest = '';
  return (chunk) => {
    if (chunk === undefined && rest) throw new Error('it ended in the middle of a frame');
    const lines = (chunk ?? '').split('\n');
    lines[0] = rest + lines[0];
    rest = lines.pop();
    if (rest.length > FRAME_LENGTH_MAX) throw new Error(`a frame of more than ${FRAME_LENGTH_MAX} characters`);
    return lines;
  };
}
