import { setTimeout as sleep } from 'node:timers/promises';
import { infoFields, masters, withRawClient } from '../../support/engines/inspect.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { check } from '../harness/checker.ts';
import { now } from '../harness/clock.ts';
import { emptyFigures, type Figures } from '../harness/figures.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import type { InstanceRequest, Report } from './instances.ts';
import { populate } from './population.ts';

/** Time after the restart in which the restart still explains failures, in milliseconds. */
const GRACE_MS = 3000;
/** Lambda starts at most a thousand instances of a function in ten seconds. These start in a fifth of that time. */
const STARTED_WITHIN_MS = 2000;
const BUCKET_MS = 10;
/** Timeout until all instances are connected, in milliseconds. */
const CONNECT_TIMEOUT_MS = 30_000;

/** Many function instances start at the same time. Then the server is killed and restarted. */
export const storm: Scenario = {
  name: 'storm',
  breaks: 'a thousand function instances start within two seconds, and the server restarts',
  async run({ pick, log }: Run) {
    const server = await startServer();
    const [processes, each] = pick([2, 50], [10, 100]);
    const population = await populate(server.url, processes, each, STARTED_WITHIN_MS);
    try {
      const opened = now();
      population.open();
      await sleep(STARTED_WITHIN_MS);
      const before = await connectedTo(server, processes * each);
      await sleep(pick(500, 4000));
      const killed = now();
      await server.kill();
      await sleep(pick(600, 1500));
      await server.restart();
      const back = now();
      const after = await connectedTo(server, processes * each);
      // Every instance sends a request in this time.
      await sleep(pick(4000, 6000));
      const reports = await population.stop();
      log(`${before.connected} connections before the restart, ${after.connected} after it`);
      return judge(reports, { opened, killed, back }, processes * each, { before, after });
    } finally {
      population.kill();
      await server.stop();
    }
  },
};

interface Moments {
  opened: number;
  killed: number;
  back: number;
}

interface Clients {
  connected: number;
  refused: number;
}

/** Waits until `count` clients are connected, or until the timeout. */
async function connectedTo(server: Server, count: number): Promise<Clients & { at: number }> {
  const deadline = now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    const clients = { ...(await clientsOf(server)), at: now() };
    if (clients.connected >= count || clients.at > deadline) return clients;
    await sleep(50);
  }
}

async function clientsOf(server: Server): Promise<Clients> {
  return withRawClient(server.url, async (client) => {
    const [node] = masters(client);
    if (!node) throw new Error('No node');
    const { connected_clients } = await infoFields(node, 'clients');
    const { rejected_connections } = await infoFields(node, 'stats');
    // Without the connection of this query.
    return { connected: Number(connected_clients) - 1, refused: Number(rejected_connections ?? 0) };
  });
}

function judge(
  reports: Report[],
  { opened, killed, back }: Moments,
  instances: number,
  clients: { before: Clients & { at: number }; after: Clients & { at: number } },
): Figures {
  const figures = emptyFigures();
  const asked = reports.flatMap((report) => report.asked);
  let failedAtStart = 0;
  for (const { began, ended, failure } of asked) {
    figures.requests++;
    figures.slowestMs = Math.max(figures.slowestMs, ended - began);
    if (failure === undefined) {
      figures.slowestSuccessMs = Math.max(figures.slowestSuccessMs, ended - began);
      continue;
    }
    const name = `503 ${failure}`;
    figures.failures[name] = (figures.failures[name] ?? 0) + 1;
    figures.slowest503Ms = Math.max(figures.slowest503Ms, ended - began);
    const starting = began <= clients.before.at;
    if (starting) failedAtStart++;
    const away = ended >= killed && began <= clients.after.at + GRACE_MS;
    if (failure === 'BACKEND_UNAVAILABLE' && (starting || away)) continue;
    figures.unexplained++;
    figures.problems.push(`${failure} ${Math.round(began - opened)} ms after the start`);
  }
  const { hits, findings } = check(reports.flatMap((report) => report.history));
  figures.hits = hits;
  for (const { violation } of findings) figures[violation === 'older' ? 'stale' : violation]++;

  const served = sum(reports.map((report) => servedAfter(report.asked, opened)));
  const again = sum(reports.map((report) => servedAfter(report.asked, back)));
  const refused = clients.before.refused + clients.after.refused;
  for (const [missing, what] of [
    [instances - served, 'were never served'],
    [instances - again, 'got no successful response after the restart'],
    [refused, 'connections were refused'],
    [Math.max(0, instances - clients.after.connected), 'had no connection after the restart'],
  ] as const) {
    if (missing === 0) continue;
    figures.unexplained += missing;
    figures.problems.push(`${missing} ${what}`);
  }
  figures.recoveryMs = { get: clients.after.at - back };
  const attempts = reports.flatMap((report) => report.attempts);
  Object.assign(figures.notes, {
    instances,
    'all connected after their start': `${Math.round(clients.before.at - opened)} ms`,
    'all connected again after the restart': `${Math.round(clients.after.at - back)} ms`,
    'requests that failed while they started': failedAtStart,
    'attempts to connect at the start': attempts.filter((at) => at < killed).length,
    'attempts while the server was away': spread(
      attempts.filter((at) => at >= killed && at < back),
      killed,
      back,
    ),
    'attempts after it was back': spread(
      attempts.filter((at) => at >= back),
      back,
      back + CONNECT_TIMEOUT_MS,
    ),
  });
  figures.lagMs = Math.max(...reports.map(({ lagMs }) => lagMs));
  figures.problems.splice(5);
  return figures;
}

/** Number of instances with a successful request that began after `since`. */
function servedAfter(asked: InstanceRequest[], since: number): number {
  const served = asked.filter(({ began, failure }) => began >= since && failure === undefined);
  return new Set(served.map(({ instance }) => instance)).size;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Describes the distribution of attempts: the total, and the median and maximum per span of BUCKET_MS. */
function spread(attempts: number[], from: number, to: number): string {
  const buckets = new Map<number, number>();
  for (const at of attempts) {
    if (at > to) continue;
    const bucket = Math.floor((at - from) / BUCKET_MS);
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
  }
  const counts = [...buckets.values()].sort((a, b) => a - b);
  const median = counts[counts.length >> 1] ?? 0;
  return `${attempts.length} in ${counts.length} spans of ${BUCKET_MS} ms, ${median} in the median one, ${counts.at(-1) ?? 0} at most`;
}
