import { connect } from '/pushnote.js';
import { dev, form, show } from '/page.js';

const conn = connect(dev.route);

conn.on('message', (data) => show.message(data));
conn.on('state', (state, detail) => show.state(state, detail));
conn.on('error', (error) => show.error(error.message));

form.onsubmit = () => {
  if (conn.subscribe(form.token.value)) show.subscribed(form.token.value);
};
