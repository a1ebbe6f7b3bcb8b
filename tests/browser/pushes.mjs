// What stands for a push service in Chromium: DevTools deliver, and a worker tells what it shows.

import assert from 'node:assert/strict';
import { soon } from '../node/waiting.mjs';

/** Makes up what Chromium would have of its push service. */
export function stubSubscribe(page) {
  return page.evaluate(() => {
    let count = 0;
    PushManager.prototype.subscribe = async (options) => {
      window.subscribedWith = options;
      const endpoint = `https://push.example/${++count}`;
      return { endpoint, options, toJSON: () => ({ endpoint, keys: { p256dh: 'p', auth: 'a' } }), unsubscribe: async () => true };
    };
  });
}

/**
 * @param {import('playwright-core').Page} page that has registered a worker; it may be closed after that
 * @param {string} origin of that page
 */
export async function pushes(page, origin) {
  const context = page.context();
  // DevTools belong to a page: to one that stays.
  const tools = await context.newCDPSession(await context.newPage());
  const registered = new Promise((resolve) => {
    tools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => registrations.length && resolve(registrations[0]));
  });
  await tools.send('ServiceWorker.enable');
  const { registrationId } = await soon(registered, 'a service worker');

  const worker = () => context.serviceWorkers()[0] ?? context.waitForEvent('serviceworker');
  const run = async (work, argument) => (await worker()).evaluate(work, argument);
  return {
    worker: run,

    /** A payload comes: an object as JSON, or any text. */
    deliver: (payload) =>
      tools.send('ServiceWorker.deliverPushMessage', {
        origin,
        registrationId,
        data: typeof payload === 'string' ? payload : JSON.stringify(payload),
      }),

    /** Waits until so many notifications are shown, and gets them. */
    async shown(count) {
      let all;
      const look = async () => {
        do all = await run(notifications);
        while (all.length !== count);
      };
      await soon(look(), `${count} notifications`, () => JSON.stringify(all));
      return all;
    },

    /** A click on the only notification: where it led. */
    async click() {
      const outcome = await run(clicked);
      assert.equal(outcome.count, 1);
      return outcome.led;
    },

    /** The browser ends the subscription. */
    lose: () => run(lost),
  };
}

async function notifications() {
  const all = await registration.getNotifications();
  return all.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
}

/** DevTools cannot click: the event is made here, and what only a real one may do is written down. */
async function clicked() {
  const [notification, ...others] = await registration.getNotifications();
  const led = {};
  WindowClient.prototype.focus = async function focus() {
    led.focused = this.url;
  };
  clients.openWindow = async (url) => void (led.opened = url);
  const event = new NotificationEvent('notificationclick', { notification });
  let work;
  event.waitUntil = (promise) => (work = promise);
  dispatchEvent(event);
  await work;
  return { led, count: others.length + 1 };
}

async function lost() {
  registration.pushManager.constructor.prototype.subscribe = async () => ({});
  const event = new ExtendableEvent('pushsubscriptionchange');
  let work;
  event.waitUntil = (promise) => (work = promise);
  dispatchEvent(event);
  await work;
}
