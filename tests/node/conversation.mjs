// What the suites of sockjs-client's transports say to the echo service, in Node as in a page. Both functions are also
// sent to pages, as their source, so they refer to nothing outside themselves.

/**
 * @returns {{text: string, back?: string}[][]} bursts; each is sent at once when all of the one before has come back.
 *   `back` is what comes back if it is not what was sent
 */
export function bursts() {
  // Every character that one UTF-16 unit can hold.
  const plane = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).join('');
  const pieces = plane.replace(/[\ud800-\udfff]/g, '').match(/[^]{1,4096}/g);
  const awkward = [
    '',
    ' \t\r\n white space around \r\n\t ',
    '"quoted" \\ \b\f\v\0 \x7f',
    'Grüße, мир, 日本語, עברית, ไทย, e\u0301',
    '😀 \u{10000}\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{10ffff}',
    'between \u2028 and \u2029 lines',
    '\ufeff a mark in front, \ufffe \uffff after',
    '</script><script>alert(1)</script> <!-- ]]> &lt;',
    '%20 %25 %u0041 % %% %zz a+b=c&d;e',
    'data: x\r\n\r\ndata: y',
    'a["x"]\nc[3000,"not the end"]\no',
    '["x"',
    'x'.repeat(100_000),
  ];
  const numbered = (count) => Array.from({ length: count }, (_, n) => `number ${n}`);
  const same = (text) => ({ text });
  return [
    [{ text: 'hello' }],
    [...awkward, ...pieces].map(same),
    [{ text: 'alone: \ud83d; reversed: \ude00\ud83d', back: 'alone: \ufffd; reversed: \ufffd\ufffd' }],
    ...numbered(5).map((text) => [{ text }]),
    numbered(200).map(same),
  ];
}

/**
 * Connects, sends burst after burst, compares what comes back, and closes when it is complete. Without bursts it only
 * listens.
 *
 * @param tell is called with the name of an event (`open`, `different`, `echoed`, `close`) and its fields
 */
export function converse({ SockJS, url, transports, bursts = [], tell }) {
  // However slow the machine is, that is no reason to give a transport up.
  const conn = new SockJS(url, null, { transports, timeout: 15_000 });
  const coming = [];
  /** Where two texts part, and how, in ASCII. */
  const difference = (expected = '', got) => {
    let at = 0;
    while (at < got.length && got[at] === expected[at]) at++;
    return { at, expected: escape(expected.slice(at, at + 20)), got: escape(got.slice(at, at + 20)) };
  };
  const next = () => {
    const burst = bursts.shift() ?? [];
    coming.push(...burst);
    for (const { text } of burst) conn.send(text);
  };
  conn.onopen = () => {
    tell('open', { transport: conn.transport });
    next();
  };
  conn.onmessage = ({ data }) => {
    const { text, back = text } = coming.shift() ?? {};
    if (data !== back) tell('different', difference(back, data));
    if (coming.length > 0) return;
    if (bursts.length > 0) return next();
    tell('echoed', {});
    conn.close();
  };
  conn.onclose = ({ code, reason, wasClean }) => tell('close', { code, reason, wasClean });
  return conn;
}
