import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import type { Client } from '../../lib/store/redis/connection/client.ts';
import { Connection } from '../../lib/store/redis/connection/connection.ts';
import { accessSource } from '../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../lib/store/redis/connection/profiles.ts';
import { RedisStore } from '../../lib/store/redis/store.ts';
import { PATIENT } from '../support/patience.ts';

type Settings = { shards?: number; compressMinBytes?: number };

/** A store on a server that calls and awaits `afterRoundTrip` after every round trip. */
export async function openObserved(
  url: string,
  settings: Settings,
  afterRoundTrip: () => Promise<void> = async () => {},
): Promise<RedisStore> {
  let heard = true;
  class Observed extends Connection {
    override async run<T>(commands: (client: Client) => Promise<T>): Promise<T> {
      const result = await super.run(commands);
      // Round trips of the listener itself are not reported.
      if (!heard) return result;
      heard = false;
      await afterRoundTrip().finally(() => {
        heard = true;
      });
      return result;
    }
  }
  const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });
  const config = readConfig({ ...PATIENT, DRAGONFLY_URL: url });
  const connection = new Observed(accessSource(config), profileFor(config), log);
  const store = new RedisStore({ shards: 16, compressMinBytes: 0, ...settings }, connection);
  await store.readClock();
  return store;
}
