import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { TenantLimitReader } from '../../lib/limits/tenant-limits.ts';
import { createLog } from '../../lib/log/log.ts';
import {
  ARN,
  environmentFor,
  PARAMETER_ARN,
  type SecretsManager,
  startSecretsManager,
} from '../logins/secrets-manager.ts';

const MiB = 1024 ** 2;
const none = { maxEntries: undefined, maxBytes: undefined, rate: undefined };

/** The limits of a tenant with these settings. */
const limitsOf = (env: Record<string, string>, tenant = 'acme') => {
  const { tenantLimits, shards } = readConfig(env);
  if (!tenantLimits) return none;
  const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });
  return new TenantLimitReader(tenantLimits, shards, log).of(tenant);
};

describe('the limits of a tenant', () => {
  test('are none by default', () => {
    expect(limitsOf({})).toEqual(none);
  });

  test('are those of the settings, with twice the rate as the burst', () => {
    const env = {
      TENANT_MAX_ENTRIES: '100000',
      TENANT_MAX_BYTES: '64 MiB',
      TENANT_MAX_REQUESTS_PER_SECOND: '50',
    };
    const rate = { perSecond: 50, burst: 100 };
    expect(limitsOf(env)).toEqual({ maxEntries: 100_000, maxBytes: 64 * MiB, rate });
    expect(limitsOf({ ...env, TENANT_REQUEST_BURST: '70' }).rate).toEqual({ perSecond: 50, burst: 70 });
  });

  test('are the default for a tenant that TENANT_LIMITS does not name, and for a member that it does not set', () => {
    const env = {
      TENANT_MAX_ENTRIES: '100000',
      TENANT_MAX_REQUESTS_PER_SECOND: '50',
      TENANT_LIMITS:
        '{"default": {"bytes": 16777216}, "acme": {"rps": 500}, "free": {"rps": null, "bytes": "2GiB"}}',
    };
    const base = { maxEntries: 100_000, maxBytes: 16 * MiB };
    expect(limitsOf(env, 'other')).toEqual({ ...base, rate: { perSecond: 50, burst: 100 } });
    expect(limitsOf(env)).toEqual({ ...base, rate: { perSecond: 500, burst: 1000 } });
    expect(limitsOf(env, 'free')).toEqual({ maxEntries: 100_000, maxBytes: 2048 * MiB, rate: undefined });
  });

  test('of a tenant with the name of a member of objects are the default', () => {
    expect(limitsOf({ TENANT_LIMITS: '{"acme": {"rps": 5}}' }, 'constructor')).toEqual(none);
  });

  test.each([
    [{ TENANT_MAX_ENTRIES: '39' }, 'TENANT_MAX_ENTRIES must be a whole number from 40 to'],
    [{ TENANT_MAX_ENTRIES: '9', CACHE_SHARDS: '1' }, 'TENANT_MAX_ENTRIES must be a whole number from 10 to'],
    [{ TENANT_MAX_BYTES: '4194303' }, 'TENANT_MAX_BYTES must be a size of at least 4MiB'],
    [{ TENANT_MAX_BYTES: '1048575', CACHE_SHARDS: '1' }, 'TENANT_MAX_BYTES must be a size of at least 1MiB'],
    [{ TENANT_MAX_BYTES: '2GB' }, 'TENANT_MAX_BYTES must be a size'],
    [{ TENANT_REQUEST_BURST: '5' }, 'TENANT_REQUEST_BURST needs TENANT_MAX_REQUESTS_PER_SECOND'],
    [{ TENANT_SWEEP_WEIGHT: '0' }, 'TENANT_SWEEP_WEIGHT must be a whole number'],
    [{ TENANT_SWEEP_WEIGHT: '5' }, 'TENANT_SWEEP_WEIGHT needs TENANT_MAX_REQUESTS_PER_SECOND'],
    [{ TENANT_LIMITS: '{"a/b": {}}' }, 'TENANT_LIMITS.a/b is not the name of a tenant'],
    [
      { TENANT_LIMITS: '{"acme": {"entries": ""}}' },
      'TENANT_LIMITS.acme.entries must be a number, a text or null',
    ],
    [{ TENANT_LIMITS: '{"acme": {"rps": [5]}}' }, 'TENANT_LIMITS.acme.rps must be a number, a text or null'],
    [
      { TENANT_LIMITS: 'arn:aws:ssm:us-east-1:123456789012:parameter//limits' },
      'TENANT_LIMITS must be JSON, or the ARN',
    ],
    [{ TENANT_LIMITS: '{' }, 'TENANT_LIMITS must be valid JSON'],
    [{ TENANT_LIMITS: '[]' }, 'TENANT_LIMITS must be a JSON object'],
    [{ TENANT_LIMITS: '{"acme": 5}' }, 'TENANT_LIMITS.acme must be a JSON object'],
    [{ TENANT_LIMITS: '{"acme": {"entry": 5}}' }, 'TENANT_LIMITS.acme.entry is not a limit'],
    [{ TENANT_LIMITS: '{"acme": {"rps": "many"}}' }, 'TENANT_LIMITS.acme.rps must be a whole number'],
    [{ TENANT_LIMITS: '{"acme": {"burst": 5}}' }, 'TENANT_LIMITS.acme.burst needs rps'],
    [{ TENANT_LIMITS: 'arn:aws:s3:::limits' }, 'TENANT_LIMITS must be JSON, or the ARN'],
  ])('%j are rejected: %s', (env, message) => {
    expect(() => readConfig(env)).toThrow(message);
  });
});

describe.each([
  { source: 'a secret', arn: ARN },
  { source: 'a parameter', arn: PARAMETER_ARN },
])('limits in $source', ({ arn }) => {
  let manager: SecretsManager;
  let nowEpochMs: number;
  let lines: string[];
  let reader: TenantLimitReader;

  beforeAll(async () => {
    manager = await startSecretsManager('');
    for (const [name, value] of Object.entries(environmentFor(manager))) vi.stubEnv(name, value);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await manager.stop();
  });
  beforeEach(() => {
    manager.secret = '{"acme": {"entries": 1000}}';
    manager.requests = 0;
    nowEpochMs = 1e12;
    lines = [];
    const { tenantLimits, shards } = readConfig({ TENANT_LIMITS: arn, TENANT_MAX_ENTRIES: '500' });
    const log = createLog({ logLevel: 'INFO', serviceName: 'test' }, (line) => lines.push(line));
    if (!tenantLimits) throw new Error('No limits');
    reader = new TenantLimitReader(tenantLimits, shards, log, () => nowEpochMs);
  });
  afterEach(() => {
    for (const line of lines) expect(line).not.toContain('1000');
  });

  test('are those of the settings until they have been read', async () => {
    expect(reader.isOutdated).toBe(true);
    expect(reader.of('acme').maxEntries).toBe(500);
    await reader.refresh();
    expect(reader.isOutdated).toBe(false);
    expect(reader.of('acme').maxEntries).toBe(1000);
    expect(reader.of('other').maxEntries).toBe(500);
  });

  test('are read again after half a minute, and must be after a minute', async () => {
    await reader.refresh();
    manager.secret = '{"acme": {"entries": 2000}}';
    nowEpochMs += 29_000;
    await reader.refresh();
    expect(manager.requests).toBe(1);
    nowEpochMs += 1000;
    expect(reader.isOutdated).toBe(false);
    await Promise.all([reader.refresh(), reader.refresh()]);
    expect(manager.requests).toBe(2);
    expect(reader.of('acme').maxEntries).toBe(2000);
    nowEpochMs += 60_000;
    expect(reader.isOutdated).toBe(true);
  });

  test.each([
    ['the source does not exist', undefined, 'returned 400'],
    ['they are not JSON', '{"acme": {"entries": 1000}', 'must be valid JSON'],
    ['one of them is invalid', '{"acme": {"entries": 10}}', 'TENANT_LIMITS.acme.entries must be'],
  ])('remain as they were if %s, which is logged once', async (_, content, reason) => {
    await reader.refresh();
    for (let i = 0; i < 3; i++) {
      manager.secret = content;
      nowEpochMs += 60_000;
      await reader.refresh();
      expect(reader.of('acme').maxEntries).toBe(1000);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(reason);
    manager.secret = '{"acme": {"entries": 3000}}';
    nowEpochMs += 60_000;
    await reader.refresh();
    expect(reader.of('acme').maxEntries).toBe(3000);
    expect(lines).toHaveLength(2);
  });
});
