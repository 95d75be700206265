import { expect } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log/log.ts';
import { type ConnectionProfile, profileFor } from '../../lib/store/redis/connection/profiles.ts';
import { openRedisStore } from '../../lib/store/redis/store.ts';
import { type CacheStore, noObserver } from '../../lib/store/store.ts';
import { PATIENT } from '../support/patience.ts';

const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });

/** Maximum time until an operation fails, in milliseconds. Long enough for a busy machine. */
const FAILS_WITHIN_MS = 20_000;

/** Where the service runs. It decides the connection profile. */
export type Environment = 'local server' | 'Lambda';

export interface OpenOptions {
  /** Settings of the service. */
  settings?: Record<string, string>;
  /** Timeouts of the connection profile that settings do not control. */
  timeouts?: Partial<ConnectionProfile>;
}

/** Detects a silent connection within a second, and has a long operation timeout for a busy machine. */
export const QUICK_TO_NOTICE: OpenOptions = { timeouts: { socketTimeoutMs: 1000 } };

/** The service's default timeout, for operations that are expected to fail. */
export const DEFAULT_TIMEOUT: OpenOptions = { settings: { BACKEND_TIMEOUT_MS: '900' } };

/**
 * Opens the store of a backend as the service does in that environment. By default its operations have long timeouts, for a
 * machine that stalls for seconds.
 *
 * @param url in the format of `DRAGONFLY_URL`
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

/** Expects an operation to fail with BackendUnavailableError in limited time. */
export async function unavailable(operation: Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await expect(operation).rejects.toThrow(BackendUnavailableError);
  expect(performance.now() - begun).toBeLessThan(FAILS_WITHIN_MS);
}

/** Waits until a tenant's entries can be set and read again. */
export async function healed(store: CacheStore, tenant: string): Promise<void> {
  await expect
    .poll(() => store.set(tenant, 'healed', '1', 60).then(() => store.get(tenant, 'healed')))
    .toBeDefined();
}
