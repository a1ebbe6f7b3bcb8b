// A server of the Basic HTTP Push Relay Protocol, as small as can be: one channel, long-polling, all messages kept.

import { createServer } from 'node:http';

/**
 * @returns {Promise<{url: string, requests: object[], publish(body: string): void, answers: Function[], close(): Promise<void>}>}
 *   `answers`: what answers the next requests in the protocol's stead
 */
export async function startRelay() {
  const messages = [];
  const requests = [];
  const answers = [];
  const held = new Set();

  const give = (request, response) => {
    const { 'if-modified-since': since, 'if-none-match': etag } = request.headers;
    const isAfter = ({ at, tag }) => !since || at > Date.parse(since) || (at === Date.parse(since) && tag > Number(etag));
    const next = messages.find(isAfter);
    if (!next) return false;
    response.writeHead(200, { 'Last-Modified': new Date(next.at).toUTCString(), Etag: String(next.tag), Vary: 'If-None-Match, If-Modified-Since' });
    response.end(next.body);
    return true;
  };
  const server = createServer((request, response) => {
    requests.push(request);
    const answer = answers.shift();
    if (answer) return answer(response);
    if (give(request, response)) return;
    const waits = [request, response];
    held.add(waits);
    response.on('close', () => held.delete(waits));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/updates/main`,
    requests,
    answers,
    held,
    publish(body) {
      const at = Math.floor(Date.now() / 1000) * 1000;
      messages.push({ body, at, tag: messages.filter((each) => each.at === at).length });
      for (const waits of held) if (give(...waits)) held.delete(waits);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
