import { connect } from '/pushnote.js';
import { push } from '/push.js';
import { dev, form, freshToken, notify, quiet, reconnect, show } from '/page.js';

let conn;

function start() {
  conn = connect(dev.route, { push });
  conn.on('message', show.message);
  conn.on('state', show.state);
  conn.on('error', show.error);
  show.push(conn.pushState());
}

form.onsubmit = () => {
  const token = form.token.value;
  // A function is asked before each connection: a server that was started again has another secret.
  if (conn.subscribe(token === dev.token ? freshToken : token)) show.asked(token);
};

// Its service worker is /pushnote-sw.js.
notify.onclick = () => show.push(conn.enablePush({ token: freshToken }).then(conn.pushState));
quiet.onclick = () => show.push(conn.disablePush().then(conn.pushState));

reconnect.onclick = start;
start();
