// Which of sockjs-client's transports a page in Chromium has.

/** A page of the servers' own origin, and any other. */
export const OWN = 'its own origin';
export const OTHER = 'another site';

export const TRANSPORTS = [
  'websocket',
  'xhr-streaming',
  'eventsource',
  'iframe-eventsource',
  'htmlfile',
  'iframe-htmlfile',
  'xhr-polling',
  'iframe-xhr-polling',
  'jsonp-polling',
];

/** What sockjs-client does not even try, from where, and why. */
export const SKIPPED = [
  ['xdr-streaming', OWN, 'Chromium has no XDomainRequest'],
  ['xdr-streaming', OTHER, 'Chromium has no XDomainRequest'],
  ['xdr-polling', OWN, 'Chromium has no XDomainRequest'],
  ['xdr-polling', OTHER, 'Chromium has no XDomainRequest'],
  ['htmlfile', OTHER, "its frame calls the page's functions; iframe-htmlfile does so within a frame of the server's"],
];
