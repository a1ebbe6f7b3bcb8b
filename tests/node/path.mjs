// A network path that goes silent: connections stay open, and nothing passes any more.

import { once } from 'node:events';
import net from 'node:net';

/**
 * A path to a port of this machine.
 *
 * @param t the test, with which it ends
 * @param {number} port
 * @returns {Promise<{origin: string, silence(): void}>} `silence` is for the connections that are there; new ones pass
 */
export async function path(t, port) {
  const ends = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [end, other] of [[near, far], [far, near]]) {
      ends.add(end);
      end.on('error', () => {}); // a close follows
      end.on('close', () => {
        if (ends.delete(end)) other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const end of ends) end.destroy();
  });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    silence() {
      for (const end of ends) end.unpipe().pause();
    },
  };
}
