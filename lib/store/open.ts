import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import { type CacheStore, noObserver } from './store.ts';

/**
 * Opens the store that the settings name. Each backend's code is loaded only when it is used.
 *
 * A backend that cannot be reached does not fail the start: requests are answered 503 until it is there.
 */
export async function openStore(config: Config, log: Log, observer = noObserver): Promise<CacheStore> {
  if (!config.backend && !config.secretArn) {
    if (config.onLambda) {
      log.warn(
        'DRAGONFLY_URL is not set: this function instance caches in a memory of its own, shared with no other',
      );
    }
    const { EmbeddedStore } = await import('./memory.ts');
    return new EmbeddedStore(config);
  }
  const { openDragonflyStore } = await import('./redis/store.ts');
  return openDragonflyStore(config, log, observer);
}
