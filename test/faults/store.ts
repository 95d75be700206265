import { expect } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log/log.ts';
import { type ConnectionProfile, profileFor } from '../../lib/store/redis/connection/profiles.ts';
import { openRedisStore } from '../../lib/store/redis/store.ts';
import { type CacheStore, noObserver } from '../../lib/store/store.ts';
import { PATIENT } from '../support/patience.ts';

const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });

/** No failure takes longer, however busy the machine is. */
const FAILS_WITHIN_MS = 20_000;

/** Where the service runs, which decides how it connects. */
export type Environment = 'local server' | 'Lambda';

export interface OpenOptions {
  /** The service's own settings. */
  settings?: Record<string, string>;
  /** Timeouts that do not follow from the settings. */
  timeouts?: Partial<ConnectionProfile>;
}

/** Notices within a second that a connection is dead, and still has time for a busy machine. */
export const QUICK_TO_NOTICE: OpenOptions = { timeouts: { socketTimeoutMs: 1000 } };

/** The service's default, for operations that are to fail. */
export const DEFAULT_TIMEOUT: OpenOptions = { settings: { BACKEND_TIMEOUT_MS: '900' } };

/**
 * Opens the store of a backend, given as in `DRAGONFLY_URL`, as the service does there. Unless told otherwise, its operations have time
 * for a machine that stands still for seconds.
 */
export function open(
  url: string,
  on: Environment,
  { settings, timeouts }: OpenOptions = {},
): Promise<CacheStore> {
  const lambda = on === 'Lambda' ? { AWS_LAMBDA_FUNCTION_NAME: 'get' } : {};
  const config = readConfig({ ...PATIENT, DRAGONFLY_URL: url, ...lambda, ...settings });
  return openRedisStore(config, log, noObserver, { ...profileFor(config), ...timeouts });
}

/** Expects an operation to fail because the backend does not answer, and not to wait for ever. */
export async function unavailable(operation: Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await expect(operation).rejects.toThrow(BackendUnavailableError);
  expect(performance.now() - begun).toBeLessThan(FAILS_WITHIN_MS);
}

/** Waits until a tenant's entries can be set and got again. */
export async function healed(store: CacheStore, tenant: string): Promise<void> {
  await expect
    .poll(() => store.set(tenant, 'healed', '1', 60).then(() => store.get(tenant, 'healed')))
    .toBeDefined();
}
