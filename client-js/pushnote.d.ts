/** `connecting` also while waiting to try again; `disconnected` is for good. */
export type State = 'disconnected' | 'connecting' | 'connected';

export type Transport = 'websocket' | 'xhr-streaming' | 'xhr-polling';

/** A token, or what gets a fresh one before each connection; null as long as there is no user. */
export type Token = string | (() => string | null | undefined | Promise<string | null | undefined>);

export interface Options {
  /** Whose messages to receive, besides those for all. More can be added with `subscribe`. */
  token?: Token | null;
  /** Transports to try, in this order. All by default: websocket, xhr-streaming, xhr-polling. */
  transports?: Transport[];
  /** How long an answer, or the opening of one transport, may take before the next is tried. 5,000 by default. */
  openTimeoutMs?: number;
  /**
   * How long a server that sends heartbeats may be silent before it counts as lost; more than its heartbeat interval.
   * By default one and a half of those and 2,500: 40,000 for a server that beats every 25 s.
   */
  silenceTimeoutMs?: number;
  /** Ceiling of the first reconnect delay. The delay is random below a ceiling that doubles. 500 by default. */
  backoffMinMs?: number;
  /** Ceiling of all reconnect delays. 20,000 by default. */
  backoffMaxMs?: number;
  /** How many emitted events may wait for a connection. 100 by default. */
  queueMax?: number;
  /** How many tokens one connection may subscribe with; servers have a limit, too. 128 by default. */
  subscriptionsMax?: number;
  /** Instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Instead of the global `WebSocket`, which Node 20 does not have. */
  WebSocket?: new (url: string) => any;
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

/** What went wrong, in words; `code` is the close code if there was one. */
export interface PushnoteError extends Error {
  code?: number;
}

/** Messages arrive as the JSON values that were published. */
export interface Connection<Message = any> {
  readonly state: State;
  readonly transport: Transport | null;
  /** Each returns a function that takes the listener away again. */
  on(name: 'message', listener: (data: Message) => void): () => void;
  on(name: 'state', listener: (state: State, detail: StateDetail) => void): () => void;
  /** Most errors heal by themselves: the connection is tried again. Without a listener they go to the console. */
  on(name: 'error', listener: (error: PushnoteError) => void): () => void;
  /** Receives what is published for the token's user, now and after every reconnect. False: refused, see `error`. */
  subscribe(token: Token): boolean;
  /** Sends an event, or queues it until there is a connection. False: refused, see `error`. */
  emit(name: 'subscribe', data: { token: Token } | Token): boolean;
  emit(name: string, data: unknown): boolean;
  /** Ends the connection for good. */
  close(): void;
}

/**
 * Connects to a pushnote server and stays connected: when a connection is lost it is made anew after a random,
 * growing delay, with all subscriptions. Close codes 3500-3999 and 4500-4999 end it for good.
 *
 * @param url of the SockJS route, as `http://push.example/sockjs`; relative to the page if there is one
 * @throws {TypeError} when the address or an option makes no sense; whatever goes wrong later is an `error` event
 */
export function connect<Message = any>(url: string | URL, options?: Options): Connection<Message>;

/** The global of the `<script>` build. */
export as namespace pushnote;
