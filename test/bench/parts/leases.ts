import { join } from 'node:path';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { PATIENT } from '../../support/patience.ts';
import { bundle } from '../bundle.ts';
import { type HerdCost, startHerd } from '../herd.ts';
import { startHttpServer } from '../http-server.ts';
import type { MissEvents } from '../miss.ts';
import { type BenchOptions, type Comparison, type Part, takeTurns } from '../part.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';
import { compareSides, once, type Side } from '../side.ts';
import { recordsJson } from '../values.ts';

const SERVICE = join(import.meta.dirname, '../../../infra/server/main.ts');
const KEY = 'user:4711:profile';
const TTL_SECONDS = 3600;
const LEASE_SECONDS = 30;

const PRODUCE_MS = 500;
/** Waiting callers retry after half of the time that the producer has taken so far, plus or minus a quarter of that. */
const MAX_HERD_OVERHEAD_MS = 600;

/** The cost of leases compared with the same operations without leases: a hit, a miss, and a herd of processes that miss one key. */
export const leases: Part = {
  name: 'leases',
  async run(options) {
    return [...(await measureInvocations(options)), ...(await measureHerd(options))];
  },
};

/** Time of warm functions from event to response, as in `invocation`. */
async function measureInvocations(options: BenchOptions): Promise<Comparison[]> {
  const { outdir } = await bundles();
  const misses = await bundle({ 'lease-fill': 'lease-fill.ts', 'get-set': 'anchors/get-set.ts' });
  const server = await startServer();
  const sandboxes: Sandbox[] = [];
  const side = async (name: string, directory: string, event: unknown, status: number): Promise<Side> => {
    const sandbox = await startSandbox(name, directory, server.url);
    sandboxes.push(sandbox);
    return { sandbox, event, status };
  };
  const headers = { 'X-Tenant-ID': 'tenant_123' };
  const value = recordsJson(1000);
  const setEvent = (key: string, lease = '') =>
    eventFor('set', { body: `{"key":"${key}","value":${value},"ttl":${TTL_SECONDS}${lease}}`, headers });
  const leaseEvent = (key: string) => eventFor('lease', { body: { key, lease: LEASE_SECONDS }, headers });
  const getEvent = (key: string) => eventFor('get', { parameters: { key }, headers });
  try {
    const hits = {
      ours: await side('lease', outdir, leaseEvent(KEY), 200),
      theirs: await side('get', outdir, getEvent(KEY), 200),
    };
    await once(await side('set', outdir, setEvent(KEY), 201));
    const fill: MissEvents = { lookup: leaseEvent('KEY'), set: setEvent('KEY', ',"lease":"TOKEN"') };
    const plain: MissEvents = { lookup: getEvent('KEY'), set: setEvent('KEY') };
    const missing = {
      ours: await side('lease-fill', misses.outdir, fill, 201),
      theirs: await side('get-set', misses.outdir, plain, 201),
    };
    const rows = [
      { what: 'warm lease request that hits 1 kB', anchor: 'our get', ...hits, batch: 200, atMost: 1.15 },
      { what: 'lease miss + fill of 1 kB', anchor: 'our get + set', ...missing, batch: 100, atMost: 1.6 },
    ];
    const comparisons: Comparison[] = [];
    for (const { what, anchor, ours, theirs, batch, atMost } of rows) {
      options.say(what);
      for (const each of [ours, theirs]) {
        if (!(await once(each))?.includes('"success":true')) throw new Error(`${what} has failed`);
      }
      const { wall, cpu } = await compareSides(ours, theirs, batch, options);
      const row = { anchor, unit: 'µs' };
      comparisons.push(
        { what: `${what}, time`, ...row, ...wall, goal: { atMost } },
        { what: `${what}, CPU`, ...row, ...cpu },
      );
    }
    return comparisons;
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
    await Promise.all([server.stop(), misses.remove()]);
  }
}

/** Client processes and the local server on one machine. */
async function measureHerd({ size, rounds, say }: BenchOptions): Promise<Comparison[]> {
  const processes = size === 'tiny' ? 4 : 50;
  say(`herd of ${processes} processes`);
  const server = await startServer();
  const environment = { ...PATIENT, DRAGONFLY_URL: server.url, LOG_LEVEL: 'ERROR' };
  const service = await startHttpServer(async () => [process.execPath, SERVICE], environment);
  try {
    const herd = await startHerd(service.url, processes);
    try {
      const ours: HerdCost[] = [];
      const theirs: HerdCost[] = [];
      const turn = async (how: 'getOrSet' | 'getThenSet', costs: HerdCost[]) => {
        const cost = await herd.run(how, PRODUCE_MS);
        costs.push(cost);
        return cost.overheadMs;
      };
      const overhead = await takeTurns(
        rounds,
        () => turn('getOrSet', ours),
        () => turn('getThenSet', theirs),
      );
      const title = `herd of ${processes} processes that miss one key`;
      const anchor = 'get, produce, set in each';
      const compare = (what: string, unit: string, of: (cost: HerdCost) => number) => ({
        ...{ what: `${title}, ${what}`, anchor, unit },
        ...{ ours: ours.map(of), theirs: theirs.map(of) },
      });
      const late = `until the last has its value, less the ${PRODUCE_MS} ms of the producer`;
      return [
        { ...compare('producers', 'calls', ({ producers }) => producers), goal: { atMost: 1 / processes } },
        {
          ...{ what: `${title}, ${late}`, anchor: 'the limit', unit: 'ms' },
          ...{ ours: overhead.ours, theirs: overhead.ours.map(() => MAX_HERD_OVERHEAD_MS) },
          goal: { atMost: 1 },
        },
        { what: `${title}, ${late}`, anchor, unit: 'ms', ...overhead },
        compare('requests', 'requests', ({ requests }) => requests),
      ];
    } finally {
      await herd.stop();
    }
  } finally {
    await service.stop();
    await server.stop();
  }
}
