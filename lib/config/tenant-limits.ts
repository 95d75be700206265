import { ConfigError, type Environment, integer, text } from './parse.ts';

/** What one tenant may use. Undefined: no limit. */
export interface TenantLimits {
  /** Live entries, and stale ones in their grace. */
  maxEntries: number | undefined;
  /** Bytes of these entries as stored, without keys and indexes. */
  maxBytes: number | undefined;
  rate: RequestRate | undefined;
}

export const noTenantLimits: TenantLimits = { maxEntries: undefined, maxBytes: undefined, rate: undefined };

/** A token bucket. */
export interface RequestRate {
  /** Requests that are added per second. */
  perSecond: number;
  /** The largest number of requests that can be saved up. */
  burst: number;
}

/** The limits of all tenants. */
export interface LimitTable {
  /** Of tenants that are not in `byTenant`. */
  standard: TenantLimits;
  byTenant: ReadonlyMap<string, TenantLimits>;
}

export interface TenantLimitSettings {
  table: LimitTable;
  /** The secret or the SSM parameter whose JSON replaces parts of `table`, and that may change at any time. */
  sourceArn: string | undefined;
  /** The requests that an invalidation or a clear counts as. */
  sweepWeight: number;
}

/** Each shard holds its share of a limit. With few entries or bytes per shard, keys are spread too unevenly. */
const MIN_ENTRIES_PER_SHARD = 10;
const MIN_BYTES_PER_SHARD = 1024 ** 2;
const MAX_RATE = 1_000_000;

/** The names that the service accepts from callers. */
const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const SOURCE_ARN =
  /^arn:[\w-]+:(secretsmanager:[\w-]+:\d{12}:secret:\S+|ssm:[\w-]+:\d{12}:parameter\/[^\s/]\S*)$/;

/** @returns undefined if no tenant has a limit, now or later @throws ConfigError */
export function readTenantLimits(env: Environment, shards: number): TenantLimitSettings | undefined {
  const rate = integer(env, 'TENANT_MAX_REQUESTS_PER_SECOND', undefined, 1, MAX_RATE);
  const burst = integer(env, 'TENANT_REQUEST_BURST', undefined, 1, MAX_RATE);
  if (burst !== undefined && rate === undefined) {
    throw new ConfigError('TENANT_REQUEST_BURST', 'needs TENANT_MAX_REQUESTS_PER_SECOND');
  }
  const standard: TenantLimits = {
    maxEntries: integer(
      env,
      'TENANT_MAX_ENTRIES',
      undefined,
      MIN_ENTRIES_PER_SHARD * shards,
      Number.MAX_SAFE_INTEGER,
    ),
    maxBytes: readBytes(env, 'TENANT_MAX_BYTES', shards),
    rate: rateOf(rate, burst),
  };
  const given = text(env, 'TENANT_LIMITS');
  const sourceArn = given?.startsWith('arn:') ? given : undefined;
  if (sourceArn !== undefined && !SOURCE_ARN.test(sourceArn)) {
    throw new ConfigError('TENANT_LIMITS', 'must be JSON, or the ARN of a secret or of an SSM parameter');
  }
  const sweepWeight = integer(env, 'TENANT_SWEEP_WEIGHT', 10, 1, 10_000);
  if (text(env, 'TENANT_SWEEP_WEIGHT') !== undefined && rate === undefined && given === undefined) {
    throw new ConfigError('TENANT_SWEEP_WEIGHT', 'needs TENANT_MAX_REQUESTS_PER_SECOND or TENANT_LIMITS');
  }
  if (given === undefined && Object.values(standard).every((limit) => limit === undefined)) return undefined;
  const base = { standard, byTenant: new Map() };
  return {
    table: given === undefined || sourceArn ? base : parseLimits(given, standard, shards),
    sourceArn,
    sweepWeight,
  };
}

/**
 * Parses `{"default": {"entries": 100000}, "acme": {"entries": 1000000, "bytes": "2GiB", "rps": 500, "burst": 1000}}`. A tenant has the
 * default of each limit that it does not have itself; `null` stands for no limit.
 *
 * @param standard the limits that `default` does not set
 * @throws ConfigError
 */
export function parseLimits(json: string, standard: TenantLimits, shards: number): LimitTable {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    throw new ConfigError(
      'TENANT_LIMITS',
      'must be valid JSON, or the ARN of a secret or of an SSM parameter',
    );
  }
  const tenants = Object.entries(membersOf(given, 'TENANT_LIMITS'));
  const own = tenants.find(([tenant]) => tenant === 'default')?.[1];
  const base = own === undefined ? standard : limitsOf(own, 'default', standard, shards);
  const others = tenants.filter(([tenant]) => tenant !== 'default');
  return {
    standard: base,
    byTenant: new Map(
      others.map(([tenant, limits]) => [tenant, limitsOf(limits, tenant, base, shards)] as const),
    ),
  };
}

function membersOf(given: unknown, name: string): Record<string, unknown> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    return given as Record<string, unknown>;
  }
  throw new ConfigError(name, 'must be a JSON object');
}

function limitsOf(given: unknown, tenant: string, base: TenantLimits, shards: number): TenantLimits {
  const setting = `TENANT_LIMITS.${tenant}`;
  if (!TENANT.test(tenant)) throw new ConfigError(setting, 'is not the name of a tenant');
  const members = membersOf(given, setting);
  const unknown = Object.keys(members).find((name) => !['entries', 'bytes', 'rps', 'burst'].includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(
      `${setting}.${unknown}`,
      'is not a limit. The limits are entries, bytes, rps and burst',
    );
  }
  /** The limit as a setting of its own, so that all are checked alike. */
  const env = Object.fromEntries(
    Object.entries(members).map(([name, value]) => {
      const isText = typeof value === 'string' && value.trim() !== '';
      if (value !== null && typeof value !== 'number' && !isText) {
        throw new ConfigError(`${setting}.${name}`, 'must be a number, a text or null');
      }
      return [`${setting}.${name}`, String(value ?? '')];
    }),
  );
  const limit = (name: string, inherited: number | undefined, min: number, max: number) =>
    name in members ? integer(env, `${setting}.${name}`, undefined, min, max) : inherited;
  const perSecond = limit('rps', base.rate?.perSecond, 1, MAX_RATE);
  // The default's burst belongs to the default's rate.
  const burst = limit('burst', 'rps' in members ? undefined : base.rate?.burst, 1, MAX_RATE);
  if (perSecond === undefined && members.burst != null) {
    throw new ConfigError(`${setting}.burst`, 'needs rps');
  }
  return {
    maxEntries: limit('entries', base.maxEntries, MIN_ENTRIES_PER_SHARD * shards, Number.MAX_SAFE_INTEGER),
    maxBytes: 'bytes' in members ? readBytes(env, `${setting}.bytes`, shards) : base.maxBytes,
    rate: rateOf(perSecond, burst),
  };
}

function rateOf(perSecond: number | undefined, burst: number | undefined): RequestRate | undefined {
  return perSecond === undefined ? undefined : { perSecond, burst: burst ?? 2 * perSecond };
}

const UNITS: Record<string, number> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A size in bytes, or as `512MiB`. */
function readBytes(env: Environment, name: string, shards: number): number | undefined {
  const given = text(env, name);
  if (given === undefined) return undefined;
  const [, digits, unit = ''] = /^(\d{1,16})\s*(KiB|MiB|GiB)?$/.exec(given) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  const least = MIN_BYTES_PER_SHARD * shards;
  if (bytes >= least && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw new ConfigError(
    name,
    `must be a size of at least ${least / 1024 ** 2}MiB, in bytes or with the unit KiB, MiB or GiB, not ${JSON.stringify(given)}`,
  );
}
