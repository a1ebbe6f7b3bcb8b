// A composable for Vue. Connected as long as the component is mounted; pages of several components have it in one, above
// them, which provides what it returns.
//
//   const news = ref([]);
//   const { state } = usePushnote('/sockjs', { channels: ['news'], onMessage: (data) => news.value.push(data) });

import { onMounted, onUnmounted, ref, shallowRef, toValue, watch } from 'vue';
import { connect } from 'pushnote';

/**
 * @param {string} url as of `connect`
 * @param {object} [options] those of `connect` (`token`, `getToken`, …) and these: `channels` to be subscribed to, an array,
 *   or a ref or getter of one; `onMessage(data, detail)`; and `onGap(gap)`, after which the page gets anew what it shows
 * @returns refs of the `state` and of the connection, `conn`, which is null until it is mounted, and on a server that renders
 */
export function usePushnote(url, { channels = [], onMessage, onGap, ...options } = {}) {
  const conn = shallowRef(null);
  const state = ref('connecting');

  onMounted(() => {
    const made = connect(url, { resume: true, ...options });
    made.on('state', (now) => (state.value = now));
    if (onMessage) made.on('message', onMessage);
    if (onGap) made.on('gap', onGap);
    conn.value = made;
  });
  onUnmounted(() => conn.value?.close());

  // Only what has changed: whoever unsubscribes and subscribes again misses what comes between.
  watch(
    () => conn.value && [...toValue(channels)],
    (now, before) => {
      for (const name of before ?? []) if (!now.includes(name)) conn.value.unsubscribe(name);
      // A refusal is an `error` event, too.
      for (const name of now) if (!before?.includes(name)) conn.value.subscribe(name).catch(() => {});
    },
  );

  return { state, conn };
}
