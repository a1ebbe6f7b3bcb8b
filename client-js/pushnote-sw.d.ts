/** A service worker's script: to be served by the site, or for `importScripts`. It exports nothing. */
export {};
