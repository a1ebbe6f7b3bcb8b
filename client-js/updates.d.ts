export interface UpdatesOptions {
  /**
   * Whether cookies go along. `include` by default, for servers that tell by them who subscribes: such a server must name
   * the page's origin, not `*`, where that is another than its own.
   */
  credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  /** How long one request may be held before it is asked anew. 120,000 by default. */
  holdMaxMs?: number | undefined;
  /** How long to wait between requests that bring nothing, where the server holds none. 5,000 by default. */
  intervalMs?: number | undefined;
  /** Ceiling of the delay after the first failure. The delay is random below a ceiling that doubles. 500 by default. */
  backoffMinMs?: number | undefined;
  /** Ceiling of all delays. 20,000 by default. */
  backoffMaxMs?: number | undefined;
  /** Instead of the global `fetch`. */
  fetch?: ((url: string, init: any) => Promise<any>) | undefined;
}

/** What went wrong with a channel, in words; `code` is the answer's status, if that is it. It heals by itself. */
export interface UpdatesError extends Error {
  channel: string;
  code?: number | undefined;
}

/** Channels over the Basic HTTP Push Relay Protocol, revision 2.23: messages are JSON objects with a `type`. */
export interface Updates {
  /**
   * Receives what comes in channels, each under a name of the page's choice, from the oldest message that the server has. A
   * name that is subscribed already stays as it is.
   *
   * @throws {TypeError} when an address or an option makes no sense, or a name stands for another address already
   */
  subscribe(channels: Record<string, string | { readonly href: string }>, options?: UpdatesOptions): void;
  /** Ends a subscription; its processors stay. False: there was none. */
  unsubscribe(name: string): boolean;
  /** Has a function called with each message of a channel that has this `type`. Returns one that takes it away again. */
  registerProcessor<Data = any>(name: string, type: string, processor: (data: Data) => void): () => void;
  /** Messages are missing before the next one: the server had them no more. Of servers that tell it, as pushnote's do. */
  on(event: 'gap', listener: (gap: { channel: string }) => void): () => void;
  /** Without a listener errors go to the console. */
  on(event: 'error', listener: (error: UpdatesError) => void): () => void;
}

/** One for a page. */
export const updates: Updates;
