import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { type Config, LOG_LEVELS, readConfig } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';

/** The message with which the settings are refused; undefined when they are not. */
function problemWith(env: Record<string, string>): string | undefined {
  try {
    readConfig(env);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
}

/** As {@link problemWith}, for the origins of a deployment. */
function problemOfDeployment(corsOrigins: string): string | undefined {
  try {
    readSettings({ corsOrigins });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The settings that are whole numbers: their limits, and what they are when they are not set. */
const numbers: [name: string, member: keyof Config, fallback: number, min: number, max: number][] = [
  ['SERVICE_PORT', 'port', 8080, 0, 65_535],
  ['BACKEND_TIMEOUT_MS', 'backendTimeoutMs', 900, 300, 10_000],
  ['BACKEND_CONNECT_TIMEOUT_MS', 'backendConnectTimeoutMs', 300, 50, 450],
  ['DEFAULT_TTL_SECONDS', 'defaultTtlSeconds', 300, 1, 2_592_000],
  ['MAX_TTL_SECONDS', 'maxTtlSeconds', 2_592_000, 1, 315_360_000],
  ['MAX_VALUE_BYTES', 'maxValueBytes', 5 * 1024 ** 2, 1, 512 * 1024 ** 2 - 1024],
  ['MEMORY_MAX_BYTES', 'memoryMaxBytes', 256 * 1024 ** 2, 1024, Number.MAX_SAFE_INTEGER],
  ['CACHE_SHARDS', 'shards', 4, 1, 1024],
  ['SERVICE_WORKERS', 'workers', 1, 1, 64],
  ['COMPRESS_MIN_BYTES', 'compressMinBytes', 2048, 0, Number.MAX_SAFE_INTEGER],
];

describe('settings that are not set', () => {
  test('have their defaults', () => {
    expect(readConfig({})).toEqual({
      serviceName: 'cache-service',
      host: '127.0.0.1',
      port: 8080,
      workers: 1,
      corsOrigins: [],
      backend: undefined,
      backendTimeoutMs: 900,
      backendConnectTimeoutMs: 300,
      defaultTtlSeconds: 300,
      maxTtlSeconds: 2_592_000,
      maxValueBytes: 5_242_880,
      memoryMaxBytes: 268_435_456,
      shards: 4,
      compressMinBytes: 2048,
      waitReplicas: 0,
      logLevel: 'INFO',
      requestLogSample: 1,
      onLambda: false,
    } satisfies Partial<Config>);
  });

  test.each(['', ' ', '\t\n'])('have the same values as settings that are set to %j', (nothing) => {
    const names = [
      ...numbers.map(([name]) => name),
      'SERVICE_NAME',
      'CORS_ORIGINS',
      'DRAGONFLY_URL',
      'LOG_LEVEL',
      'ENABLE_NATS',
    ];
    const env = Object.fromEntries(
      [...names, 'ENABLE_OTEL', 'AWS_LAMBDA_FUNCTION_NAME'].map((name) => [name, nothing]),
    );
    expect(readConfig(env)).toEqual(readConfig({}));
  });
});

describe.each(numbers)('%s', (name, member, fallback, min, max) => {
  test('has its default', () => {
    expect(readConfig({})[member]).toBe(fallback);
  });

  test('accepts its minimum and maximum, and white space around it', () => {
    for (const value of [min, max]) {
      expect(readConfig({ [name]: String(value) })[member]).toBe(value);
      expect(readConfig({ [name]: ` ${value}\n` })[member]).toBe(value);
    }
  });

  test('rejects any other value', () => {
    const wrong = [
      'one',
      '1.5',
      '-1',
      '+1',
      '1e3',
      '0x10',
      '1_000',
      '1,000',
      '5 MB',
      'NaN',
      'Infinity',
      'true',
      '١',
    ];
    for (const value of [...wrong, String(max + 1), '9'.repeat(40), ...(min > 0 ? [String(min - 1)] : [])]) {
      expect(problemWith({ [name]: value })).toBe(
        `${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`,
      );
    }
  });
});

describe('the default TTL', () => {
  test('is limited to the maximum TTL', () => {
    expect(readConfig({ MAX_TTL_SECONDS: '60' })).toMatchObject({ defaultTtlSeconds: 60, maxTtlSeconds: 60 });
    expect(readConfig({ MAX_TTL_SECONDS: '60', DEFAULT_TTL_SECONDS: '60' }).defaultTtlSeconds).toBe(60);
    expect(problemWith({ MAX_TTL_SECONDS: '60', DEFAULT_TTL_SECONDS: '61' })).toMatch(
      /^DEFAULT_TTL_SECONDS /,
    );
  });
});

describe('other settings', () => {
  test('CACHE_SHARDS accepts auto, in any case and with white space around it', () => {
    for (const auto of ['auto', 'AUTO', ' auto\n']) expect(readConfig({ CACHE_SHARDS: auto }).shards).toBe(4);
  });

  test('SERVICE_NAME may be any text', () => {
    expect(readConfig({ SERVICE_NAME: ' my "cache" ' }).serviceName).toBe('my "cache"');
  });

  test('LOG_LEVEL accepts every level, in any case', () => {
    for (const level of LOG_LEVELS) {
      expect(readConfig({ LOG_LEVEL: level }).logLevel).toBe(level);
      expect(readConfig({ LOG_LEVEL: level.toLowerCase() }).logLevel).toBe(level);
    }
    for (const other of ['LOUD', 'verbose', 'INFO,WARN', '1', 'toString', 'in\nfo']) {
      expect(problemWith({ LOG_LEVEL: other })).toBe(
        `LOG_LEVEL must be one of DEBUG, INFO, WARN, ERROR, not ${JSON.stringify(other)}`,
      );
    }
  });

  test('CORS_ORIGINS accepts the same lists of origins as corsOrigins of a deployment', () => {
    const origins = ['https://a.example', 'http://localhost:3000'];
    expect(readConfig({ CORS_ORIGINS: ` ${origins.join(' , ')} ` }).corsOrigins).toEqual(origins);
    expect(readConfig({ CORS_ORIGINS: '*' }).corsOrigins).toEqual(['*']);
    for (const wrong of [
      'a.example',
      'https://a.example/',
      'https://a.example/path',
      'https://a,',
      'ftp://a',
    ]) {
      const message = problemWith({ CORS_ORIGINS: wrong });
      expect(message).toMatch(/^CORS_ORIGINS must be origins as https:\/\/app\.example\.com, .+$/);
      expect(problemOfDeployment(wrong)).toBe(message?.replace('CORS_ORIGINS', 'corsOrigins'));
    }
    expect(problemWith({ CORS_ORIGINS: 'https://user:secret@a.example/' })).not.toContain('secret');
  });

  test('SERVICE_HOST accepts any address or host name, but not an empty text', () => {
    for (const host of ['0.0.0.0', '::', 'cache.internal']) {
      expect(readConfig({ SERVICE_HOST: ` ${host} ` }).host).toBe(host);
    }
    for (const nothing of ['', ' ', '\n']) {
      expect(problemWith({ SERVICE_HOST: nothing })).toMatch(/^SERVICE_HOST must not be empty: .+$/);
    }
  });

  test.each([
    ['OTEL_TRACES_SAMPLER_ARG', 'endpoint=http://localhost:14250,initialSamplingRate=0.25'],
    ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'lowmemory'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317'],
  ])('%s is not checked while ENABLE_OTEL is off', (name, value) => {
    expect(readConfig({ [name]: value })).toEqual(readConfig({}));
    expect(problemWith({ [name]: value, ENABLE_OTEL: 'true' })).toMatch(new RegExp(`^${name} must `));
  });

  test.each(['ENABLE_NATS', 'ENABLE_OTEL'])('%s is true or false', (name) => {
    for (const off of ['false', 'FALSE', '0']) expect(problemWith({ [name]: off })).toBeUndefined();
    for (const other of ['yes', 'no', 'on', '2', 'tru']) {
      expect(problemWith({ [name]: other })).toBe(
        `${name} must be true or false, not ${JSON.stringify(other)}`,
      );
    }
  });

  test('AWS_LAMBDA_FUNCTION_NAME marks a process on Lambda', () => {
    expect(readConfig({ AWS_LAMBDA_FUNCTION_NAME: 'get' }).onLambda).toBe(true);
  });
});

describe('DRAGONFLY_URL', () => {
  test('is parsed into the backend', () => {
    expect(readConfig({ DRAGONFLY_URL: ' dragonfly://:secret@h:1/2 ' }).backend).toEqual({
      hosts: [{ host: 'h', port: 1 }],
      cluster: false,
      tls: false,
      username: undefined,
      password: 'secret',
      db: 2,
    });
  });

  test('that is invalid causes an error in one line that names the setting and does not contain the URL', () => {
    const part = fc.string({
      unit: fc.constantFrom('/', '?', '#', '@', ':', '%', ',', '[', '\n', 'x'),
      maxLength: 4,
    });
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        const problem = problemWith({ DRAGONFLY_URL: `dragonfly:/${a}/hunter1:hunter2${b}@hunter3${c}` });
        if (problem === undefined) return;
        expect(problem).toMatch(/^DRAGONFLY_URL .+$/);
        expect(problem).not.toMatch(/hunter|\n/);
      }),
      { numRuns: 500 },
    );
    expect(problemWith({ DRAGONFLY_URL: 'dragonfly://user:100%@h' })).toMatch(
      /^DRAGONFLY_URL has a user or password/,
    );
  });
});
