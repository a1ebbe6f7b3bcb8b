import { connect } from '/pushnote.js';
import { dev, form, freshToken, reconnect, show } from '/page.js';

let conn;

function start() {
  conn = connect(dev.route);
  conn.on('message', show.message);
  conn.on('state', show.state);
  conn.on('error', show.error);
}

form.onsubmit = () => {
  const token = form.token.value;
  // A function is asked before each connection: a server that was started again has another secret.
  if (conn.subscribe(token === dev.token ? freshToken : token)) show.asked(token);
};

reconnect.onclick = start;
start();
