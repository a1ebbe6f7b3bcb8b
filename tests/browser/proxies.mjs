// The proxies of docs/deploy.md: each as Debian has it, with the page's own block.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process } from '../node/processes.mjs';
import { soon } from '../node/waiting.mjs';

export const PAGE = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');
/** The servers' name on the page. */
export const HOST = 'push.example.org';
const UNPACKED = fileURLToPath(new URL('../.proxies', import.meta.url));

/** The page's block of a language that has this text. */
export function block(language, part = '') {
  const blocks = [...PAGE.matchAll(/^```(\w+)\n(.*?)^```/gms)].filter(([, kind, text]) => kind === language && text.includes(part));
  assert.equal(blocks.length, 1, `blocks of ${language} with ${part}`);
  return blocks[0][2];
}

/** The text with each word for another. All of them must be there. */
export function replaced(text, words) {
  for (const [word, other] of words) {
    assert.ok(text.includes(word), `no ${word} in ${text}`);
    text = text.replaceAll(word, other);
  }
  return text;
}

/** A certificate for the page's names and 127.0.0.1, alone and with its key in one file. */
export function certificate(folder) {
  const file = (name) => join(folder, name);
  const subject = ['-subj', '/CN=push.example.org', '-addext', 'subjectAltName=DNS:push.example.org,DNS:www.example.org,IP:127.0.0.1'];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...made, ...subject, '-keyout', file('key'), '-out', file('crt')], { stdio: 'pipe' });
  writeFileSync(file('pem'), readFileSync(file('crt')) + readFileSync(file('key')));
  return { crt: file('crt'), key: file('key'), pem: file('pem') };
}

/** The modules of Apache that the page asks for. */
export const MODULES = block('sh', 'a2enmod').match(/^a2enmod (.*)$/m)[1].split(' ');

/** What each proxy makes of the page's block: the program, its arguments, and the files they need, by what stands around it. */
const PROXIES = {
  nginx: ({ port, folder, crt, key, servers }) => {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
    const site = replaced(block('nginx', 'upstream'), [
      ['listen 443', `listen 127.0.0.1:${port}`],
      ['/etc/ssl/push.example.org.crt', crt],
      ['/etc/ssl/push.example.org.key', key],
      ...servers,
    ]);
    const text = `daemon off; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; ${paths.join(' ')}\n${site}\n}`;
    return { program: 'usr/sbin/nginx', args: (file) => ['-p', folder, '-c', file, '-e', 'stderr'], text };
  },

  haproxy: ({ port, pem, servers }) => {
    const text = replaced(block('haproxy'), [
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['/etc/haproxy/push.example.org.pem', pem],
      ...servers,
    ]);
    return { program: 'usr/sbin/haproxy', args: (file) => ['-db', '-f', file], text };
  },

  caddy: ({ port, folder, crt, key, servers }) => {
    const site = replaced(block('caddy'), [['push.example.org {', `push.example.org {\nbind 127.0.0.1\ntls ${crt} ${key}\n`], ...servers]);
    const text = `{\nadmin off\nauto_https disable_redirects\nhttps_port ${port}\n}\n${site}`;
    const args = (file) => ['run', '--adapter', 'caddyfile', '--config', file];
    return { program: 'usr/bin/caddy', args, text, env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } };
  },

  apache: ({ port, folder, crt, key, servers, modules: asked = MODULES }) => {
    // What Debian has on without being asked, and what a2enmod puts on with these.
    const own = ['mpm_event', 'authz_core', 'env', 'filter', 'deflate', 'reqtimeout', 'slotmem_shm', 'socache_shmcb'];
    const modules = [...own, ...asked].map(
      (name) => `LoadModule ${name}_module ${UNPACKED}/usr/lib/apache2/modules/mod_${name}.so`,
    );
    const site = replaced(block('apache'), [
      ['<VirtualHost *:443>', `<VirtualHost 127.0.0.1:${port}>`],
      ['/etc/ssl/push.example.org.crt', crt],
      ['/etc/ssl/push.example.org.key', key],
      ...servers,
    ]);
    const text = `ServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/pid\nErrorLog ${folder}/log\nUser www-data\nGroup www-data
Listen 127.0.0.1:${port}\nServerName push.example.org\n${modules.join('\n')}\n${site}`;
    return { program: 'usr/sbin/apache2', args: (file) => ['-DFOREGROUND', '-f', file], text };
  },
};

export const NAMES = Object.keys(PROXIES);

/** Why a proxy cannot be tested here, if it cannot. */
export function absent(name) {
  const { program } = PROXIES[name]({ port: 0, folder: '', crt: '', key: '', pem: '', servers: [] });
  return existsSync(join(UNPACKED, program)) ? false : `${name} is not in ${UNPACKED}: this system has no such package`;
}

/** Starts a program that is unpacked here, with the libraries it came with. */
export function unpacked(program, args, env = {}) {
  const libraries = readdirSync(join(UNPACKED, 'usr/lib')).map((each) => join(UNPACKED, 'usr/lib', each));
  return new Process(join(UNPACKED, program), args, { LD_LIBRARY_PATH: libraries.join(':'), ...env });
}

/** Apache's go on until they have the answers for browsers that are gone, and those of a poll come with the next heartbeat. */
function killChildren(pid) {
  const unlessEnded = (work) => {
    try {
      return work();
    } catch (error) {
      assert.ok(['ENOENT', 'ESRCH'].includes(error.code), error);
      return undefined;
    }
  };
  const children = unlessEnded(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g)) ?? [];
  for (const child of children) unlessEnded(() => process.kill(Number(child), 'SIGKILL'));
}

/**
 * Starts one on a port, as the page's name, in front of servers: `[[what the page has, what is there]]`.
 *
 * @param {string[]} [more.modules] of Apache, other ones than the page's
 * @returns {{started: Process, ask: (path: string, headers?: object) => Promise<{status: number, text: string}>}}
 */
export function launchProxy(t, name, { port, certificate, ...more }) {
  const folder = mkdtempSync(join(tmpdir(), `pushnote-${name}-`));
  const { program, args, text, env } = PROXIES[name]({ port, folder, ...more, ...certificate });
  const file = join(folder, 'configuration');
  writeFileSync(file, text);
  const started = unpacked(program, args(file), env);
  t.after(async () => {
    started.child.kill('SIGTERM');
    killChildren(started.child.pid);
    await soon(started.exited, `the end of ${name}`, () => started.story);
    rmSync(folder, { recursive: true, force: true });
  });
  const ca = readFileSync(certificate.crt);
  const ask = (path, headers = {}) =>
    new Promise((resolve, reject) => {
      https
        .get({ host: '127.0.0.1', port, servername: HOST, path, headers: { Host: HOST, ...headers }, ca }, (answer) => {
          const parts = [];
          answer.on('data', (part) => parts.push(part));
          answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(parts).toString() }));
        })
        .on('error', reject);
    });
  return { started, ask };
}

/** The same, when it passes requests on. */
export async function proxy(t, name, options) {
  const { started, ask } = launchProxy(t, name, options);
  while ((await ask('/health').catch(() => ({}))).status !== 200) {
    assert.equal(started.child.exitCode, null, started.story);
  }
  return { origin: `https://${HOST}`, ask };
}
