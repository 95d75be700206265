import { describe, expect, test } from 'vitest';
import type { CacheClient } from '../../lib/client/index.ts';
import { startProxy } from '../faults/proxy.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { failure, pathsOf, script } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start, port } = serviceForClients();

/** So that no call times out while a busy machine stands still. */
const PATIENTLY = { timeoutMs: 20_000 };

describe('a cache that fails', () => {
  test('because it is down is a miss', async () => {
    const { cache, reported } = start({ url: `http://${LOOPBACK}:${await freePort()}` });
    expect(await cache.getOrSet('k', 60, async () => 'produced', PATIENTLY)).toBe('produced');
    expect(reported).toEqual([{ code: 'CONNECTION_FAILED', operation: 'get', key: 'k' }]);
  });

  test('because it hangs is a miss after the timeout', async () => {
    const proxy = await startProxy(port());
    const { cache, reported } = start({ url: `http://${LOOPBACK}:${proxy.port}` });
    const tenant = cache.tenant;
    await cache.set('k', 'cached');
    expect(await cache.getOrSet('k', 60, () => 'produced', PATIENTLY)).toBe('cached');
    proxy.drop();
    expect(await cache.getOrSet('k', 60, () => 'produced', { timeoutMs: 100 })).toBe('produced');
    expect(reported.map(({ code, operation }) => `${operation} ${code}`)).toEqual(['get DEADLINE_EXCEEDED']);
    await proxy.stop();
    expect(await start({ tenant }).cache.get('k')).toMatchObject({ value: 'cached' });
  });

  test('has a timeout of one second by default', async () => {
    const server = await script('hang');
    const { cache, reported } = start({ url: server.url, timeoutMs: 600_000 });
    expect(await cache.getOrSet('k', 60, () => 'produced', { timeoutMs: undefined })).toBe('produced');
    expect(reported).toHaveLength(1);
  });

  test.each([
    ['it has a fault', failure(500, 'INTERNAL_SERVER_ERROR')],
    ['it lets nobody in', { status: 403, body: { message: 'Forbidden' } }],
    ['something else is there', { status: 200, body: '<html>' }],
  ])('because %s is a miss, and the produced value is not set', async (_, reply) => {
    const server = await script(reply);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(reported.map(({ operation }) => operation)).toEqual(['get']);
    expect(pathsOf(server)).toEqual(['lease']);
  });

  test('because it rejects the value does not fail the call', async () => {
    const { cache, reported } = start();
    const long = 'x'.repeat(6 * 1024 ** 2);
    expect((await cache.getOrSet('k', 60, () => long, { timeoutMs: 20_000 })).length).toBe(long.length);
    expect(reported).toEqual([{ code: 'PAYLOAD_TOO_LARGE', operation: 'set', key: 'k' }]);
  });

  test.each([
    ['a key that there cannot be', '', 60, 'get'],
    ['a time to live that there cannot be', 'k', 0, 'set'],
  ])('because of %s is reported to onError, and the call produces', async (_, key, ttl, operation) => {
    const { cache, reported } = start();
    expect(await cache.getOrSet(key, ttl, () => 'produced')).toBe('produced');
    expect(reported).toEqual([{ code: 'VALIDATION_ERROR', operation, key }]);
  });

  test('is a miss also without onError, and with an onError that throws', async () => {
    const url = `http://${LOOPBACK}:${await freePort()}`;
    const ask = (cache: CacheClient) => cache.getOrSet('k', 60, () => 'produced');
    expect(await ask(start({ url, onError: undefined }).cache)).toBe('produced');
    const onError = () => {
      throw new Error('a fault in here');
    };
    expect(await ask(start({ url, onError }).cache)).toBe('produced');
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    expect(await ask(start({ url, onError: async () => onError() }).cache)).toBe('produced');
    // Node tells of them once it has nothing else to do in this turn.
    await new Promise(setImmediate);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('is a miss also if authorize throws', async () => {
    const authorize = async () => {
      throw Object.assign(new Error('expired'), { code: 'NO_CREDENTIALS' });
    };
    const { cache, reported } = start({ authorize });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(reported.map(({ code }) => code)).toEqual(['NO_CREDENTIALS']);
  });
});
