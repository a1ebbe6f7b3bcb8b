// What stands for a push service in Chromium: DevTools deliver, and a worker tells what it shows.

import assert from 'node:assert/strict';
import { soon } from '../node/waiting.mjs';

/**
 * Makes up what Chromium would have of its push service.
 *
 * @param {import('playwright-core').Page} page
 * @param {object} subscription of the first `subscribe`, as `toJSON` gives it; later ones are of another endpoint
 */
export function stubSubscribe(page, subscription = { endpoint: 'https://push.example/', keys: { p256dh: 'p', auth: 'a' } }) {
  return page.evaluate((first) => {
    let count = 0;
    let current = null;
    PushManager.prototype.getSubscription = async () => current;
    PushManager.prototype.subscribe = async (options) => {
      window.subscribedWith = options;
      const endpoint = `${first.endpoint}${++count}`;
      const { applicationServerKey: key } = options;
      const bytes = Uint8Array.from(atob(key.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0));
      return (current = {
        endpoint,
        options: { applicationServerKey: bytes.buffer },
        toJSON: () => ({ ...first, endpoint }),
        unsubscribe: async () => ((current = null), true),
      });
    };
  }, subscription);
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

    /** A payload comes, an object as JSON or any text, and the worker does what it has to. */
    async deliver(payload) {
      const data = typeof payload === 'string' ? payload : JSON.stringify(payload);
      const before = await run(countHandled);
      await tools.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data });
      await soon(run(handledMore, before), `what the worker does with ${data}`);
    },

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

/** How many events the worker has dealt with. Who asks for notifications meanwhile may make Chromium lose one. */
function countHandled() {
  if (self.handled === undefined) {
    self.handled = 0;
    self.more = new EventTarget();
    const { waitUntil } = ExtendableEvent.prototype;
    ExtendableEvent.prototype.waitUntil = function counted(work) {
      waitUntil.call(this, work);
      work
        .catch(() => {})
        .then(() => {
          self.handled += 1;
          self.more.dispatchEvent(new Event('handled'));
        });
    };
  }
  return self.handled;
}

async function handledMore(before) {
  while (self.handled === before) await new Promise((resolve) => self.more.addEventListener('handled', resolve, { once: true }));
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
