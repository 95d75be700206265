import { CacheClient, type ClientOptions } from '../../lib/client/index.ts';
import { describeOnEveryBackend } from '../http/client.ts';

/** Declares a suite for every backend, as `describeOnEveryBackend`. `open` returns a client for a new tenant. */
export function describeWithCaches(
  name: string,
  suite: (open: (options?: Partial<ClientOptions>) => CacheClient) => void,
): void {
  describeOnEveryBackend(name, {}, (connect) => {
    suite((options) => {
      const { port, tenant } = connect();
      return new CacheClient({ url: `http://127.0.0.1:${port}`, tenant, timeoutMs: 20_000, ...options });
    });
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
