// What a site needs of the machine.

import { spawnSync } from 'node:child_process';

/**
 * @param {string} version what the page says that its files are run on
 * @param {string} look a command that prints what of that is here
 * @returns {string | false} why the page's files cannot be run, if they cannot
 */
export function missing(version, look) {
  const { status, stdout } = spawnSync('bash', ['-c', look], { encoding: 'utf8' });
  if (status !== 0) return `\`${look}\` fails: it is not on this machine`;
  return stdout.trim() === version ? false : `the page is of ${version}, and this machine has ${stdout.trim()}`;
}
