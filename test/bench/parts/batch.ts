import { isDeepStrictEqual } from 'node:util';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { bundle } from '../bundle.ts';
import type { BenchOptions, Comparison, Part } from '../part.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';
import { compareSides, once, type Side } from '../side.ts';
import { embeddingsJson, recordsJson } from '../values.ts';

/** Maximum number of keys in a batch. */
const COUNT = 100;

const TTL_SECONDS = 3600;

const keys = Array.from({ length: COUNT }, (_, i) => `user:${i}:profile`);

interface Case {
  size: string;
  value: string;
  /** Maximum ratio of a batch of gets to the bare MGET. */
  goal?: number;
}

/**
 * Time of a batch of a hundred keys from event to response, compared with the bare commands and with a hundred calls of the
 * function for one key. All are warm bundles in separate processes that use the same server.
 */
export const batch: Part = {
  name: 'batch',
  async run(options) {
    const cases: Case[] = [
      { size: '1 kB', value: recordsJson(1000), goal: 2 },
      { size: '17 kB of embeddings', value: embeddingsJson(17_000) },
    ];
    const { outdir } = await bundles();
    const anchors = await bundle({
      'batch-get': 'anchors/batch-get.ts',
      'batch-set': 'anchors/batch-set.ts',
    });
    try {
      const comparisons: Comparison[] = [];
      for (const each of cases) comparisons.push(...(await measure(each, outdir, anchors.outdir, options)));
      return comparisons;
    } finally {
      await anchors.remove();
    }
  },
};

async function measure(
  { size, value, goal }: Case,
  oursIn: string,
  theirsIn: string,
  options: BenchOptions,
): Promise<Comparison[]> {
  const server = await startServer();
  const sandboxes: Sandbox[] = [];
  const start = async (name: string, outdir: string) => {
    const sandbox = await startSandbox(name, outdir, server.url);
    sandboxes.push(sandbox);
    return sandbox;
  };
  const headers = { 'X-Tenant-ID': 'tenant_123' };
  const item = (key: string) => `{"key":"${key}","value":${value},"ttl":${TTL_SECONDS}}`;
  const events = {
    get: eventFor('get', { parameters: { key: keys[0] as string }, headers }),
    set: eventFor('set', { body: item(keys[0] as string), headers }),
    'batch-get': eventFor('batch-get', { body: { keys }, headers }),
    'batch-set': eventFor('batch-set', { body: `{"items":[${keys.map(item)}]}`, headers }),
  };
  const side = async (name: keyof typeof events, outdir: string): Promise<Side> => ({
    sandbox: await start(name, outdir),
    event: events[name],
    status: name.endsWith('get') ? 200 : 201,
    calls: name.startsWith('batch') ? 1 : COUNT,
  });
  try {
    const sets = await side('batch-set', oursIn);
    const bareSets = await side('batch-set', theirsIn);
    const gets = await side('batch-get', oursIn);
    const bareGets = await side('batch-get', theirsIn);
    await once(sets);
    await once(bareSets);
    const expected = Array(COUNT).fill(JSON.parse(value));
    const found = JSON.parse((await once(gets)) ?? '').data.items.map(
      (each: { value: unknown }) => each.value,
    );
    if (!isDeepStrictEqual(found, expected)) throw new Error('Our batch returns something else');
    if (!isDeepStrictEqual(JSON.parse((await once(bareGets)) ?? ''), expected)) {
      throw new Error("The anchor's batch returns something else");
    }
    const rows: [what: string, ours: Side, anchor: string, theirs: Side, goal?: number][] = [
      ['gets', gets, 'limit: bare ioredis MGET, the texts passed through', bareGets, goal],
      ['gets', gets, `${COUNT} single gets, one after the other`, await side('get', oursIn)],
      ['sets', sets, 'ioredis pipeline of SET … PX', bareSets],
      ['sets', sets, `${COUNT} single sets, one after the other`, await side('set', oursIn)],
    ];
    const comparisons: Comparison[] = [];
    for (const [what, ours, anchor, theirs, goal] of rows) {
      options.say(`batch of ${COUNT} ${what} of ${size}: ${anchor}`);
      const { wall, cpu } = await compareSides(ours, theirs, 10, options);
      const row = { anchor, unit: 'µs' };
      const title = `batch of ${COUNT} ${what} of ${size}`;
      comparisons.push({
        what: `${title}, time`,
        ...row,
        ...wall,
        ...(goal !== undefined && { goal: { atMost: goal } }),
      });
      if (theirs.calls === 1) comparisons.push({ what: `${title}, CPU`, ...row, ...cpu });
    }
    return comparisons;
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
    await server.stop();
  }
}
