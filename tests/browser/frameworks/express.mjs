// A site on Express, whose users are whom their address says.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const [MAJOR] = JSON.parse(readFileSync(join(MODULES, 'express/package.json'), 'utf8')).version.split('.');

const SITE = `import express from 'express';
import session from 'express-session';

const app = express();
app.set('view engine', 'ejs');
app.use(express.static('public'));
app.use(express.urlencoded());
app.use(session({ secret: 'of the test suites', resave: false, saveUninitialized: false, cookie: { sameSite: 'lax' } }));
app.get('/sign-in/:user', (request, response) => {
  request.session.user = { id: Number(request.params.user) };
  response.send('');
});
app.use((request, response, next) => {
  request.user = request.session.user;
  next();
});
`;

const ORDERS = `let number = 0;

export async function placeOrder(user, item) {
  number += 1;
  return { number, item };
}
`;

export const express = {
  heading: 'Express',
  version: `Express ${MAJOR}`,
  scripts: 'public',
  foreign: 401,
  env: { NODE_ENV: 'production' },
  ready: /listening/,

  missing: () => false,

  async prepare({ folder, printed }) {
    symlinkSync(MODULES, join(folder, 'node_modules'));
    mkdirSync(join(folder, 'public'));
    writeFileSync(join(folder, 'orders.mjs'), ORDERS);
    printed['app.mjs'] = `${SITE}${printed['app.mjs']}app.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));\n`;
  },

  command: (port) => ['env', `PORT=${port}`, process.execPath, 'app.mjs'],
};
