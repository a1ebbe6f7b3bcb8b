// What the page shows. What it does is in example.js.

const LOG_LENGTH_MAX = 200;

/** Longest JSON that is shown on one line. */
const LINE_LENGTH_MAX = 48;

const at = (id) => document.getElementById(id);

/** A server refuses a token at once. To a good one it says nothing, so that it counts as taken after a while. */
const REFUSED_WITHIN_MS = 1_000;

/** What to do about a close code after which the client does not come back by itself. */
const ADVICE = {
  3500: 'It was not signed with the secret of this server, which is made anew at each start. Take the one that the page has after a reconnect, or make one with the line in the terminal.',
  3502: 'Take the one that the page has after a reconnect, or make one with the line in the terminal.',
};

/** What a state of Web Push means to who looks at the page. */
const PUSH = {
  enabled: 'This browser is notified: close the page, and run the line below.',
  disabled: '',
  insecure_context: 'Only at 127.0.0.1 or localhost: there is no https here.',
  not_supported: 'This browser has no Web Push here; private windows have none.',
  permission_denied: 'Notifications of this page are forbidden; the browser shows where to allow them.',
};

/** How often it is looked what Web Push waits for: soon enough to be seen, too late to flicker. */
const LOOK_MS = 500;
/** A push service that takes longer most likely cannot be reached. */
const SLOW_MS = 15_000;

const ASKING = "asking the browser's push service…";
const SLOW = "The browser's push service does not answer: this browser cannot reach it from here, or has none.";

/** Why a browser refuses a page that may notify. */
const PRIVATE = 'Private windows have no Web Push: is this one?';

/** What `pushnote dev` says of itself: `{route, token, user, publish, push, endpoint}`. */
export const dev = {};

export const form = at('subscribe');
export const reconnect = at('reconnect');
export const notify = at('notify');
export const quiet = at('quiet');

/** The page's own token, as the server makes it now. */
export async function freshToken() {
  await load();
  return dev.token;
}

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
    at('ended').hidden = state !== 'disconnected';
    if (state === 'connected') {
      log('note', `connected by ${transport}`);
      load().catch(show.error); // it may be another run of the server than before
      waitForRefusal();
    } else {
      clearTimeout(waiting);
    }
    if (state === 'disconnected') {
      log('note', `disconnected: ${reason} (${code})`);
      at('why').textContent = `The server ended the connection: ${reason} (${code}). ${ADVICE[code] ?? ''}`;
      mark('asked', ADVICE[code] ? 'refused' : 'ended');
    }
    mark('taken', state === 'disconnected' ? 'ended' : 'asked');
    if (retryInMs !== undefined) at('transport').textContent = `again in ${(retryInMs / 1000).toFixed(1)} s`;
  },

  error({ message }) {
    log('error', message);
  },

  /** How it is with Web Push, or why it is not, as soon as that is known. */
  async push(state) {
    at('notified').textContent = '';
    clearInterval(asking);
    const own = (asking = sayWhatItWaitsFor());
    const [text, isOn] = await state.then((known) => [PUSH[known], known === 'enabled'], (error) => [why(error), false]);
    clearInterval(own);
    at('notified').textContent = text;
    quiet.hidden = !isOn;
  },

  asked(token) {
    const text = token === dev.token ? `user ${dev.user}` : token;
    const subscriptions = [...at('subscribed').children];
    if (subscriptions.some((each) => each.title === text)) return;
    const item = document.createElement('li');
    item.textContent = item.title = text;
    item.dataset.state = 'asked';
    at('subscribed').append(item);
    if (at('status').dataset.state === 'connected') waitForRefusal();
  },
};

let asking;

/** Before there is permission, the browser says itself what it waits for. */
function sayWhatItWaitsFor() {
  let since;
  return setInterval(() => {
    if (globalThis.Notification?.permission !== 'granted') return;
    since ??= Date.now();
    at('notified').textContent = Date.now() - since < SLOW_MS ? ASKING : SLOW;
  }, LOOK_MS);
}

function why({ code, message }) {
  const isPrivate = code === 'push_service' && /permission denied/i.test(message);
  return isPrivate ? `${message}. ${PRIVATE}` : message;
}

let waiting;

function waitForRefusal() {
  clearTimeout(waiting);
  waiting = setTimeout(() => mark('asked', 'taken'), REFUSED_WITHIN_MS);
}

/** Subscriptions that are in one state are in the other from now on. */
function mark(from, to) {
  for (const item of at('subscribed').children) if (item.dataset.state === from) item.dataset.state = to;
}

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

async function load() {
  const token = dev.token;
  Object.assign(dev, await (await fetch('/dev.json', { cache: 'no-store' })).json());
  at('publish-all').textContent = dev.publish;
  at('push').textContent = dev.push;
  at('publish-user').textContent = dev.publish
    .replace(' publish ', ` publish --user ${dev.user} `)
    .replace('Hi all!', `Hi, ${dev.user}!`);
  for (const id of ['user', 'endpoint', 'route']) at(id).textContent = dev[id];
  at('to-user').textContent = `to user ${dev.user}`;
  if (form.token.value === (token ?? '')) form.token.value = dev.token; // unless somebody has written there
}

/** The server publishes it to itself, over ZeroMQ, as `pushnote publish` does. */
async function publish({ data, to }) {
  try {
    JSON.parse(data.value);
  } catch (error) {
    return `This is not JSON (${error.message}). A text stands between quotes: "Hi!"`;
  }
  const head = to.value ? `"name":"notify","users":${JSON.stringify([dev.user])}` : '"name":"notify_all"';
  const headers = { 'Content-Type': 'application/json' };
  // As it was written: the order of keys and the digits of numbers are the author's.
  const body = `{${head},"data":${data.value}}`;
  const response = await fetch('/publish', { method: 'POST', headers, body });
  if (!response.ok) return response.text();
  return to.value ? `Published to user ${dev.user}: pages that are subscribed have it.` : 'Published to every page.';
}

await load();
at('publish').onsubmit = async (event) => {
  event.preventDefault();
  const outcome = publish(event.target.elements).catch((error) => `Not published: ${error.message}`);
  at('published').textContent = await outcome;
};
form.addEventListener('submit', (event) => event.preventDefault());
at('clear').onclick = () => {
  at('log').replaceChildren();
  at('count').textContent = 0;
  at('empty').hidden = false;
};
reconnect.addEventListener('click', () => {
  at('subscribed').replaceChildren();
  at('ended').hidden = true;
  form.token.value = dev.token;
});
for (const button of document.querySelectorAll('[data-copies]')) button.onclick = () => copy(button);
at('code').textContent = await (await fetch('/example.js')).text();
