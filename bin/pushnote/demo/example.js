import { connect } from '/pushnote.js';
import { dev, form, show } from '/page.js';

const conn = connect(dev.route);

conn.on('message', show.message);
conn.on('state', show.state);
conn.on('error', show.error);

form.onsubmit = () => {
  const token = form.token.value;
  if (conn.subscribe(token)) show.subscribed(token);
};
