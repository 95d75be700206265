import { expect } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import { presets } from '../../lib/store/redis/connection/profiles.ts';
import type { CacheStore } from '../../lib/store/store.ts';

const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });

/** How long the slowest failure may take: its own limit, and what a loaded machine adds. */
const PATIENCE_MS = presets.server.operationTimeout + 2_000;

/** Where the service runs, which decides how long it waits for what. */
export type Environment = 'local server' | 'Lambda';

/** Opens the store of a backend, given as in `DRAGONFLY_URL`, as the service does there with further `settings`. */
export function open(
  url: string,
  on: Environment,
  settings: Record<string, string> = {},
): Promise<CacheStore> {
  const lambda = on === 'Lambda' ? { AWS_LAMBDA_FUNCTION_NAME: 'get' } : {};
  return openStore(readConfig({ DRAGONFLY_URL: url, ...lambda, ...settings }), log);
}

/** Expects an operation to fail as one of a backend that does not answer, and in time. */
export async function unavailable(operation: Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await expect(operation).rejects.toThrow(BackendUnavailableError);
  expect(performance.now() - begun).toBeLessThan(PATIENCE_MS);
}

/** Waits until a tenant's entries can be set and got again. */
export async function healed(store: CacheStore, tenant: string): Promise<void> {
  await expect
    .poll(() => store.set(tenant, 'healed', '1', 60).then(() => store.get(tenant, 'healed')), {
      timeout: 15_000,
    })
    .toBeDefined();
}
