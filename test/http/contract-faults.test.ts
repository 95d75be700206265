import { afterEach, describe, expect, test, vi } from 'vitest';
import { routes } from '../../lib/routes.ts';
import { inBatches, mainBackends, soon } from '../conformance/backends.ts';
import { administer, startObedientServer } from '../faults/refusals/engine.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { mainTargets } from '../support/long-run.ts';
import { PATIENT } from '../support/patience.ts';
import { batch, itemsIn } from './batch.ts';
import { Client, dataOf, detailsOf, expectNoContent } from './client.ts';
import { startTestGateway } from './gateway-echo.ts';
import { fill, grantedToken, lease, sendRelease, setStale } from './lease.ts';
import { type Service, startService } from './service.ts';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).reverse()) await end();
});

describe.each(mainTargets)('an unexpected error of the backend ($name)', ({ url }) => {
  /** A service with a tenant whose meta keys have the wrong type, which only a fault in the service could cause. */
  async function startOnBrokenTenant(): Promise<{ service: Service; client: Client }> {
    const service = await startService({ DRAGONFLY_URL: url, CACHE_SHARDS: '1' });
    ends.push(() => service.stop());
    const client = new Client(service);
    const raw = await rawClient(url);
    ends.push(() => raw.quit());
    for (const name of ['gen', 'exp', 'lex'])
      await raw.set(`{cache:${client.tenant}:0}:${name}`, '12345678', 'EX', 60);
    return { service, client };
  }

  test('is answered with 500 and without its details', async () => {
    const { service, client } = await startOnBrokenTenant();
    const answer = await client.set('secret-key', '"secret-value"');
    detailsOf(answer, 500, 'INTERNAL_SERVER_ERROR');
    for (const inside of [
      'WRONGTYPE',
      '{cache:',
      'secret',
      '127.0.0.1',
      'localhost',
      '.ts',
      '    at ',
      'ioredis',
    ]) {
      expect(answer.text).not.toContain(inside);
    }
    // The service still works.
    dataOf(await new Client(service).set('k', '1'), 201);
  });

  test('is logged with the correlation id of the request and without key and value', async () => {
    const { service, client } = await startOnBrokenTenant();
    await client.post('{"key":"secret-key","value":"secret-value"}', ['X-Correlation-ID', 'chain-1']);
    await service.stop();
    const lines = service
      .stdout()
      .split('\n')
      .filter((line) => line.includes('chain-1'));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'ERROR', message: 'INTERNAL_SERVER_ERROR', cause: { stack: expect.any(String) } },
      { level: 'INFO', message: 'request', status: 500 },
    ]);
    expect(lines[0]).toContain('WRONGTYPE');
    expect(service.stdout()).not.toContain('secret');
  });
});

describe.each(mainBackends)('an invalidation that runs out of time ($name)', ({ url }) => {
  /** A gateway that invokes the real function for invalidations with no time left. */
  async function startOutOfTime() {
    vi.resetModules();
    const env = { ...PATIENT, DRAGONFLY_URL: url ?? '', CACHE_SHARDS: '1' };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    // The service runs in this process: its log would clutter the output of the tests.
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const { startService: startInProcess } = await import('../../lib/service.ts');
    const { handler } = await import('../../functions/invalidate.ts');
    const { handler: get } = await import('../../functions/get.ts');
    const { store, stop } = await startInProcess();
    vi.unstubAllEnvs();
    ends.push(stop);
    const gateway = await startTestGateway(routes, {
      get: (event, context) => get(event, context as never),
      invalidate: (event, context) =>
        handler(event, { ...context, getRemainingTimeInMillis: () => 0 } as never),
    });
    ends.push(() => gateway.stop(0));
    return { store, client: new Client(gateway) };
  }

  test('is answered with 503 and the count so far, and removes the remaining entries when it is repeated', async () => {
    const { store, client } = await startOutOfTime();
    // More than one page: 10,000 keys in memory, 1,000 on a server.
    const total = url === undefined ? 21_000 : 2500;
    const keys = Array.from({ length: total }, (_, index) => `a${index}`);
    await inBatches(keys, (key) => store.set(client.tenant, key, '1', 300));
    await store.set(client.tenant, 'b', '1', 300);

    let removed = 0;
    let incomplete = 0;
    let answer = await client.invalidate({ pattern: 'a*' });
    while (answer.status === 503) {
      const { count } = detailsOf(answer, 503, 'INVALIDATION_INCOMPLETE');
      expect(count).toBeGreaterThan(0);
      removed += count as number;
      incomplete++;
      answer = await client.invalidate({ pattern: 'a*' });
    }
    expect(incomplete).toBeGreaterThan(0);
    expect(removed + (dataOf(answer, 200).count as number)).toBe(total);
    expect(await client.held(['a0', `a${total - 1}`, 'b'])).toEqual(['b']);
    await store.clear(client.tenant, soon());
  });
});

describe('a backend that is full and evicts nothing', () => {
  /** A service whose backend has refused writes since `before` was done. */
  async function startFull(
    before: (client: Client) => Promise<unknown>,
  ): Promise<Client & { log: () => string }> {
    const server = await startObedientServer({ args: ['--maxmemory-policy', 'noeviction'] });
    ends.push(() => server.stop());
    const service = await startService({ DRAGONFLY_URL: server.url });
    ends.push(() => service.stop());
    const client = new Client(service);
    await before(client);
    await administer(server, ['CONFIG', 'SET', 'maxmemory', 1]);
    return Object.assign(client, { log: service.stdout });
  }

  test('answers a lease request for a missing key with neither a lease nor a time to ask again', async () => {
    const client = await startFull(async () => undefined);
    const miss = { key: 'k', found: false };
    expect(await lease(client)).toEqual(miss);
    expect(await lease(client)).toEqual(miss);
    const answer = await batch(client, 'get', '{"keys":["k","l"],"lease":30}');
    expect(itemsIn(answer, 200)).toEqual([miss, { key: 'l', found: false }]);
    await expect.poll(client.log).toContain('backend refuses writes, no lease granted');
    detailsOf(await client.set('k', '1'), 503, 'BACKEND_UNAVAILABLE');
  });

  test('answers a lease request for a stale value with the value and without a lease', async () => {
    const client = await startFull((filled) => setStale(filled, 'k', '"old"'));
    expect(await lease(client)).toEqual({ key: 'k', value: 'old', found: true, ttl: 0, stale: true });
    const answer = await batch(client, 'get', '{"keys":["k","l"],"lease":30}');
    expect(itemsIn(answer, 200)).toEqual([
      { key: 'k', value: 'old', found: true, ttl: 0, stale: true },
      { key: 'l', found: false },
    ]);
  });

  test('answers a fill with 503, and a release with 204', async () => {
    let token = '';
    const client = await startFull(async (granting) => {
      token = await grantedToken(granting);
    });
    detailsOf(await fill(client, 'k', '1', token), 503, 'BACKEND_UNAVAILABLE');
    expect(await lease(client)).toEqual({ key: 'k', found: false, retry_after_ms: expect.any(Number) });
    expectNoContent(await sendRelease(client, { key: 'k', lease: token }));
    expect(await lease(client)).toEqual({ key: 'k', found: false });
  });
});

test('a value that is larger than the memory of the embedded store is filled with 201, and the next read is a miss', async () => {
  const service = await startService({ MEMORY_MAX_BYTES: '2000' });
  ends.push(() => service.stop());
  const client = new Client(service);
  const token = await grantedToken(client);
  expect(dataOf(await fill(client, 'k', `"${'x'.repeat(3000)}"`, token), 201)).toMatchObject({
    status: 'set',
  });
  expect(await client.holds('k')).toBe(false);
  await grantedToken(client);
});

test('a lease request for which the embedded store has no memory gets neither a lease nor a time to ask again', async () => {
  const service = await startService({ MEMORY_MAX_BYTES: '1024' });
  ends.push(() => service.stop());
  const key = 'k'.repeat(1000);
  expect(await lease(new Client(service), key)).toEqual({ key, found: false });
});
