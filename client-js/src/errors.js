/** @returns {Error & {code?: number | string}} */
export function fault(text, code) {
  return Object.assign(new Error(text), { code });
}

/** What went wrong, in words: `fetch` hides the cause of a failure behind "fetch failed". */
export function describe(error) {
  const cause = error?.cause?.code ?? error?.cause?.message;
  const message = error?.message || String(error);
  return cause ? `${message} (${cause})` : message;
}
