import { readConfig } from '../../../lib/config/config.ts';
import { type Client, createClient } from '../../../lib/store/redis/connection/client.ts';
import { accessSource } from '../../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../../lib/store/redis/connection/profiles.ts';
import { startBackend, TTL_SECONDS } from '../backend.ts';
import { type Part, takeTurns } from '../part.ts';
import { recordsJson } from '../values.ts';

/** Number of concurrent sets. */
const CONCURRENCY = 64;

/** Number of keys. They are overwritten repeatedly. */
const NAMES = 10_000;

/** Maximum throughput of sets on one server. */
export const sets: Part = {
  name: 'sets',
  async run({ size, rounds }) {
    const milliseconds = size === 'tiny' ? 200 : 3_000;
    const value = recordsJson(1_000);
    const backend = await startBackend();
    let client: Client | undefined;
    try {
      client = await connectAsTheStore(backend.server.url);
      const bare = client;
      const ours = (i: number) => backend.store.set('measured', `item:${i}`, value, TTL_SECONDS);
      const theirs = (i: number) => bare.set(`plain:item:${i}`, value, 'PX', TTL_SECONDS * 1000);
      for (const set of [ours, theirs]) await rateOf(set, milliseconds / 4);
      const samples = await takeTurns(
        rounds,
        () => rateOf(ours, milliseconds),
        () => rateOf(theirs, milliseconds),
      );
      const what = `sets of 1 kB, ${CONCURRENCY} at once`;
      return [{ what, anchor: 'bare SET', unit: 'sets/s', ...samples }];
    } finally {
      client?.disconnect();
      await backend.stop();
    }
  },
};

/** Connects a client with the same settings as the store's, so that only the work of the store is compared. */
async function connectAsTheStore(url: string): Promise<Client> {
  const access = await accessSource(readConfig({ DRAGONFLY_URL: url }))();
  const client = createClient(access, profileFor(readConfig({})));
  await client.connect();
  return client;
}

/** Measures the number of sets per second. */
async function rateOf(set: (index: number) => Promise<unknown>, milliseconds: number): Promise<number> {
  const start = performance.now();
  let next = 0;
  const worker = async () => {
    while (performance.now() - start < milliseconds) await set(next++ % NAMES);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return (next / (performance.now() - start)) * 1000;
}
