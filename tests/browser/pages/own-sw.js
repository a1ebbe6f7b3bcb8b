// A site's own worker, which has names of its own and shows what is pushed, too.
const server = 'mine';
const read = () => server;
importScripts('/pushnote-sw.js');
self.addEventListener('fetch', () => read());
