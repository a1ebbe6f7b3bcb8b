// A small web site with the pages of this folder: another origin than the push server's, as in life.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';

const SCRIPTS = {
  '/sockjs.js': new URL('../node_modules/sockjs-client/dist/sockjs.js', import.meta.url),
  '/pushnote.mjs': new URL('../../client-js/dist/pushnote.mjs', import.meta.url),
  '/push.mjs': new URL('../../client-js/dist/push.mjs', import.meta.url),
  '/pushnote-sw.js': new URL('../../client-js/dist/pushnote-sw.js', import.meta.url),
  '/own-sw.js': new URL('pages/own-sw.js', import.meta.url),
  '/updates.mjs': new URL('../../client-js/dist/updates.mjs', import.meta.url),
  '/pushnote.js': new URL('../../client-js/dist/pushnote.js', import.meta.url),
};

/**
 * Serves the pages until `close`.
 *
 * @param {{key: string, cert: string}} [certificate] with it, over TLS
 */
export async function serve(certificate) {
  const create = certificate ? (answered) => https.createServer(certificate, answered) : http.createServer;
  const server = create((request, response) => {
    answer(new URL(request.url, 'http://site')).then(
      ({ type, body }) => response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(body),
      () => response.writeHead(404).end('not found'),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const scheme = certificate ? 'https' : 'http';
  return {
    /**
     * Where a page is that connects as it is told to.
     *
     * @param {'original' | 'module' | 'script' | 'resume' | 'push' | 'updates'} page
     * @param {{url: string, transport?: string, token?: string | null, openTimeoutMs?: number}} parameters
     * @param {string} [host] `localhost` makes it another site, not only another origin
     */
    address(page, { url, transport, token = null, openTimeoutMs = 10_000 }, host = '127.0.0.1') {
      // sockjs-client gives a transport up after some round trips, 600 ms, and ours after 5 s: too soon for pages on a busy machine.
      const patience = page === 'original' ? 'timeout' : 'openTimeoutMs';
      const options = { ...(transport && { transports: [transport] }), [patience]: openTimeoutMs };
      const query = new URLSearchParams({
        url: JSON.stringify(url),
        token: JSON.stringify(token),
        options: JSON.stringify(options),
      });
      return `${scheme}://${host}:${port}/${page}.html?${query}`;
    },
    origin: `${scheme}://127.0.0.1:${port}`,
    port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A page's `{{name}}` is filled in from its query, as a template of a web framework would be. */
async function answer({ pathname, searchParams }) {
  if (Object.hasOwn(SCRIPTS, pathname)) return { type: 'text/javascript', body: await readFile(SCRIPTS[pathname]) };
  const [, name] = pathname.match(/^\/(\w+)\.html$/);
  const page = await readFile(new URL(`pages/${name}.html`, import.meta.url), 'utf8');
  return { type: 'text/html', body: page.replace(/\{\{(\w+)\}\}/g, (_, key) => searchParams.get(key)) };
}
