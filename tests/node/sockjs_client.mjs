// A page of the original without its browser: sockjs-client in Node, one transport, `emit` as its pages have it.

import SockJS from 'sockjs-client';
import { flags, leave, obey, tell } from './driver.mjs';

const { url, transport, token, count, lifetime_s } = flags();

SockJS.prototype.emit = function (name, data) {
  this.send(JSON.stringify({ name, data }));
};

// It gives a transport up after some round trips, 600 ms: too soon on a busy machine, where there is no other.
const conn = new SockJS(url, null, transport ? { transports: [transport], timeout: 20_000 } : {});
let received = 0;

conn.onopen = () => {
  tell('open', { transport: conn.transport });
  for (const each of token) conn.emit('subscribe', { token: each });
};
conn.onmessage = ({ data }) => {
  tell('message', { data });
  if (++received >= count) conn.close();
};
conn.onheartbeat = () => tell('heartbeat');
conn.onclose = ({ code, reason }) => {
  tell('close', { code, reason });
  leave(received >= count || code === 1000 ? 0 : 1);
};

obey(
  {
    emit: ({ name, data }) => conn.emit(name, data),
    subscribe: (command) => conn.emit('subscribe', { token: command.token }),
    send: ({ text }) => conn.send(text),
    close: () => conn.close(),
  },
  lifetime_s,
);
