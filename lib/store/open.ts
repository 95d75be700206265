import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import { type CacheStore, noLimits, noObserver } from './store.ts';

/**
 * Opens the store that the configuration selects. The code of a backend is loaded only if it is used.
 *
 * Does not fail if the backend cannot be reached: requests get a 503 until it can.
 */
export async function openStore(
  config: Config,
  log: Log,
  observer = noObserver,
  limitsOf = noLimits,
): Promise<CacheStore> {
  if (!config.backend && !config.secretArn) {
    if (config.onLambda) {
      log.warn(
        'DRAGONFLY_URL is not set: this function instance caches in its own memory, which it shares with no other instance',
      );
    }
    const { MemoryStore } = await import('./memory/store.ts');
    return new MemoryStore({ ...config, observer, limitsOf });
  }
  const { openRedisStore } = await import('./redis/store.ts');
  return openRedisStore(config, log, observer, undefined, limitsOf);
}
