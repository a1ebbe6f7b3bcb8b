// A hook for React. Connected as long as the component is mounted; pages of several components have it in one, above them.
//
//   const [news, setNews] = useState([]);
//   const { state } = usePushnote('/sockjs', {
//     channels: ['news'],
//     onMessage: (data) => setNews((before) => [...before, data]),
//   });

import { useEffect, useRef, useState } from 'react';
import { connect } from 'pushnote';

/**
 * @param {string} url as of `connect`; another one is another connection
 * @param {object} [options] those of `connect` (`token`, `getToken`, …), as they are when it connects, and these, which may
 *   change with each render: `channels` to be subscribed to, `onMessage(data, detail)`, and `onGap(gap)`, after which the
 *   page gets anew what it shows
 * @returns {{state: string, conn: object | null}} `conn` is null until it is mounted, and on a server that renders
 */
export function usePushnote(url, { channels = [], onMessage, onGap, ...options } = {}) {
  const [conn, setConn] = useState(null);
  const [state, setState] = useState('connecting');
  const latest = useRef();
  const held = useRef([]);

  useEffect(() => {
    latest.current = { onMessage, onGap, options };
  });

  useEffect(() => {
    const made = connect(url, { resume: true, ...latest.current.options });
    made.on('state', (now) => setState(now));
    made.on('message', (data, detail) => latest.current.onMessage?.(data, detail));
    made.on('gap', (gap) => latest.current.onGap?.(gap));
    held.current = [];
    setConn(made);
    setState(made.state);
    return () => made.close();
  }, [url]);

  // Only what has changed: whoever unsubscribes and subscribes again misses what comes between.
  const wanted = JSON.stringify(channels);
  useEffect(() => {
    if (!conn || conn.state === 'disconnected') return; // that of the next address is on its way
    const [before, now] = [held.current, JSON.parse(wanted)];
    held.current = now;
    for (const name of before.filter((name) => !now.includes(name))) conn.unsubscribe(name);
    // A refusal is an `error` event, too.
    for (const name of now.filter((name) => !before.includes(name))) conn.subscribe(name).catch(() => {});
  }, [conn, wanted]);

  return { state, conn };
}
