// The examples in the frameworks they are for, on a page of jsdom.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { JSDOM } from 'jsdom';
import { fakeFetch, fakeWebSocket, settle } from './fakes.mjs';

const { window } = new JSDOM('<!DOCTYPE html><main></main>');
// A document takes only signals of its own window.
const { document, AbortController } = window;
Object.assign(globalThis, { window, document, AbortController, IS_REACT_ACT_ENVIRONMENT: true });
globalThis.navigator ??= window.navigator;
for (const name of Object.getOwnPropertyNames(window)) {
  if (/^(SVG|HTML\w*|Math\w*)?Element$/.test(name)) globalThis[name] = window[name];
}

const main = () => document.querySelector('main');

/** Shows the state and what came. */
async function inReact(options) {
  const { act, createElement, StrictMode, useState } = await import('react');
  const { createRoot } = await import('react-dom/client');
  const { usePushnote } = await import('../examples/react.js');
  const root = createRoot(main());
  const App = ({ channels, url = 'http://push.example/' }) => {
    const [news, setNews] = useState([]);
    const onMessage = (data) => setNews((before) => [...before, data]);
    return `${usePushnote(url, { channels, onMessage, ...options }).state} ${news}`;
  };
  // Which mounts everything twice at first.
  const show = (channels, url) => act(() => root.render(createElement(StrictMode, null, createElement(App, { channels, url }))));
  await show(['news', 'sport']);
  return { act, show, unmount: () => act(() => root.unmount()) };
}

async function inVue(options) {
  const { createApp, nextTick, ref } = await import('vue');
  const { usePushnote } = await import('../examples/vue.js');
  const channels = ref(['news', 'sport']);
  const setup = () => {
    const news = ref([]);
    const onMessage = (data) => news.value.push(data);
    const { state } = usePushnote('http://push.example/', { channels, onMessage, ...options });
    return () => `${state.value} ${news.value}`;
  };
  const app = createApp({ setup });
  app.mount(main());
  const act = async (work) => {
    await work();
    await nextTick();
  };
  await act(() => {});
  return { act, show: (now) => act(() => (channels.value = now)), unmount: () => act(() => app.unmount()) };
}

for (const [framework, mounted] of Object.entries({ React: inReact, Vue: inVue })) {
  test(`in ${framework} a component has what comes in its channels`, async () => {
    const { FakeWebSocket, sockets, last } = fakeWebSocket();
    const { act, show, unmount } = await mounted({ fetch: fakeFetch().fetch, WebSocket: FakeWebSocket });
    assert.equal(main().textContent, 'connecting ');
    await settle();
    assert.equal(sockets.length, 1);
    await act(() => last().receive('o'));
    const { id, subscriptions } = JSON.parse(last().sent[0]).data;
    assert.deepEqual(subscriptions, [{ channel: 'news' }, { channel: 'sport' }]);
    const welcome = { type: 'welcome', id, version: 1, cursor: 'c0', complete: true };
    const messages = { type: 'messages', cursor: 'c1', messages: [{ channel: 'news', data: 1 }, { channel: 'sport', data: 2 }] };
    await act(() => last().receive(`a${JSON.stringify([welcome, messages])}`));
    assert.equal(main().textContent, 'connected 1,2');

    await show(['news', 'weather']);
    await settle();
    const sent = last().sent.slice(1).map((text) => JSON.parse(text));
    assert.deepEqual(sent.map(({ name, data }) => [name, data.channel]), [['unsubscribe', 'sport'], ['subscribe', 'weather']]);

    await unmount();
    assert.equal(last().closed, true);
    await settle();
    assert.equal(sockets.length, 1);
  });
}

test('in React another address is another connection, with the channels there are then', async () => {
  const { FakeWebSocket, sockets, last } = fakeWebSocket();
  const { act, show, unmount } = await inReact({ fetch: fakeFetch().fetch, WebSocket: FakeWebSocket });
  await settle();
  await show(['weather'], 'http://other.example/');
  await settle();
  assert.equal(sockets.length, 2);
  assert.deepEqual(sockets.map(({ url, closed }) => [new URL(url).host, closed]), [['push.example', true], ['other.example', false]]);
  await act(() => last().receive('o'));
  assert.deepEqual(JSON.parse(last().sent[0]).data.subscriptions, [{ channel: 'weather' }]);
  await unmount();
});

test("the README's component, as it is printed, has what comes in its channel", async (t) => {
  const { act, createElement, useState } = await import('react');
  const { createRoot } = await import('react-dom/client');
  const { usePushnote } = await import('../examples/react.js');
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [body, ...others] = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code).filter((code) => code.includes('= usePushnote('));
  assert.deepEqual(others, []);
  const { FakeWebSocket, last } = fakeWebSocket();
  // As a page has them.
  const ofThePage = { fetch: fakeFetch().fetch, WebSocket: FakeWebSocket, location: new URL('http://push.example/') };
  for (const [name, value] of Object.entries(ofThePage)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  const component = new Function('useState', 'usePushnote', `${body}\nreturn \`\${state} \${news}\`;`);
  const root = createRoot(main());
  await act(() => root.render(createElement(() => component(useState, usePushnote))));
  await settle();
  await act(() => last().receive('o'));
  const { id, subscriptions } = JSON.parse(last().sent[0]).data;
  assert.deepEqual(subscriptions, [{ channel: 'news' }]);
  const welcome = { type: 'welcome', id, version: 1, cursor: 'c0', complete: true };
  const messages = { type: 'messages', cursor: 'c1', messages: [{ channel: 'news', data: 1 }, { channel: 'news', data: 2 }] };
  await act(() => last().receive(`a${JSON.stringify([welcome, messages])}`));
  assert.equal(main().textContent, 'connected 1,2');
  await act(() => root.unmount());
});
