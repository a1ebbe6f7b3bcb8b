// The alerts of docs/operate.md, as they are printed, judged by Prometheus's own promtool: over the series that a server and a
// forwarder really have, each fires when that of which it speaks has come, and none when all is well.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { System } from './processes.mjs';
import { soon } from './waiting.mjs';

const PAGE = readFileSync(new URL('../../docs/operate.md', import.meta.url), 'utf8');
const [, RULES] = PAGE.match(/^```yaml\n(groups:.*?)^```/ms);
const ALERTS = [...RULES.matchAll(/- alert: (\w+)(.*?)(?=- alert: |$(?![^]))/gs)].map(([, name, text]) => ({ name, waits: text.includes('for: ') }));

// What tests/setup has unpacked, or the machine's own.
const folders = [fileURLToPath(new URL('../.cache', import.meta.url)), ...process.env.PATH.split(delimiter)];
const PROMTOOL = folders.map((folder) => join(folder, 'promtool')).find(existsSync);
const skip = PROMTOOL ? false : 'there is no promtool: this system has no package prometheus';

const folder = mkdtempSync(join(tmpdir(), 'pushnote-alerts-'));
const system = new System();
/** Every series there is, by its name and labels as Prometheus stores it, with its value: `{series, name, labels, value}`. */
const scraped = [];

before(async () => {
  const metrics = '--metrics=127.0.0.1:0';
  const mq = await system.mq({ flags: [metrics] });
  const data = mkdtempSync(join(folder, 'data-'));
  const server = await system.server({ mq: mq.pub, flags: [metrics, '--vapid-subject=mailto:ops@example.org', `--data-dir=${data}`] });
  for (const [instance, program, whole] of [
    ['server', server, /^pushnote_server_zmq_peers\{.*\} 1$/m],
    ['mq', mq, /^pushnote_mq_peer_behind_messages\{.*\} 0$/m],
  ]) {
    const address = await program.until(() => program.story.match(/metrics on (\S+)/)?.[1], 'metrics');
    let text = '';
    const asked = async () => {
      while (!whole.test(text)) text = await (await fetch(address)).text();
    };
    await soon(asked(), `${whole} of ${instance}`, () => text);
    for (const [, name, own, value] of `up 1\n${text}`.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
      const labels = [...(own ? [own] : []), `instance="${instance}"`, 'job="pushnote"'].join(', ');
      scraped.push({ name, labels, value, series: `${name}{${labels}}` });
    }
  }
});

after(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
});

/** The last minute before something goes wrong, and a later one, when each alert that waits has waited. */
const ONSET = 30;
const LATER = 55;

const well = (value) => `${value}x${LATER}`;
/** A counter that stood still, and then counts so many each minute. */
const counts = (each) => `0x${ONSET} ${each}+${each}x${LATER - ONSET}`;
const becomes = (value, before = 0) => `${before}x${ONSET} ${value}x${LATER - ONSET}`;

/** What each alert speaks of: the courses of the series, by their names and some of their labels. The first is the one it names. */
const CAUSES = {
  PushnoteDown: [{ 'up{instance="server"}': becomes(0, 1) }, { 'up{instance="mq"}': becomes(0, 1) }],
  PushnoteMissedMessages: [{ pushnote_server_missed_messages_total: counts(1) }, { pushnote_server_zmq_missed_messages_total: counts(1) }],
  PushnoteDroppedMessages: [{ pushnote_mq_dropped_messages_total: counts(1) }],
  PushnoteServerBehind: [{ pushnote_mq_peer_behind_messages: becomes(10_001) }],
  PushnoteNobodyHeard: [{ pushnote_server_zmq_peers: becomes(0, 1) }],
  PushnoteGaps: [{ pushnote_server_gaps_total: counts(2), pushnote_server_opened_sessions_total: counts(10) }],
  PushnoteRefusedConnections: [
    { 'pushnote_server_http_refused_connections_total{cause="connections_max"}': counts(1) },
    { 'pushnote_server_http_refused_connections_total{cause="connections_per_ip_max"}': counts(1) },
  ],
  PushnoteRefusedTokens: [{ pushnote_server_refused_tokens_total: counts(2), pushnote_server_opened_sessions_total: counts(10) }],
  PushnoteRefusedMessages: [{ pushnote_server_refused_envelopes_total: counts(1) }],
  PushnoteNotKept: [{ pushnote_server_log_failed: becomes(1) }],
  PushnotePanic: [{ 'pushnote_panics_total{instance="server"}': counts(1) }, { 'pushnote_panics_total{instance="mq"}': counts(1) }],
  PushnoteLogLinesLost: [{ 'pushnote_log_lines_lost_total{instance="mq"}': counts(1) }],
};

/** Days on which nothing is wrong: a quiet one, and one on which much is done, and a little of it goes wrong in pages. */
const SOUND = [
  {},
  {
    pushnote_server_publications_total: counts(6000),
    pushnote_server_opened_sessions_total: counts(100),
    pushnote_server_gaps_total: counts(10),
    pushnote_server_refused_tokens_total: counts(10),
    pushnote_mq_peer_behind_messages: becomes(10_000),
  },
];

const isMeant = (key, { name, labels }) => {
  const [, wanted, some] = key.match(/^(\w+)(?:\{(.*)\})?$/);
  return name === wanted && (!some || labels.includes(some));
};

/** The labels of an alert that is about this series, which Prometheus compares as wholes. */
function labelsOf(alert, series) {
  const { end, ...labels } = Object.fromEntries([...series.labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
  if (alert === 'PushnoteServerBehind') return {};
  return alert !== 'PushnoteMissedMessages' && end ? { end, ...labels } : labels;
}

/** What promtool says of the page's rules over these courses: at each time, the labels of each alert that fires. */
function judge(courses, firing) {
  for (const key of Object.keys(courses)) assert.ok(scraped.some((each) => isMeant(key, each)), `neither server nor forwarder has ${key}`);
  const course = (each) => Object.entries(courses).find(([key]) => isMeant(key, each))?.[1] ?? well(each.value);
  const expected = (time, alerts, firing = {}) => alerts.map(({ name }) => ({ eval_time: `${time}m`, alertname: name, exp_alerts: firing[name] ?? [] }));
  const waiting = ALERTS.filter(({ waits }) => waits);
  writeFileSync(join(folder, 'rules.yml'), RULES);
  // Anything in JSON is in YAML, too.
  writeFileSync(join(folder, 'tests.yml'), JSON.stringify({
    rule_files: ['rules.yml'],
    evaluation_interval: '1m',
    tests: [{
      interval: '1m',
      input_series: scraped.map((each) => ({ series: each.series, values: course(each) })),
      alert_rule_test: [...expected(ONSET, ALERTS), ...expected(ONSET + 1, waiting), ...expected(LATER, ALERTS, firing)],
    }],
  }));
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['test', 'rules', 'tests.yml'], { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  return { status, said: stdout + stderr };
}

test('each alert has a cause', () => {
  assert.deepEqual(Object.keys(CAUSES), ALERTS.map(({ name }) => name));
});

test('the rules are sound, and promtool has nothing to say of them', { skip }, () => {
  writeFileSync(join(folder, 'rules.yml'), RULES);
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yml'], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, new RegExp(`SUCCESS: ${ALERTS.length} rules found`));
});

for (const [at, courses] of SOUND.entries()) {
  test(`no alert on a ${at ? 'busy' : 'quiet'} day`, { skip }, () => {
    const { status, said } = judge(courses, {});
    assert.equal(status, 0, said);
  });
}

for (const [alert, causes] of Object.entries(CAUSES)) {
  for (const courses of causes) {
    const [named] = Object.keys(courses);
    test(`${alert} by ${named}, and no other alert`, { skip }, () => {
      const about = scraped.filter((each) => isMeant(named, each));
      const { status, said } = judge(courses, { [alert]: about.map((each) => ({ exp_labels: labelsOf(alert, each) })) });
      assert.equal(status, 0, said);
    });
  }
}
