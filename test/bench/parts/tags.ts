import { compileGlob } from '../../../lib/store/glob.ts';
import { type Backend, inBatches, scanAndUnlink, startBackend, TTL_SECONDS, timed } from '../backend.ts';
import { type BenchOptions, type Comparison, type Part, takeTurns } from '../part.ts';
import { fillUp } from '../populated.ts';
import { memoryOf, serverTime } from '../server-cost.ts';
import { loadTenant } from '../tenant.ts';
import { recordsJson } from '../values.ts';

const TENANT = 'measured';
const VALUE = recordsJson(100);
const soon = () => Date.now() + 25_000;

/** What tags cost: an invalidation, a set, memory. And what a page of keys costs. */
export const tags: Part = {
  name: 'tags',
  async run(options) {
    const totals = options.size === 'tiny' ? [2_000] : [10_000, 1_000_000];
    const comparisons: Comparison[] = [];
    for (const total of totals) comparisons.push(...(await invalidations(options, total)));
    return [...comparisons, ...(await sets(options)), await page(options)];
  },
};

const nameOf = (index: number) => `item:${String(index).padStart(6, '0')}`;

/** Sets entries, each with tags of its own place and `t0`, `t1` … */
function load({ store }: Backend, prefix: string, count: number, tagCount: number): Promise<void> {
  const tags = Array.from({ length: tagCount }, (_, i) => `t${i}`);
  return inBatches(count / 100, (batch) =>
    store.setMany(
      TENANT,
      Array.from({ length: 100 }, (_, i) => ({
        key: prefix + nameOf(batch * 100 + i),
        value: VALUE,
        ttlSeconds: TTL_SECONDS,
        tags,
      })),
    ),
  );
}

async function invalidations({ size, rounds, say }: BenchOptions, total: number): Promise<Comparison[]> {
  const count = size === 'tiny' ? 100 : 1_000;
  const backend = await startBackend();
  const { store, raw } = backend;
  try {
    say(`fills a store of ${total}`);
    await load(backend, 'other:', count, 0);
    await fillUp(backend, total);
    const measure = async (tagCount: number, remove: () => Promise<number>) => {
      await load(backend, 'doc:', count, tagCount);
      return timed(count, remove);
    };
    const byTag = (tagCount: number) =>
      measure(tagCount, async () => (await store.invalidateTags(TENANT, ['t0'], soon())).count);
    const byPattern = (tagCount: number) =>
      measure(tagCount, async () => (await store.invalidate(TENANT, compileGlob('doc:*'), soon())).count);
    const byScan = async () => {
      await inBatches(count, (i) => raw.set(`bare:doc:${nameOf(i)}`, VALUE));
      return timed(count, () => scanAndUnlink(raw, 'bare:doc:*'));
    };
    for (const way of [() => byTag(3), () => byPattern(3), byScan]) await way();
    const what = (tagCount: number) =>
      `invalidate a tag of ${count} entries of ${tagCount} tags in a store of ${total.toLocaleString('en-US')}`;
    const comparisons: Comparison[] = [];
    for (const tagCount of [3, 16]) {
      const samples = await takeTurns(
        rounds,
        () => byTag(tagCount),
        () => byPattern(tagCount),
      );
      const anchor = 'a pattern that matches the same entries';
      comparisons.push({ what: what(tagCount), anchor, unit: 'ms', goal: { atMost: 1.3 }, ...samples });
    }
    const scanned = await takeTurns(rounds, () => byTag(3), byScan);
    comparisons.push({ what: what(3), anchor: 'SCAN MATCH + UNLINK', unit: 'ms', ...scanned });
    return comparisons;
  } finally {
    await backend.stop();
  }
}

async function sets({ size, rounds }: BenchOptions): Promise<Comparison[]> {
  const count = size === 'tiny' ? 500 : 20_000;
  const backend = await startBackend();
  const { raw } = backend;
  try {
    await load(backend, '', 1000, 3);
    const time = async (tagCount: number) => {
      await raw.flushall();
      return (await serverTime(raw, () => load(backend, '', count, tagCount))) / count;
    };
    const bytes = async (tagCount: number) =>
      (await memoryOf(raw, () => load(backend, '', count, tagCount))) / count;
    const comparisons: Comparison[] = [];
    for (const tagCount of [1, 3]) {
      const what = `of a set with ${tagCount} ${tagCount === 1 ? 'tag' : 'tags'}`;
      const anchor = 'without tags';
      const times = await takeTurns(
        rounds,
        () => time(tagCount),
        () => time(0),
      );
      const sizes = await takeTurns(
        Math.min(rounds, 2),
        () => bytes(tagCount),
        () => bytes(0),
      );
      const goal = tagCount === 3 ? { atMost: 2 } : undefined;
      comparisons.push(
        { what: `server time ${what}`, anchor, unit: 'µs', goal, ...times },
        { what: `memory ${what}`, anchor, unit: 'bytes', ...sizes },
      );
    }
    return comparisons;
  } finally {
    await backend.stop();
  }
}

async function page({ size, rounds, say }: BenchOptions): Promise<Comparison> {
  const [few, many] = size === 'tiny' ? [2_000, 4_000] : [10_000, 1_000_000];
  const backend = await startBackend();
  try {
    for (const count of [few, many]) {
      say(`fills a tenant of ${count}`);
      await loadTenant(backend, `of-${count}`, count);
    }
    const list = async (count: number) => {
      const filter = { pattern: compileGlob('*'), limit: 1000 };
      return timed(
        1000,
        async () => (await backend.store.listKeys(`of-${count}`, filter, soon())).keys.length,
      );
    };
    for (const count of [few, many]) await list(count);
    const samples = await takeTurns(
      rounds,
      () => list(many),
      () => list(few),
    );
    const what = `a page of 1,000 keys of a tenant of ${many.toLocaleString('en-US')}`;
    return {
      what,
      anchor: `a tenant of ${few.toLocaleString('en-US')}`,
      unit: 'ms',
      goal: { atMost: 1.5 },
      ...samples,
    };
  } finally {
    await backend.stop();
  }
}
