// A push service on this machine: it takes what servers send, decrypts it as a browser would, and hears `{path, headers,
// payload}`.

import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Heard } from '../node/waiting.mjs';

export class PushService extends Heard {
  name = 'the push service';
  #browser = createECDH('prime256v1');
  #auth = randomBytes(16);
  #server = createServer(async (request, response) => {
    const payload = this.#decrypted(await buffer(request));
    this.hear({ path: request.url, headers: request.headers, payload });
    response.writeHead(201).end();
  });

  static async start(t) {
    const self = new this();
    self.#browser.generateKeys();
    self.#server.listen(0, '127.0.0.1');
    await once(self.#server, 'listening');
    t.after(() => {
      self.#server.close();
      self.#server.closeAllConnections();
    });
    return self;
  }

  /** What a browser that has subscribed here gives to its page. */
  get subscription() {
    const p256dh = this.#browser.getPublicKey('base64url');
    const endpoint = `http://127.0.0.1:${this.#server.address().port}/push/`;
    return { endpoint, keys: { p256dh, auth: this.#auth.toString('base64url') } };
  }

  /** Waits for the `nth` message. */
  pushed(nth = 1) {
    return this.until(() => this.heard[nth - 1], `push message ${nth}`);
  }

  /** RFC 8291: one record of RFC 8188. */
  #decrypted(body) {
    const salt = body.subarray(0, 16);
    const behindKey = 21 + body[20];
    const sender = body.subarray(21, behindKey);
    const derived = (secret, with_, info, length) => Buffer.from(hkdfSync('sha256', secret, with_, info, length));
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.#browser.getPublicKey(), sender]);
    const secret = derived(this.#browser.computeSecret(sender), this.#auth, info, 32);
    const key = derived(secret, salt, 'Content-Encoding: aes128gcm\0', 16);
    const nonce = derived(secret, salt, 'Content-Encoding: nonce\0', 12);
    const decipher = createDecipheriv('aes-128-gcm', key, nonce);
    decipher.setAuthTag(body.subarray(-16));
    const padded = Buffer.concat([decipher.update(body.subarray(behindKey, -16)), decipher.final()]);
    return padded.subarray(0, padded.lastIndexOf(2)).toString();
  }
}
