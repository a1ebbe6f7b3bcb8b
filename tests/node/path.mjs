// A network path that breaks: it goes silent, so that connections stay open and nothing passes any more, or is cut.

import { once } from 'node:events';
import net from 'node:net';

/**
 * A path to a port of this machine.
 *
 * @param t the test, with which it ends
 * @param {number} port
 * @returns {Promise<{origin: string, lead(port: number): void, silence(): void, cut(): void}>} `silence` and `cut` are for
 *   the connections that are there; new ones pass, to the port that `lead` says
 */
export async function path(t, port) {
  const ends = new Set();
  let to = port;
  const server = net.createServer((near) => {
    const far = net.connect(to, '127.0.0.1');
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
  const cut = () => {
    for (const end of ends) end.destroy();
  };
  t.after(() => {
    server.close();
    cut();
  });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    lead: (other) => (to = other),
    cut,
    silence() {
      for (const end of ends) end.unpipe().pause();
    },
  };
}
