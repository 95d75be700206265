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

/** A tenant's entries, some of which are to be removed over and over again. */
export interface Tenant {
  name: string;
  /** The names of all of its keys. */
  keys: string[];
  /** Which of them go, as a caller names them and as the service compiles it. */
  pattern: string;
  glob: Glob;
}

/** A store of a certain size in which the tenant's entries lie twice: as the service keeps them, and as bare keys. */
export interface Populated {
  /** Each removes what matches and answers how long that took in milliseconds; then, untimed, all is put back. */
  ours(): Promise<number>;
  scan(): Promise<number>;
  keys(): Promise<number>;
  stop(): Promise<void>;
}

const VALUE = JSON.stringify('x'.repeat(98));

/** Ours is over in milliseconds, so one sample is the median of some. */
const REPEATS = 5;

/** @param total keys in the store at least, most of them other tenants' */
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
    // What is run for the first time is slower on both sides.
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

/** Other tenants' keys. They only have to be there, so they are written in the quickest way. */
export async function fillUp({ raw }: Backend, total: number): Promise<void> {
  const missing = total - (await raw.dbsize());
  const size = 500;
  await inBatches(Math.ceil(Math.max(0, missing) / size), async (batch) => {
    const count = Math.min(size, missing - batch * size);
    // One hash tag a command: Dragonfly takes no others when it emulates a cluster.
    const pairs = Array.from({ length: count }, (_, i) => [`{cache:other-${batch}:0}:e:item:${i}`, VALUE]);
    await raw.mset(...pairs.flat());
  });
}
