// What a page in TypeScript writes, checked by tsc as a module, as CommonJS, and for bundlers.

import { connect, type Connection, type PushnoteError, type ResumingConnection, type State } from 'pushnote';
import { push, type PushError } from 'pushnote/push';
import { updates } from 'pushnote/updates';

interface Headline {
  text: string;
}

const plain: Connection<Headline> = connect<Headline>('/sockjs', { token: async () => null, transports: ['websocket'] });
const stop: () => void = plain.on('message', (data) => data.text.trim());
plain.on('state', (state: State, { retryInMs }) => [state, retryInMs?.toFixed()]);
plain.on('error', (error: PushnoteError) => error.message);
const isAccepted: boolean = plain.subscribe('token');

const resuming: ResumingConnection<Headline> = connect<Headline>(new URL('http://push.example/sockjs'), { resume: true });
resuming.subscribe('news', { since: resuming.cursor }).then(({ complete }) => complete);
resuming.on('gap', ({ cursor }) => cursor.length);
resuming.channel<number>('count').on('message', (data, { ack }) => [data.toFixed(), ack]);

connect(location, { fetch, WebSocket, EventSource, transports: ['eventsource'] });

const notified = connect('/sockjs', { push });
notified.enablePush({ serviceWorker: navigator.serviceWorker.ready });
notified.enablePush({ group: 'staff' }).catch((error: PushError) => error.code);

updates.subscribe({ main: '/updates/main' }, { credentials: 'omit' });
const forget: () => void = updates.registerProcessor<Headline>('main', 'headline', (data) => data.text);

// @ts-expect-error there is no such option
connect('/sockjs', { tokens: 'x' });
// @ts-expect-error messages are headlines
plain.on('message', (data) => data.title);
// @ts-expect-error only with push
plain.enablePush();
// @ts-expect-error channels need resume: true
plain.channel('news');

export { forget, isAccepted, stop };
