import { isDeepStrictEqual } from 'node:util';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { bundle } from '../bundle.ts';
import type { BenchOptions, Comparison, Part } from '../part.ts';
import { type Cost, type Sandbox, startSandbox } from '../sandbox.ts';
import { compareSides, once, type Side } from '../side.ts';
import { embeddingsJson, recordsJson } from '../values.ts';

type Operation = 'get' | 'set';

interface Case {
  /** Size of the value, as text. */
  size: string;
  value: string;
  /** Calls per reading of the clocks, which take some tens of milliseconds. */
  batch: number;
  /** Maximum ratio of ours to the anchor's. Undefined if the ratio is only reported. */
  goals: Record<Operation, Partial<Cost>>;
}

const KEY = 'user:4711:profile';
const TTL_SECONDS = 3600;

const ANCHORS: Record<Operation, string> = {
  get: 'limit: bare ioredis GET, the text passed through',
  set: 'limit: bare ioredis SET … PX, the text passed through',
};

/**
 * Time of a warm function from event to response, beside the limit: a function that checks nothing and logs nothing. The part `peer`
 * compares with what people deploy. Both sides are bundles in separate processes that log at INFO to /dev/null and
 * use the same server.
 */
export const invocation: Part = {
  name: 'invocation',
  async run(options) {
    const cases: Case[] = [
      {
        size: '1 kB',
        value: recordsJson(1000),
        batch: 200,
        goals: { get: { wall: 1.25, cpu: 1.5 }, set: { wall: 1.6 } },
      },
      {
        size: '700 kB',
        value: embeddingsJson(700_000),
        batch: 5,
        goals: { get: { wall: 1.5 }, set: { wall: 2.5 } },
      },
    ];
    const { outdir } = await bundles();
    const anchors = await bundle({ get: 'anchors/get.ts', set: 'anchors/set.ts' });
    try {
      const comparisons: Comparison[] = [];
      for (const each of cases) comparisons.push(...(await measure(each, outdir, anchors.outdir, options)));
      return comparisons;
    } finally {
      await anchors.remove();
    }
  },
};

/** Measures one case with new functions and a new server. */
async function measure(
  { size, value, batch, goals }: Case,
  oursIn: string,
  theirsIn: string,
  options: BenchOptions,
): Promise<Comparison[]> {
  const server = await startServer();
  const sandboxes: Sandbox[] = [];
  const side = async (operation: Operation, outdir: string, event: unknown): Promise<Side> => {
    const sandbox = await startSandbox(operation, outdir, server.url);
    sandboxes.push(sandbox);
    return { sandbox, event, status: operation === 'get' ? 200 : 201 };
  };
  try {
    const headers = { 'X-Tenant-ID': 'tenant_123' };
    const get = eventFor('get', { parameters: { key: KEY }, headers });
    const body = `{"key":${JSON.stringify(KEY)},"value":${value},"ttl":${TTL_SECONDS}}`;
    const set = eventFor('set', { body, headers });
    const plainSet = eventFor('set', { body: value, query: `key=${KEY}&ttl=${TTL_SECONDS}`, headers });
    const pairs = {
      set: { ours: await side('set', oursIn, set), theirs: await side('set', theirsIn, plainSet) },
      get: { ours: await side('get', oursIn, get), theirs: await side('get', theirsIn, get) },
    };
    await once(pairs.set.ours);
    await once(pairs.set.theirs);
    const found = JSON.parse((await once(pairs.get.ours)) ?? '').data.value;
    if (!isDeepStrictEqual(found, JSON.parse(value))) throw new Error('Our get returns something else');
    if ((await once(pairs.get.theirs)) !== value) throw new Error("The anchor's get returns something else");

    const comparisons: Comparison[] = [];
    for (const operation of ['get', 'set'] as const) {
      options.say(`${operation} of ${size}`);
      const { ours, theirs } = pairs[operation];
      const { wall, cpu } = await compareSides(ours, theirs, batch, options);
      const row = { anchor: ANCHORS[operation], unit: 'µs' };
      const goal = (atMost: number | undefined) => (atMost === undefined ? {} : { goal: { atMost } });
      comparisons.push(
        { what: `warm ${operation} of ${size}, time`, ...row, ...wall, ...goal(goals[operation].wall) },
        { what: `warm ${operation} of ${size}, CPU`, ...row, ...cpu, ...goal(goals[operation].cpu) },
      );
    }
    return comparisons;
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
    await server.stop();
  }
}
