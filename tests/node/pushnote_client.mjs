// A page with our own client, without its browser. `open` comes again after each reconnect.

import EventSource from 'eventsource';
import FayeWebSocket from 'faye-websocket';
import { connect } from '../../client-js/src/pushnote.js';
import { flags, leave, obey, tell } from './driver.mjs';

const { url, transport, token, count, lifetime_s } = flags();

const conn = connect(url, {
  transports: transport ? [transport] : undefined,
  WebSocket: globalThis.WebSocket ?? FayeWebSocket.Client, // Node 20 has none
  EventSource, // nor this
});
for (const each of token) conn.subscribe(each);
let received = 0;

conn.on('state', (state, detail) => {
  if (state === 'connected') return tell('open', detail);
  tell(state === 'disconnected' ? 'close' : 'lost', detail);
  if (state === 'disconnected') leave(received >= count || detail.code === 1000 ? 0 : 1);
});
conn.on('message', (data) => {
  tell('message', { data });
  if (++received >= count) conn.close();
});
conn.on('error', ({ message, code }) => tell('error', { message, code }));

obey(
  {
    emit: ({ name, data }) => conn.emit(name, data),
    subscribe: (command) => conn.subscribe(command.token),
    close: () => conn.close(),
  },
  lifetime_s,
);
