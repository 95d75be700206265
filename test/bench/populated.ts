import type { Glob } from '../../lib/store/glob.ts';
import {
  type Backend,
  inBatches,
  keysAndUnlink,
  scanAndUnlink,
  startBackend,
  TTL_SECONDS,
  timed,
} from './backend.ts';
import { median } from './part.ts';

/** A tenant's keys, and a pattern for those that are removed repeatedly. */
export interface Tenant {
  name: string;
  /** All keys. */
  keys: string[];
  /** The pattern of the removed keys, as a caller sends it and as the service compiles it. */
  pattern: string;
  glob: Glob;
}

/** A store of a certain size that contains the tenant's entries twice: as the service stores them, and as bare keys. */
export interface Populated {
  /** Each removes the matching keys and returns the duration in milliseconds. Afterwards it restores the keys, which is not measured. */
  ours(): Promise<number>;
  scan(): Promise<number>;
  keys(): Promise<number>;
  stop(): Promise<void>;
}

const VALUE = JSON.stringify('x'.repeat(98));

/** Our invalidation takes milliseconds, so a sample is the median of several. */
const REPEATS = 5;

/** @param total minimum number of keys in the store, most of them of other tenants */
export async function populate(tenant: Tenant, total: number): Promise<Populated> {
  const backend = await startBackend();
  const { store, raw } = backend;
  const matching = tenant.keys.filter((key) => tenant.glob.matches(Buffer.from(key)));
  const bare = (key: string) => `cache:${tenant.name}:${key}`;
  const putBack = (keys: string[]) =>
    inBatches(keys.length, (i) => store.set(tenant.name, keys[i] as string, VALUE, TTL_SECONDS));
  const putBackBare = (keys: string[]) =>
    inBatches(keys.length, (i) => raw.set(bare(keys[i] as string), VALUE, 'EX', TTL_SECONDS));

  const removeOurs = async () => {
    const milliseconds = await timed(matching.length, async () => {
      const deadline = Date.now() + 25_000;
      return (await store.invalidate(tenant.name, tenant.glob, deadline)).count;
    });
    await putBack(matching);
    return milliseconds;
  };
  const removeBare = async (remove: typeof scanAndUnlink) => {
    const milliseconds = await timed(matching.length, () => remove(raw, bare(tenant.pattern)));
    await putBackBare(matching);
    return milliseconds;
  };

  try {
    await putBack(tenant.keys);
    await putBackBare(tenant.keys);
    await fillUp(backend, total);
    // Warm up: first runs are slower on both sides.
    for (let i = 0; i < 3; i++) await removeOurs();
  } catch (error) {
    await backend.stop();
    throw error;
  }
  return {
    async ours() {
      const samples: number[] = [];
      while (samples.length < REPEATS) samples.push(await removeOurs());
      return median(samples);
    },
    scan: () => removeBare(scanAndUnlink),
    keys: () => removeBare(keysAndUnlink),
    stop: backend.stop,
  };
}

/** Adds keys of other tenants in the fastest way. They are never read. */
export async function fillUp({ raw }: Backend, total: number): Promise<void> {
  const missing = total - (await raw.dbsize());
  const size = 500;
  await inBatches(Math.ceil(Math.max(0, missing) / size), async (batch) => {
    const count = Math.min(size, missing - batch * size);
    // One hash tag per command, as Dragonfly requires when it emulates a cluster.
    const pairs = Array.from({ length: count }, (_, i) => [`{cache:other-${batch}:0}:e:item:${i}`, VALUE]);
    await raw.mset(...pairs.flat());
  });
}
