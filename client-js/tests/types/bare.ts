// A place without a browser's types, checked as strictly as tsc does: what is not known may be given as undefined.

import { connect, type Options, type ResumeOptions } from 'pushnote';
import { push, type PushOptions } from 'pushnote/push';
import { updates } from 'pushnote/updates';

declare const maybe: undefined | 'x';
declare const later: undefined | number;

const options: Options = { token: maybe, transports: undefined, openTimeoutMs: later, queueMax: later, WebSocket: undefined };
connect('http://push.example/sockjs', { ...options, EventSource: undefined, fetch: undefined, push: undefined }).subscribe('x');

const resume: ResumeOptions = { resume: true, token: maybe, getToken: undefined, persist: undefined, ack: undefined };
const resuming = connect({ href: 'http://push.example/sockjs' }, resume);
resuming.subscribe('news', { token: maybe, since: resuming.cursor }).then(({ user }) => user?.trim());
resuming.subscribe({ token: maybe });
resuming.channel('news').presence({ events: undefined });
connect('http://push.example/sockjs', { resume: true, getToken: ({ channel, user }) => channel ?? user });

const notified: PushOptions = { group: maybe, token: maybe, serviceWorker: undefined };
connect('http://push.example/sockjs', { push }).enablePush(notified);
updates.subscribe({ main: 'http://push.example/main' }, { credentials: undefined, intervalMs: later });

// @ts-expect-error there is no such transport
const wrong: Options = { transports: ['carrier-pigeon'] };

export { wrong };
