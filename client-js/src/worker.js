// What Web Push needs of the browser: permission, a service worker, a subscription.

import { describe, fault } from './errors.js';

/** A point on P-256, uncompressed, in base64url. */
const KEY = /^B[\w-]{86}$/;

/** What a worker controls that is registered by its address: no page, so that it takes none from the site's own. */
const SCOPE = './pushnote-sw/';

/** @returns {ServiceWorkerContainer | undefined} undefined also where asking for it is an exception: in sandboxed frames */
export function workers() {
  try {
    return globalThis.navigator?.serviceWorker;
  } catch {}
}

/** @returns {Error | undefined} why there can be no Web Push in this page */
export function obstacle() {
  const { isSecureContext, Notification, PushManager } = globalThis;
  if (!isSecureContext) return fault('Web Push needs a page of https, or of localhost', 'insecure_context');
  if (!workers() || !Notification || !PushManager) {
    const text = 'this browser has no Web Push here; on iPhone and iPad only sites on the home screen have it';
    return fault(text, 'not_supported');
  }
  if (Notification.permission === 'denied') {
    return fault('notifications of this site are forbidden; the browser shows where to allow them', 'permission_denied');
  }
}

/** Asks the user for permission, unless it is given already. */
export async function permitted() {
  const why = obstacle();
  if (why) throw why;
  if (Notification.permission === 'granted') return;
  // Browsers would refuse it, some of them for a long time, or ask before the user knows why.
  if (navigator.userActivation?.isActive === false) throw fault('call enablePush when the user clicks', 'click_needed');
  const permission = await Notification.requestPermission();
  if (permission === 'granted') return;
  throw obstacle() ?? fault('the user has not decided about notifications', 'permission_dismissed');
}

/**
 * @param {string | URL | ServiceWorkerRegistration | Promise<ServiceWorkerRegistration>} worker its address, or a
 *   registration of the site's own worker
 * @param {string} server base URL of the server, to which the worker says what it has shown
 * @returns {Promise<ServiceWorkerRegistration>} with an active worker
 */
export async function registered(worker, server) {
  const given = await worker;
  try {
    if (given?.pushManager) return await active(given);
    const script = new URL(given, location.href);
    const scope = new URL(SCOPE, script);
    script.searchParams.set('server', server);
    return await active(await workers().register(script, { scope }));
  } catch (error) {
    throw fault(`the service worker ${given} is not there, or does not start: ${describe(error)}`, 'worker_missing');
  }
}

async function active(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return registration;
  await new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === 'activated') resolve();
      if (worker.state === 'redundant') reject(new Error('it failed at its start'));
    };
    worker.addEventListener('statechange', look);
    look();
  });
  return registration;
}

/**
 * @param {PushSubscription | null} before what there is
 * @returns {Promise<PushSubscription>} one that was made for the key
 */
export async function subscribed({ pushManager }, before, key) {
  if (!KEY.test(key)) throw fault(`the server's key is no key of Web Push: ${key}`, 'key_wrong');
  if (before && base64url(before.options?.applicationServerKey) === key) return before;
  try {
    // There is one for each worker, and its key stays.
    await before?.unsubscribe();
    return await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  } catch (error) {
    const code = error.name === 'InvalidAccessError' ? 'key_wrong' : 'push_service';
    throw fault(`the browser cannot subscribe: ${describe(error)}`, code);
  }
}

/** @param {ArrayBuffer | null | undefined} bytes */
function base64url(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes ?? [])));
  return text.replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
}

/** Closes the notifications of a message that a page has shown meanwhile. */
export async function closeShown(id) {
  const registrations = (await workers()?.getRegistrations()) ?? [];
  const shown = await Promise.all(registrations.map((each) => each.getNotifications()));
  for (const each of shown.flat()) if (each.data?.id === id) each.close();
}
