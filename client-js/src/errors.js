/** @returns {Error & {code?: number | string}} */
export function fault(text, code) {
  return Object.assign(new Error(text), { code });
}

/** @throws {TypeError} when `name` is none of those that there are */
export function mustBeOne(names, kind, name) {
  if (names.includes(name)) return;
  throw new TypeError(`pushnote: there is no ${kind} ${JSON.stringify(name)}, only ${names.join(', ')}`);
}

/** What went wrong, in words: `fetch` hides the cause of a failure behind "fetch failed". */
export function describe(error) {
  const cause = error?.cause?.code ?? error?.cause?.message;
  const message = error?.message || String(error);
  return cause ? `${message} (${cause})` : message;
}
