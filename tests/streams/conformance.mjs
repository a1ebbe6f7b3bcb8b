// The authors' own tests, against the server that the environment names. They know no keys: what writes gets one here.

import { runConformanceTests } from '@durable-streams/server-conformance-tests';

const { STREAMS_URL, STREAMS_KEY, STREAMS_LONG_POLL_MS } = process.env;
const WRITES = ['PUT', 'POST', 'DELETE'];

const bare = globalThis.fetch;
globalThis.fetch = (resource, init = {}) => {
  const method = init.method ?? resource.method ?? 'GET';
  if (!WRITES.includes(method)) return bare(resource, init);
  const headers = new Headers(init.headers ?? resource.headers);
  headers.set('Authorization', `Bearer ${STREAMS_KEY}`);
  return bare(resource, { ...init, headers });
};

runConformanceTests({ baseUrl: STREAMS_URL, longPollTimeoutMs: Number(STREAMS_LONG_POLL_MS) });
