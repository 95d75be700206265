import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { CacheClient } from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import { granted, hit, pathsOf, script, wasSet } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

describe('callers of one key at the same time', () => {
  test('share one lookup and one producer', async () => {
    const server = await script(granted, wasSet, 'reset');
    const { cache } = start({ url: server.url });
    const produce = vi.fn(async () => ({ answer: 42 }));
    const calls = Array.from({ length: 50 }, () => cache.getOrSet('k', 60, produce));
    const values = await Promise.all(calls);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(values).toEqual(Array(50).fill({ answer: 42 }));
    expect(pathsOf(server)).toEqual(['lease', '']);
  });

  test('share a hit as well', async () => {
    const server = await script(hit('cached'));
    const { cache } = start({ url: server.url });
    const calls = Array.from({ length: 50 }, () => cache.getOrSet('k', 60, () => 'produced'));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['cached']));
    expect(server.asked).toHaveLength(1);
  });

  test('share them across clients of one tenant, and never with another tenant', async () => {
    const { cache } = start();
    const other = cache.forTenant(newTenant());
    const produce = vi.fn(async (who: string) => {
      await sleep(20);
      return who;
    });
    const ask = (client: CacheClient, who: string) => client.getOrSet('k', 60, () => produce(who));
    const same = other.forTenant(cache.tenant);
    const values = await Promise.all([ask(cache, 'one'), ask(same, 'the same'), ask(other, 'other')]);
    expect(values).toEqual(['one', 'one', 'other']);
    expect(produce).toHaveBeenCalledTimes(2);
  });

  test('share nothing with callers of other keys', async () => {
    const { cache } = start();
    const values = await Promise.all(
      ['a', 'b', 'a b'].map((key) => cache.getOrSet(key, 60, () => `of ${key}`)),
    );
    expect(values).toEqual(['of a', 'of b', 'of a b']);
  });

  test("all get the producer's error; nothing is cached, and the next caller produces again", async () => {
    const { cache, reported } = start();
    const failed = new Error('the model is away');
    const produce = vi.fn(async (): Promise<string> => {
      throw failed;
    });
    const calls = Array.from({ length: 5 }, () => cache.getOrSet('k', 60, produce).catch((error) => error));
    for (const error of await Promise.all(calls)) expect(error).toBe(failed);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(await cache.get('k')).toEqual({ found: false, key: 'k' });
    expect(await cache.getOrSet('k', 60, () => 'again')).toBe('again');
    expect(reported).toEqual([]);
  });

  test('get the error of a producer that throws synchronously', async () => {
    const { cache } = start();
    const produce = (): string => {
      throw new RangeError('at once');
    };
    await expect(cache.getOrSet('k', 60, produce)).rejects.toThrow(RangeError);
  });

  test('produce again after the value has expired or was removed', async () => {
    const { cache } = start();
    let produced = 0;
    const ask = () => cache.getOrSet('k', 60, () => ++produced);
    expect([await ask(), await ask()]).toEqual([1, 1]);
    await cache.invalidate('k');
    expect([await ask(), await ask()]).toEqual([2, 2]);
  });
});

describe('a value that is produced', () => {
  test.each([null, false, 0, '', []])('is cached also when it is %j', async (value) => {
    const { cache } = start();
    const produce = vi.fn(() => value);
    expect(await cache.getOrSet<unknown>('k', 60, produce)).toEqual(value);
    expect(await cache.getOrSet<unknown>('k', 60, produce)).toEqual(value);
    expect(produce).toHaveBeenCalledTimes(1);
  });
});
