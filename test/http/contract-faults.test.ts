import { afterEach, describe, expect, test, vi } from 'vitest';
import { routes } from '../../lib/routes.ts';
import { inBatches, mainBackends, soon } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { mainTargets } from '../support/long-run.ts';
import { PATIENT } from '../support/patience.ts';
import { Client, dataOf, detailsOf } from './client.ts';
import { startTestGateway } from './gateway-echo.ts';
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
