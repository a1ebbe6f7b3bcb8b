import { connect } from '/pushnote.mjs';
import { push } from '/push.mjs';
import { dev, form, freshToken, notify, quiet, reconnect, show } from '/page.js';

let conn;

function start() {
  conn = connect(dev.route, { push });
  conn.on('message', show.message);
  conn.on('state', show.state);
  conn.on('error', show.error);
  // A server that was started again has another key, and knows of no subscription.
  conn.on('state', (state) => state === 'connected' && show.push(renewed()));
}

form.onsubmit = () => {
  const token = form.token.value;
  // A function is asked before each connection: a server that was started again has another secret.
  if (conn.subscribe(token === dev.token ? freshToken : token)) show.asked(token);
};

// Its service worker is /pushnote-sw.js.
const enabled = () => conn.enablePush({ token: freshToken }).then(conn.pushState);
const renewed = () => conn.pushState().then((state) => (state === 'enabled' ? enabled() : state));
notify.onclick = () => show.push(enabled());
quiet.onclick = () => show.push(conn.disablePush().then(conn.pushState));

reconnect.onclick = start;
start();
