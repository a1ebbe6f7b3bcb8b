/*! pushnote 0.1.0, MIT OR Apache-2.0 */
'use strict';
// Shows what comes by Web Push, also when no page is open. It is a service worker as it is, or part of a site's own, which
// says importScripts('/pushnote-sw.js'): in braces, so that it takes no names from that one.
{
  const { location, registration, clients } = self;
  /** Who is told what was shown: `?server=` of the script's address, or else who serves it. */
  const server = new URL(location).searchParams.get('server') ?? location.origin;

  /** The payload as an object, whatever it is: browsers take the permission from who shows nothing. */
  const read = (data) => {
    const text = data?.text() ?? '';
    try {
      const value = JSON.parse(text);
      if (value?.constructor === Object) return value;
    } catch {}
    return { body: text };
  };

  const show = async ({ title, body, url, icon, tag, id, ack, collapse }) => {
    if (collapse) {
      // A page has shown it meanwhile, here or on another device. Browsers forgive few pushes that show nothing.
      for (const shown of await registration.getNotifications({ tag: String(collapse) })) shown.close();
      return;
    }
    const texts = Object.entries({ body, icon, tag }).filter(([, value]) => value != null);
    const options = Object.fromEntries(texts.map(([name, value]) => [name, String(value)]));
    await registration.showNotification(String(title || location.host), { ...options, data: { url, id } });
    // As a form would send it: without a preflight. That it is told is not worth a failure.
    if (ack) await fetch(`${server}/push/shown`, { method: 'POST', body: JSON.stringify({ ack }) }).catch(() => {});
  };

  /** Where a click leads: relative to this file, and no further than to pages. */
  const target = (url) => {
    try {
      const { protocol, href } = new URL(url, location);
      if (/^https?:$/.test(protocol)) return href;
    } catch {}
    return new URL('./', location).href;
  };

  /** Goes to the page at this address, if it is open, or opens it. Without an address any page of the site will do. */
  const open = async (url) => {
    const address = target(url ?? './');
    const pages = await clients.matchAll({ type: 'window', includeUncontrolled: true });
    const page = pages.find((each) => (url ? each.url === address : each.url.startsWith(address)));
    await (page ? page.focus() : clients.openWindow(address));
  };

  /** The browser has ended a subscription: another one, which the next page that is open tells the server. */
  const renew = async ({ newSubscription }) => {
    if (!newSubscription) {
      const { key } = await (await fetch(`${server}/push/key`, { cache: 'no-store' })).json();
      await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    }
    const pages = await clients.matchAll({ type: 'window', includeUncontrolled: true });
    for (const page of pages) page.postMessage({ pushnote: 'renew' });
  };

  self.addEventListener('push', (event) => event.waitUntil(show(read(event.data))));
  self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event)));
  self.addEventListener('notificationclick', (event) => {
    event.notification.close();
    event.waitUntil(open(event.notification.data?.url));
  });
}
