import type { Address } from './pushnote.js';

/** What `connect` gives to its option `push`, and no page has to care about. */
export type Push = (connection: any, base: string, userToken: () => Promise<string | null | undefined>) => PushMethods;

/**
 * Why there are no notifications, as `code` of the error. Besides these, what the server says, as `token_expired` or
 * `too_many_requests`.
 */
export type PushCode =
  /** The page is neither of https nor of localhost. */
  | 'insecure_context'
  /** The browser has none; on iPhone and iPad, sites have it once they are on the home screen. */
  | 'not_supported'
  /** The user, or whoever administers the browser, has said no, now or before. The page cannot ask again. */
  | 'permission_denied'
  /** The user has closed the question without an answer. */
  | 'permission_dismissed'
  /** The permission is not given yet, and `enablePush` was not called by a click. */
  | 'click_needed'
  /** The service worker's file is not there, is no script, or fails. */
  | 'worker_missing'
  /** What the server has as its key is none. */
  | 'key_wrong'
  /** The browser did not subscribe: it may not reach its push service. */
  | 'push_service'
  /** The connection is not subscribed as a user, and no token was given. */
  | 'token_missing'
  /** The server has no Web Push, or is another. */
  | 'no_web_push'
  /** The server did not answer, or not to pages of this origin. */
  | 'not_reached'
  /** Something else at the address of the server did not take it. */
  | 'refused'
  | (string & {});

/** What went wrong, in words, and as a code. */
export interface PushError extends Error {
  code: PushCode;
}

/** A browser's `ServiceWorkerRegistration`. */
export interface Registration {
  readonly scope: string;
  readonly pushManager: object;
}

export interface PushOptions {
  /**
   * The address of `pushnote-sw.js`, `/pushnote-sw.js` by default: it is registered beside the site's own worker, if there is
   * one, and controls no page. Or the registration of a worker that says `importScripts('/pushnote-sw.js')`.
   */
  serviceWorker?: string | Address | Registration | Promise<Registration> | undefined;
  /** Which group it belongs to, for what is sent to a group: one that the token would let it subscribe to as a channel. */
  group?: string | undefined;
  /** Of the user to notify. By default the one that the connection is subscribed as. */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>) | undefined;
}

export interface PushMethods {
  /**
   * Has this browser notified, also when no page is open. Call it when the user clicks: it asks for permission. Where that
   * is given already it may be called at any time.
   *
   * @throws {PushError} by rejection
   */
  enablePush(options?: PushOptions): Promise<void>;
  /** The end of it, for this browser. Call it before the user is logged out. */
  disablePush(): Promise<void>;
  /** As it is: what a button shows. */
  pushState(): Promise<'enabled' | 'disabled' | 'insecure_context' | 'not_supported' | 'permission_denied'>;
}

/** Given to `connect`: `connect(url, { push })`. */
export const push: Push;
