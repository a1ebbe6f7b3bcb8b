// What the page shows. What it does is in example.js.

const LOG_LENGTH_MAX = 200;

/** Longest JSON that is shown on one line. */
const LINE_LENGTH_MAX = 48;

const at = (id) => document.getElementById(id);

/** What `pushnote dev` says of itself: `{route, token, user, publish, endpoint}`. */
export const dev = await (await fetch('/dev.json')).json();

export const form = at('subscribe');

export const show = {
  message(data) {
    const line = JSON.stringify(data);
    const text = document.createElement('pre');
    text.append(...coloured(line.length > LINE_LENGTH_MAX ? JSON.stringify(data, null, 2) : line));
    log('message', text);
    at('empty').hidden = true;
    at('count').textContent = Number(at('count').textContent) + 1;
  },

  state(state, { transport = '', reason, code, retryInMs }) {
    at('status').dataset.state = state;
    at('state').textContent = state;
    at('transport').textContent = transport && `by ${transport}`;
    if (state === 'connected') log('note', `connected by ${transport}`);
    if (state === 'disconnected') log('note', `disconnected: ${reason} (${code})`);
    if (retryInMs !== undefined) at('transport').textContent = `again in ${(retryInMs / 1000).toFixed(1)} s`;
  },

  error({ message }) {
    log('error', message);
  },

  subscribed(token) {
    const item = document.createElement('li');
    item.textContent = token;
    item.title = token;
    if (![...at('subscribed').children].some((each) => each.title === token)) at('subscribed').append(item);
  },
};

function log(kind, ...content) {
  const now = new Date();
  const time = document.createElement('time');
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString([], { hour12: false });
  const item = document.createElement('li');
  item.className = kind;
  item.append(time, ...content);
  at('log').prepend(item);
  while (at('log').children.length > LOG_LENGTH_MAX) at('log').lastChild.remove();
}

/** JSON as text and spans. Never as HTML: what arrives here was written by somebody else. */
function* coloured(json) {
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let end = 0;
  for (const match of json.matchAll(token)) {
    yield json.slice(end, match.index);
    const span = document.createElement('span');
    span.className = match[2] ? 'key' : match[1] ? 'string' : 'value';
    span.textContent = match[1] ?? match[0];
    yield span;
    end = match.index + span.textContent.length;
  }
  yield json.slice(end);
}

async function copy(button) {
  const line = at(button.dataset.copies);
  getSelection().selectAllChildren(line); // so that a person can copy it where the page may not
  await navigator.clipboard.writeText(line.textContent);
  button.textContent = 'Copied';
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}

at('publish-all').textContent = dev.publish;
at('publish-user').textContent = dev.publish
  .replace(' publish ', ` publish --user ${dev.user} `)
  .replace('Hi all!', `Hi, ${dev.user}!`);
for (const id of ['user', 'endpoint', 'route']) at(id).textContent = dev[id];
form.token.value = dev.token;
form.addEventListener('submit', (event) => event.preventDefault());
at('clear').onclick = () => {
  at('log').replaceChildren();
  at('count').textContent = 0;
  at('empty').hidden = false;
};
for (const button of document.querySelectorAll('[data-copies]')) button.onclick = () => copy(button);
at('code').textContent = await (await fetch('/example.js')).text();
