// What stands before several servers: a proxy that forwards each request to one of them.

import { once } from 'node:events';
import http from 'node:http';

/**
 * @param t the test, with which it ends
 * @param {(request: http.IncomingMessage, response: http.ServerResponse) => string | undefined} choose gives the origin of the server for
 *   a request, or nothing, if the request is its own matter
 * @param {(request: http.IncomingMessage, answer: http.IncomingMessage) => void} [alter] changes an answer's headers
 * @returns {Promise<string>} its own origin
 */
export async function front(t, choose, alter = () => {}) {
  const server = http.createServer((request, response) => {
    const { method, url } = request;
    const origin = choose(request, response);
    if (!origin) return;
    const onward = http.request(origin + url, { method, headers: request.headers }, (answer) => {
      alter(request, answer);
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    // It knows no WebSocket, and says so at once.
    onward.on('upgrade', (_, socket) => {
      socket.destroy();
      response.destroy();
    });
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

const cookie = ({ headers }, name) => headers.cookie?.match(`(?:^|; *)${name}=([^;]*)`)?.[1];
const add = (answer, line) => (answer.headers['set-cookie'] = [...(answer.headers['set-cookie'] ?? []), line]);

/**
 * A load balancer that takes turns, and sends a browser back to where its cookie says: one that it `insert`s into
 * each first answer, or the server's own, before which it puts the server's number (`prefix`). As HAProxy's are called.
 */
export function balancer(t, origins, { cookie: kind }) {
  let turn = 0;
  const chosen = new WeakMap();
  const choose = (request) => {
    const sticky = kind === 'insert' ? cookie(request, 'balancer') : cookie(request, 'JSESSIONID')?.match(/^(\d)~/)?.[1];
    const index = Number(sticky ?? turn++ % origins.length);
    chosen.set(request, index);
    if (request.headers.cookie) request.headers.cookie = request.headers.cookie.replace(/JSESSIONID=\d~/, 'JSESSIONID=');
    return origins[index];
  };
  const alter = (request, answer) => {
    const index = chosen.get(request);
    if (kind === 'insert' && !cookie(request, 'balancer')) add(answer, `balancer=${index}; Path=/`);
    if (kind !== 'prefix') return;
    const lines = answer.headers['set-cookie']?.map((line) => line.replace(/^JSESSIONID=/, `JSESSIONID=${index}~`));
    if (lines) answer.headers['set-cookie'] = lines;
  };
  return front(t, choose, alter);
}
