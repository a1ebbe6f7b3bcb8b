// The drivers themselves, against sockjs-node: a suite in any language can rely on what they print.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import sockjs from 'sockjs';
import { System } from './processes.mjs';

const system = new System();
let server;
let url;

before(async () => {
  const echo = sockjs.createServer({ log: () => {} });
  echo.on('connection', (conn) => conn.on('data', (text) => conn.write(text)));
  server = http.createServer();
  echo.installHandlers(server, { prefix: '/echo' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/echo`;
});

after(async () => {
  await system.stop();
  server.close();
  server.closeAllConnections();
});

for (const driver of ['sockjs_client.mjs', 'pushnote_client.mjs']) {
  for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
    test(`${driver} over ${transport}`, async () => {
      const client = system.client(driver, { url, transport, tokens: ['42:a'] });
      assert.equal((await client.event('open')).transport, transport);
      await client.message('{"name":"subscribe","data":{"token":"42:a"}}');
      client.write({ do: 'emit', name: 'note', data: [1, '😀'] });
      await client.message('{"name":"note","data":[1,"😀"]}');
      client.write({ do: 'subscribe', token: '7:b' });
      await client.message('{"name":"subscribe","data":{"token":"7:b"}}');
      client.write({ do: 'close' });
      assert.equal((await client.event('close')).code, 1000);
      assert.equal((await client.exited).code, 0);
    });
  }
}
