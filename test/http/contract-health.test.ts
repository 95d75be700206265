import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/engines/server.ts';
import {
  Client,
  dataOf,
  describedRequest,
  describeOnBackends,
  detailsOf,
  expectNoContent,
  UUID_V4,
} from './client.ts';
import type { RawResponse } from './gateway-raw.ts';
import { type Service, startService } from './service.ts';

/** BACKEND_TIMEOUT_MS: long enough for a healthy backend on a busy machine, and short enough to wait for in each test. */
const TIMEOUT_MS = 3000;

/** Upper bound for a failing request on a busy machine. */
const ANSWER_MS = 20_000;

const health = ({ port }: { port: number }, headers: string[] = []) =>
  describedRequest(port, { target: '/health', headers });

function expectHealth(answer: RawResponse, status: 'healthy' | 'unhealthy', service = 'cache-service'): void {
  expect(answer.status).toBe(status === 'healthy' ? 200 : 503);
  expect(answer.headers['content-type']).toMatch(/^application\/json(;|$)/);
  expect(answer.headers['x-correlation-id']).toMatch(UUID_V4);
  expect(answer.headers['x-request-id']).toMatch(UUID_V4);
  expect(answer.json()).toMatchObject({ status, service });
}

describeOnBackends('the health check', {}, (connect) => {
  test('returns healthy with a tenant, with an invalid tenant and without a tenant', async () => {
    const client = connect();
    expectHealth(await health(client), 'healthy');
    expectHealth(await health(client, ['X-Tenant-ID', '*']), 'healthy');
    expectHealth(await health(client, ['X-Tenant-ID', client.tenant]), 'healthy');
  });
});

describe('the health check of a service with the memory store', () => {
  test('returns the used bytes, the limit and the number of evicted entries', async () => {
    const service = await startService({ MEMORY_MAX_BYTES: '20000' });
    const memory = async () => ((await health(service)).json() as { memory: unknown }).memory;
    expect(await memory()).toEqual({ used_bytes: 0, limit_bytes: 20_000, evicted: 0 });
    const client = new Client(service);
    dataOf(await client.set('k:00', '1'), 201);
    const { used_bytes: one } = (await memory()) as { used_bytes: number };
    expect(one).toBeGreaterThan(0);
    const fitting = Math.floor(20_000 / one);
    for (let i = 10; i < 10 + fitting + 2; i++) dataOf(await client.set(`k:${i}`, '1'), 201);
    expect(await memory()).toMatchObject({ limit_bytes: 20_000, evicted: 3 });
    await service.stop();
  });
});

describeOnBackends('the health check', { SERVICE_NAME: 'my cache' }, (connect) => {
  test('returns the SERVICE_NAME', async () => {
    expectHealth(await health(connect()), 'healthy', 'my cache');
  });
});

/** All operations that need the backend. */
const operations: [name: string, send: (client: Client) => Promise<RawResponse>][] = [
  ['a get', (client) => client.get('secret-key')],
  ['a set', (client) => client.set('secret-key', '"secret-value"')],
  ['a delete', (client) => client.delete('secret-key')],
  ['an invalidation of one key', (client) => client.invalidate({ pattern: 'secret-key' })],
  ['an invalidation by a pattern', (client) => client.invalidate({ pattern: 'secret-*' })],
  ['an invalidation of all', (client) => client.invalidate()],
  ['a clear', (client) => client.clear()],
];

describe('a service whose backend', () => {
  let server: Server;
  let service: Service;
  let client: Client;

  beforeAll(async () => {
    server = await startServer();
    service = await startService({ DRAGONFLY_URL: server.url, BACKEND_TIMEOUT_MS: String(TIMEOUT_MS) });
    client = new Client(service);
  });
  afterAll(async () => {
    await service.stop();
    await server.stop();
  });

  /** Sends all requests at once, because each of them waits for its timeout. */
  async function expectUnavailable(): Promise<void> {
    const from = performance.now();
    const unhealthy = health(service);
    const answers = await Promise.all(operations.map(([, send]) => send(client)));
    expectHealth(await unhealthy, 'unhealthy');
    expect(performance.now() - from).toBeLessThan(ANSWER_MS);
    for (const answer of answers) {
      detailsOf(answer, 503, 'BACKEND_UNAVAILABLE');
      expect(answer.headers['retry-after']).toBe('1');
      for (const inside of [server.host, String(server.port), '{cache:', 'secret', 'ioredis', '    at ']) {
        expect(answer.text).not.toContain(inside);
      }
    }
  }

  async function expectWell(): Promise<void> {
    dataOf(await client.set('secret-key', '"secret-value"'), 201);
    expect(dataOf(await client.get('secret-key'), 200)).toMatchObject({ value: 'secret-value' });
    expect(dataOf(await client.invalidate({ pattern: 'secret-*' }), 200).count).toBe(1);
    expectNoContent(await client.delete('secret-key'));
    expectNoContent(await client.clear());
    expectHealth(await health(service), 'healthy');
  }

  async function untilHealthy(): Promise<void> {
    while ((await health(service)).status !== 200) await sleep(50);
  }

  test('is reachable answers every operation and is healthy', expectWell);

  test('was killed is unhealthy and answers every operation with 503', async () => {
    await server.kill();
    await expectUnavailable();
  });

  test('was killed answers requests that do not need the backend', async () => {
    detailsOf(await client.set('k', '1', 0), 400, 'VALIDATION_ERROR');
    detailsOf(await client.clear('other'), 403, 'TENANT_MISMATCH');
    detailsOf(await client.send({ target: '/nowhere' }), 404, 'NOT_FOUND');
    expect((await client.send({ target: '/openapi.json' })).status).toBe(200);
  });

  test('was restarted answers every operation and is healthy', async () => {
    await server.restart();
    await untilHealthy();
    await expectWell();
  });

  test('does not respond is unhealthy and answers every operation with 503', async () => {
    server.pause();
    await expectUnavailable();
  });

  test('responds again answers every operation and is healthy', async () => {
    server.resume();
    await untilHealthy();
    await expectWell();
  });

  test('was unreachable has logged no key and no value', async () => {
    await service.stop();
    expect(service.stdout()).toContain('"BACKEND_UNAVAILABLE"');
    expect(service.stdout() + service.stderr()).not.toContain('secret');
  });
});
