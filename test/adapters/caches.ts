import { CacheClient, type ClientOptions } from '../../lib/client/index.ts';
import { describeOnBackends } from '../http/client.ts';

/**
 * Declares a suite as `describeOnBackends` does. `open` returns a client for a new tenant, and `url` the service's
 * address.
 */
export function describeWithCaches(
  name: string,
  suite: (open: (options?: Partial<ClientOptions>) => CacheClient, url: () => string) => void,
): void {
  describeOnBackends(name, {}, (connect) => {
    const url = () => `http://127.0.0.1:${connect().port}`;
    suite(
      (options) => new CacheClient({ url: url(), tenant: connect().tenant, timeoutMs: 20_000, ...options }),
      url,
    );
  });
}

/** A client whose service cannot be reached. */
export function unreachableCache(options: Partial<ClientOptions> = {}): CacheClient {
  return new CacheClient({
    url: 'http://localhost',
    tenant: 'tenant',
    retries: 0,
    fetch: () => Promise.reject(new TypeError('fetch failed')),
    ...options,
  });
}
