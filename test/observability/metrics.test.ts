import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, inject, it, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { METRICS } from '../../lib/observability/metric-names.ts';
import type { Operation } from '../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { Client } from '../http/client.ts';
import { startService } from '../http/service.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { read, tableRows } from '../support/markdown.ts';
import { IMPATIENT } from '../support/patience.ts';
import { type Line, linesOf, metricsOf, valuesOn } from './emf.ts';

const NAMESPACE = 'CacheService/test';
const ms = [expect.any(Number)];

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});

async function start(operation: Operation, settings: Record<string, string> = {}): Promise<LambdaFunction> {
  const url = settings.DRAGONFLY_URL ?? inject('singleUrl');
  const started = await startFunction(operation, {
    METRICS_NAMESPACE: NAMESPACE,
    ...settings,
    DRAGONFLY_URL: url,
  });
  running.push(started);
  return started;
}

/**
 * A caller that starts each function at its first call. `call` returns the log lines of the call, and `callForData` the data of the
 * response too.
 */
function caller(settings: Record<string, string> = {}) {
  const functions = new Map<Operation, LambdaFunction>();
  const tenant = `metrics-${randomUUID()}`;
  async function callForData(operation: Operation, request: ApiRequest = {}) {
    const started = functions.get(operation) ?? (await start(operation, settings));
    functions.set(operation, started);
    const before = started.output().length;
    const { body } = await started.invoke(
      eventFor(operation, { ...request, headers: { 'X-Tenant-ID': tenant } }),
    );
    return { lines: linesOf(started.output().slice(before)), data: body && JSON.parse(body).data };
  }
  return {
    tenant,
    callForData,
    async call(operation: Operation, request: ApiRequest = {}): Promise<Line[]> {
      return (await callForData(operation, request)).lines;
    },
  };
}

const set = (key: string, value: unknown): ApiRequest => ({ body: { key, value } });
const items = (...keys: string[]) => ({ body: { items: keys.map((key) => ({ key, value: 12 })) } });
const byKey = (key: string): ApiRequest => ({ parameters: { key } });

/** Fields of the log line that state what a request found and what it did with leases. */
const LEASE_FIELDS = [
  'code',
  'found',
  'hits',
  'misses',
  'leases_granted',
  'lease_waits',
  'stale_reads',
  'fills_rejected',
];

describe('the metrics of a function', () => {
  it('contain the counts of each request, on the log line of the request', async () => {
    const { tenant, call } = caller();
    const calls: [Operation, ApiRequest, Record<string, unknown>][] = [
      ['get', byKey('a'), { Misses: [1] }],
      ['set', set('a', 'é'), { Sets: [1], ValueBytes: [4] }],
      ['get', byKey('a'), { Hits: [1], ValueBytes: [4] }],
      ['touch', { body: { key: 'a', ttl: 60 } }, {}],
      ['delete', byKey('a'), { Deletes: [1] }],
      ['batch-set', items('b:1', 'b:2', 'c'), { Sets: [3], ValueBytes: [6] }],
      ['batch-get', { body: { keys: ['c', 'b:1', 'x'] } }, { Hits: [2], Misses: [1], ValueBytes: [4] }],
      ['batch-delete', { body: { keys: ['c', 'x'] } }, { Deletes: [2] }],
      ['invalidate', { body: { pattern: 'b:*' } }, { Invalidations: [1], EntriesInvalidated: [2] }],
      ['invalidate', { body: { tags: ['t'] } }, { Invalidations: [1], EntriesInvalidated: [0] }],
      ['keys', { parameters: { tenant_id: tenant } }, {}],
      [
        'clear-tenant',
        { parameters: { tenant_id: tenant } },
        { Invalidations: [1], EntriesInvalidated: [0] },
      ],
      ['health', {}, {}],
    ];
    for (const [operation, request, expected] of calls) {
      const lines = await call(operation, request);
      expect(lines, operation).toHaveLength(1);
      expect(lines[0]).toMatchObject({ message: 'request', service: 'cache-service', operation });
      const { BackendTime, ...values } = valuesOn(lines[0]);
      expect(values, operation).toEqual({ ...expected, Latency: [lines[0]?.duration_ms] });
      expect(BackendTime?.length, operation).toBeGreaterThanOrEqual(1);
    }
  });

  it('contain the counts of leases, on the log line of the request', async () => {
    const { callForData } = caller();
    /** Calls a function. Expects these metrics and log fields of leases. @returns the data of the response */
    async function counted(
      operation: Operation,
      body: object,
      { metrics, fields }: { metrics: Record<string, number>; fields: object },
    ) {
      const { lines, data } = await callForData(operation, { body });
      expect(lines, operation).toHaveLength(1);
      const [line = {}] = lines;
      const { Latency, BackendTime, ValueBytes, ...values } = valuesOn(line);
      const expected = Object.entries(metrics).map(([name, count]) => [name, [count]]);
      expect(values, operation).toEqual(Object.fromEntries(expected));
      const logged = Object.entries(line).filter(([name]) => LEASE_FIELDS.includes(name));
      expect(Object.fromEntries(logged), operation).toEqual(fields);
      return data;
    }

    const { lease } = await counted(
      'lease',
      { key: 'k' },
      { metrics: { Misses: 1, LeasesGranted: 1 }, fields: { found: false, leases_granted: 1 } },
    );
    const held = { metrics: { LeaseWaits: 1 }, fields: { found: false, lease_waits: 1 } };
    await counted('lease', { key: 'k' }, held);
    const released = { metrics: {}, fields: {} };
    await counted('lease-release', { key: 'k', lease: lease.token }, released);
    const fill = { key: 'k', value: 1, lease: lease.token };
    const lost = { metrics: { FillsRejected: 1, Failures: 1 }, fields: { code: 'LEASE_LOST' } };
    await counted('set', fill, lost);
    const stale = { key: 'stale', value: 12, ttl: 1, grace: 1000 };
    const batch = { metrics: { Sets: 1, FillsRejected: 1 }, fields: { fills_rejected: 1 } };
    await counted('batch-set', { items: [fill, stale] }, batch);
    const set = { metrics: { Sets: 1 }, fields: {} };
    await counted('set', { key: 'fresh', value: 1 }, set);
    const hit = { metrics: { Hits: 1 }, fields: { found: true } };
    await counted('lease', { key: 'fresh' }, hit);
    const isFound = async () => (await callForData('get', byKey('stale'))).data.found;
    await expect.poll(isFound).toBe(false);
    await counted(
      'lease',
      { key: 'stale' },
      {
        metrics: { StaleReads: 1, LeasesGranted: 1 },
        fields: { found: true, leases_granted: 1, stale_reads: 1 },
      },
    );
    await counted(
      'lease',
      { key: 'held' },
      { metrics: { Misses: 1, LeasesGranted: 1 }, fields: { found: false, leases_granted: 1 } },
    );
    await counted(
      'batch-get',
      { keys: ['fresh', 'stale', 'held', 'a', 'b'], lease: 30 },
      {
        metrics: { Hits: 1, Misses: 2, LeasesGranted: 2, LeaseWaits: 1, StaleReads: 1 },
        fields: { hits: 1, misses: 2, leases_granted: 2, lease_waits: 1, stale_reads: 1 },
      },
    );
  });

  it('have the names, units and dimensions of METRICS, the configured namespace and no tenant dimension', async () => {
    const { tenant, call } = caller({ SERVICE_NAME: 'another' });
    const lines = [
      await call('set', set('a', 'lorem ipsum '.repeat(1000))),
      await call('get', byKey('a')),
      await call('get', { query: 'key=a&key=b' }),
      await call('invalidate', { body: { pattern: 'a*' } }),
    ].flat();
    const found = lines.flatMap(metricsOf);
    expect(new Set(found.map(({ name }) => name))).toEqual(
      new Set([
        ...['Latency', 'ValueBytes', 'Sets', 'CompressionSaved', 'BackendTime', 'Hits'],
        ...['Failures', 'Invalidations', 'EntriesInvalidated'],
      ]),
    );
    const specs = Object.values(METRICS);
    for (const { namespace, name, unit, dimensions } of found) {
      expect(namespace).toBe(NAMESPACE);
      const spec = specs.find((each) => each.name === name);
      expect({ unit, dimensions: Object.keys(dimensions).sort() }, name).toEqual({
        unit: spec?.unit,
        dimensions: [...(spec?.dimensions ?? [])].sort(),
      });
      expect(dimensions.service).toBe('another');
      expect(Object.values(dimensions)).not.toContain(tenant);
    }
  });

  it('count a failure with a 4xx or 503 status, on a line with its code', async () => {
    const { call } = caller({
      ...IMPATIENT,
      DRAGONFLY_URL: `redis://${LOOPBACK}:${await freePort()}`,
    });
    const unavailable = (await call('get', byKey('a'))).find(({ message }) => message === 'request');
    expect(valuesOn(unavailable)).toEqual({ Latency: ms, BackendTime: ms, Failures: [1] });
    const [invalid] = await call('get', { query: 'key=a&key=b' });
    expect(valuesOn(invalid)).toEqual({ Latency: ms, Failures: [1] });
    expect([unavailable, invalid].map((line) => line?.code)).toEqual([
      'BACKEND_UNAVAILABLE',
      'VALIDATION_ERROR',
    ]);
  });

  it('contain the bytes saved by compression only for values that are compressed', async () => {
    const { call } = caller();
    const [long] = await call('set', set('long', 'x'.repeat(10_000)));
    expect(valuesOn(long).CompressionSaved?.[0]).toBeGreaterThan(9000);
    expect(valuesOn(long).CompressionSaved?.[0]).toBeLessThan(10_002);
    const [short] = await call('set', set('short', 'x'));
    expect(valuesOn(short)).not.toHaveProperty('CompressionSaved');
  });

  it('have at most 100 values of one metric on a line, the limit of CloudWatch', async () => {
    const { call } = caller({ CACHE_SHARDS: '200' });
    const [line] = await call('invalidate', { body: { pattern: 'a*' } });
    expect(valuesOn(line).BackendTime).toHaveLength(100);
    const [next] = await call('invalidate', { body: { pattern: 'a' } });
    expect(valuesOn(next).BackendTime).toHaveLength(1);
  });

  it.each(['WARN', 'ERROR'])('are on a line without log fields if the level is %s', async (level) => {
    const { tenant, call } = caller({ LOG_LEVEL: level });
    const [miss, ...others] = await call('get', byKey('secret-key'));
    expect(others).toEqual([]);
    expect(valuesOn(miss)).toEqual({ Latency: ms, Misses: [1], BackendTime: ms });
    const [failed] = await call('get', { query: 'key=a&key=b' });
    expect(metricsOf(failed ?? {})).toContainEqual({
      namespace: NAMESPACE,
      name: 'Failures',
      unit: 'Count',
      dimensions: { service: 'cache-service', code: 'VALIDATION_ERROR' },
      values: [1],
    });
    expect(JSON.stringify([miss, failed])).not.toMatch(new RegExp(`${tenant}|secret|level|correlation_id`));
  });

  it('are not written without a namespace', async () => {
    const { call } = caller({ METRICS_NAMESPACE: '' });
    const [line] = await call('get', byKey('a'));
    expect(line).toMatchObject({ message: 'request', found: false });
    expect(line).not.toHaveProperty('_aws');
    expect(line).not.toHaveProperty('Latency');
  });

  describe('after the backend has closed the connection', () => {
    let server: Server;

    it('count the new connection as one reconnect', async () => {
      server = await startServer();
      running.push(server);
      const { call } = caller({ DRAGONFLY_URL: server.url });
      const reconnects = async () => {
        // The first line may be about the lost connection.
        const line = (await call('get', byKey('a'))).find(({ message }) => message === 'request');
        return valuesOn(line).Reconnects?.[0] ?? 0;
      };
      expect(await reconnects()).toBe(0);
      expect(await reconnects()).toBe(0);
      await server.restart();
      // The function is frozen until it is invoked. The invocation waits for the new connection.
      expect(await reconnects()).toBe(1);
      expect(await reconnects()).toBe(0);
    });
  });
});

describe('the local server', () => {
  it('writes metrics of concurrent requests only if a namespace is set', async () => {
    for (const namespace of ['', NAMESPACE]) {
      const service = await startService({
        METRICS_NAMESPACE: namespace,
        DRAGONFLY_URL: inject('singleUrl'),
      });
      const client = new Client(service);
      await client.set('k', '1');
      await Promise.all(Array.from({ length: 50 }, () => client.get('k')));
      await service.stop();
      const found = linesOf(service.stdout()).flatMap(metricsOf);
      const sumOf = (name: string) =>
        found.filter((each) => each.name === name).reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
      expect({ hits: sumOf('Hits'), sets: sumOf('Sets') }).toEqual(
        namespace ? { hits: 50, sets: 1 } : { hits: 0, sets: 0 },
      );
      const calls = found.filter(({ name }) => name === 'BackendTime').map(({ values }) => values.length);
      // One for each request. The commands that the server sends when it connects belong to no request.
      expect(calls).toEqual(namespace ? Array(51).fill(1) : []);
    }
  });
});

it('the saved bytes of a compressed set are on its own log line, even with concurrent requests', async () => {
  const service = await startService({ METRICS_NAMESPACE: NAMESPACE, DRAGONFLY_URL: inject('singleUrl') });
  const client = new Client(service);
  const long = JSON.stringify('x'.repeat(10_000));
  await Promise.all(['a', 'b', 'c'].flatMap((key) => [client.set(key, long), client.get(key)]));
  await service.stop();
  const lines = linesOf(service.stdout());
  const saving = lines.filter((line) => valuesOn(line).CompressionSaved !== undefined);
  const sets = lines.filter(({ operation, status }) => operation === 'set' && status === 201);
  expect(sets).toHaveLength(3);
  for (const set of sets) expect(saving).toContain(set);
  for (const { operation } of saving) expect(operation).toBe('set');
});

describe('METRICS_NAMESPACE', () => {
  it.each(['AWS/Lambda', 'with space', 'x'.repeat(256), 'ü'])(
    'is rejected if it is %j',
    (METRICS_NAMESPACE) => {
      expect(() => readConfig({ METRICS_NAMESPACE })).toThrow(/^METRICS_NAMESPACE must be /);
    },
  );

  it.each(['CacheService/prod', 'a.b-c_d#e:f', 'x'.repeat(255)])(
    'is accepted if it is %j',
    (METRICS_NAMESPACE) => {
      expect(readConfig({ METRICS_NAMESPACE }).metricsNamespace).toBe(METRICS_NAMESPACE);
    },
  );
});

test('docs/observability.md lists every metric, with its unit and dimensions', () => {
  const rows = tableRows(read('docs/observability.md'), 'metric', 'unit', 'dimensions', 'meaning');
  const metrics = Object.values(METRICS).map(({ name, unit, dimensions }) => [
    `\`${name}\``,
    unit,
    dimensions.map((dimension) => `\`${dimension}\``).join(', '),
  ]);
  expect(rows.map((row) => row.slice(0, 3))).toEqual(metrics);
});
