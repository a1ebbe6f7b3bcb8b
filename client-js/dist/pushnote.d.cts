// No type here is of a library of TypeScript's but that of the language, so that Node, and any other place, has them too.

import type { Push, PushMethods } from './push.cjs';

/** A `URL`, or the page's `location`. */
export interface Address {
  readonly href: string;
}

/** `connecting` also while waiting to try again; `disconnected` is for good. */
export type State = 'disconnected' | 'connecting' | 'connected';

export type Transport = 'websocket' | 'xhr-streaming' | 'eventsource' | 'xhr-polling';

/** A token, or what gets a fresh one for each connection; null as long as there is no user. */
export type Token = string | (() => string | null | undefined | Promise<string | null | undefined>);

export interface Options {
  /** Whose messages to receive, besides those for all. More can be added with `subscribe`. */
  token?: Token | null | undefined;
  /** Transports to try, in this order. All by default: websocket, xhr-streaming, eventsource, xhr-polling. */
  transports?: readonly Transport[] | undefined;
  /** How long an answer, or the opening of one transport, may take before the next is tried. 5,000 by default. */
  openTimeoutMs?: number | undefined;
  /**
   * How long a server that sends heartbeats may be silent before it counts as lost; more than its heartbeat interval.
   * By default one and a half of those and 2,500: 40,000 for a server that beats every 25 s.
   */
  silenceTimeoutMs?: number | undefined;
  /** Ceiling of the first reconnect delay. The delay is random below a ceiling that doubles. 500 by default. */
  backoffMinMs?: number | undefined;
  /** Ceiling of all reconnect delays. 20,000 by default. */
  backoffMaxMs?: number | undefined;
  /** How many emitted events may wait for a connection. 100 by default. */
  queueMax?: number | undefined;
  /** How many tokens one connection may subscribe with; servers have a limit, too. 128 by default. */
  subscriptionsMax?: number | undefined;
  /** `push` of 'pushnote/push': the connection gets `enablePush`, `disablePush` and `pushState`. */
  push?: Push | undefined;
  /** Instead of the global `fetch`. */
  fetch?: ((url: string, init: any) => Promise<any>) | undefined;
  /** Instead of the global `WebSocket`, which Node 20 does not have. */
  WebSocket?: (new (url: string) => any) | undefined;
  /** Instead of the global `EventSource`, which Node does not have: there `eventsource` is passed over. */
  EventSource?: (new (url: string, options: { withCredentials: boolean }) => any) | undefined;
}

/** What `getToken` is asked for. */
export interface Wanted {
  channel?: string | undefined;
  /** Whose token has expired, if it is known. */
  user?: string | undefined;
  reason: 'subscribe' | 'expired';
}

/** With `resume`, the connection goes on where it was, and knows channels. */
export interface ResumeOptions extends Options {
  resume: true;
  /**
   * Gets a token for a channel, or for a user if there is none: when a subscription without one begins (`subscribe`), and
   * when its token has expired (`expired`). Null: the channel is public, or the user's subscription is refused. When it
   * fails, that is an `error` event, and it is asked again after a delay, for this subscription alone.
   */
  getToken?: ((wanted: Wanted) => string | null | undefined | Promise<string | null | undefined>) | undefined;
  /** Keeps the cursor in sessionStorage, by the URL: a page that is loaded again goes on where it was. */
  persist?: 'session' | undefined;
  /** The page says itself that it has shown a message that asks for it, by `acknowledge` of the message's detail. */
  ack?: 'manual' | undefined;
}

export interface StateDetail {
  /** The transport in use, when connected. */
  transport?: Transport;
  /** Close code of the connection that ended. */
  code?: number;
  /** Why it ended. */
  reason?: string;
  /** When the next attempt will be made. */
  retryInMs?: number;
}

/** What went wrong, in words; `code` is the close code, or the server's for a request, as `token_expired`. */
export interface PushnoteError extends Error {
  code?: number | string | undefined;
}

/** What is known of a message, with `resume`. */
export interface MessageDetail<Message = any> {
  data: Message;
  /** What kind it is, if its publisher said so. */
  event?: string;
  channel?: string;
  /** If it went to several. */
  channels?: string[];
  /** Of what was published as no JSON: `data` is its text, or base64 where this ends in `;base64`. */
  media_type?: string;
  /** For users. */
  user?: true;
  /** The message's id, if its sender wants to know that it was seen. */
  ack?: string;
  /** Says so. Without `ack: 'manual'` the connection does it by itself, when listeners have it and the page is visible. */
  acknowledge?: () => void;
}

/** Messages are missing: what came before the cursor, of everything or of one subscription. */
export interface Gap {
  cursor: string;
  channel?: string | undefined;
  user?: string | undefined;
}

/** How a subscription is to begin. */
export interface Begin {
  token?: Token | undefined;
  since?: string | undefined;
}

/** How a subscription has begun. */
export interface Subscribed {
  cursor: string;
  /** False: something since then is missing. There is a `gap` event, too. */
  complete: boolean;
  user?: string | undefined;
}

export interface History<Message = any> {
  /** Oldest first. */
  messages: MessageDetail<Message>[];
  complete: boolean;
}

export interface Presence {
  /** Users, of all connections. */
  count: number;
  /** Up to 100 of them. */
  users: string[];
  /** Connections without a user. */
  anonymous: number;
}

export interface Channel<Message = any> {
  readonly name: string;
  on(name: 'gap', listener: (gap: Gap) => void): () => void;
  /** Who is there, after each reconnect, too. */
  on(name: 'presence', listener: (presence: Presence) => void): () => void;
  on(name: 'join' | 'leave', listener: (user: string) => void): () => void;
  /** `message` is each of the channel; any other name those that were published as that event. */
  on(name: string, listener: (data: Message, detail: MessageDetail<Message>) => void): () => void;
  /** The last messages, up to 100. The channel must be subscribed to. */
  history(last: number): Promise<History<Message>>;
  /** Who is there; with `events`, `join` and `leave` tell who comes and goes from now on. */
  presence(options?: { events?: boolean | undefined }): Promise<Presence>;
}

/** Messages arrive as the JSON values that were published. */
interface Base<Message> {
  readonly state: State;
  readonly transport: Transport | null;
  /** Each returns a function that takes the listener away again. `detail` is there with `resume`. */
  on(name: 'message', listener: (data: Message, detail: MessageDetail<Message>) => void): () => void;
  on(name: 'state', listener: (state: State, detail: StateDetail) => void): () => void;
  /**
   * Most errors heal by themselves: the connection is tried again. A server that stops in order and is back soon is none.
   * Without a listener they go to the console.
   */
  on(name: 'error', listener: (error: PushnoteError) => void): () => void;
  /** Sends an event, or queues it until there is a connection. False: refused, see `error`. */
  emit(name: 'subscribe', data: { token: Token } | Token): boolean;
  emit(name: string, data: unknown): boolean;
  /** Ends the connection for good. */
  close(): void;
}

export interface Connection<Message = any> extends Base<Message> {
  /** Receives what is published for the token's user, now and after every reconnect. False: refused, see `error`. */
  subscribe(token: Token): boolean;
}

export interface ResumingConnection<Message = any> extends Base<Message> {
  /** Where it is in the log: opaque. */
  readonly cursor: string | undefined;
  on: Base<Message>['on'] & ((name: 'gap', listener: (gap: Gap) => void) => () => void) &
    // A message was acknowledged.
    ((name: 'ack', listener: (id: string) => void) => () => void);
  /**
   * Receives what is published in a channel, now and after every reconnect. Again with another token: renews it.
   * Refused: the promise is rejected, and there is an `error` event.
   *
   * @param options without a token, `getToken` is asked; without that, the channel is public. `since`: a cursor from which
   *   it reads on
   */
  subscribe(channel: string, options?: Begin): Promise<Subscribed>;
  /** The same for what is published for a user. Without a token `getToken` is asked. */
  subscribe(user?: Begin): Promise<Subscribed>;
  /** Ends the subscription to a channel, and takes the channel's listeners away. When it is done, nothing more of it comes. */
  unsubscribe(channel: string): Promise<void>;
  channel<ChannelMessage = Message>(name: string): Channel<ChannelMessage>;
}

/**
 * Connects to a pushnote server and stays connected: when a connection is lost it is made anew after a random,
 * growing delay, with all subscriptions. Close codes 3500-3999 and 4500-4999 end it for good.
 *
 * With `resume`, nothing is missed meanwhile, as far as the server's log goes back: what is missing is a `gap`.
 *
 * @param url of the SockJS route, as `http://push.example/sockjs`; relative to the page if there is one
 * @throws {TypeError} when the address or an option makes no sense; whatever goes wrong later is an `error` event
 */
export function connect<Message = any>(
  url: string | Address,
  options: ResumeOptions & { push: Push },
): ResumingConnection<Message> & PushMethods;
export function connect<Message = any>(url: string | Address, options: Options & { push: Push }): Connection<Message> & PushMethods;
export function connect<Message = any>(url: string | Address, options: ResumeOptions): ResumingConnection<Message>;
export function connect<Message = any>(url: string | Address, options?: Options): Connection<Message>;
