/** A process of a herd: `herd-caller.ts URL TENANT`. For each order it gets the value of a missing key, or produces it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheClient } from '../../lib/client/index.ts';
import { now } from '../faults/harness/clock.ts';

export interface Order {
  key: string;
  /** With leases, or with a get and, after a miss, a set. */
  how: 'getOrSet' | 'getThenSet';
  produceMs: number;
}

export interface Report {
  /** Milliseconds of the monotonic clock that all processes share. */
  began: number;
  ended: number;
  requests: number;
  produced: number;
}

const TTL_SECONDS = 3600;

const [url = '', tenant = ''] = process.argv.slice(2);
let requests = 0;
const cache = new CacheClient({
  url,
  tenant,
  fetch: (...request) => {
    requests++;
    return fetch(...request);
  },
});

async function execute({ key, how, produceMs }: Order): Promise<Report> {
  const before = requests;
  let produced = 0;
  const produce = async () => {
    produced++;
    await sleep(produceMs);
    return 'value';
  };
  const began = now();
  if (how === 'getOrSet') {
    // A busy machine may delay a healthy service.
    await cache.getOrSet(key, TTL_SECONDS, produce, { timeoutMs: 10_000 });
  } else if (!(await cache.get(key)).found) {
    await cache.set(key, await produce(), { ttl: TTL_SECONDS });
  }
  return { began, ended: now(), requests: requests - before, produced };
}

process.once('disconnect', () => process.exit());
process.on('message', async (order: Order) => process.send?.(await execute(order)));
// Warm up: first runs are slower.
for (const how of ['getOrSet', 'getThenSet'] as const) {
  await execute({ key: `warm-up:${process.pid}:${how}`, how, produceMs: 0 });
}
process.send?.('ready');
