import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { script } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

/** A promise, and what settles it. */
function pending<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

describe('a caller whose signal fires', () => {
  test('does not end the calls of others', async () => {
    const { cache } = start();
    const work = pending<string>();
    const begun = pending<AbortSignal>();
    const produce = (signal: AbortSignal) => {
      begun.resolve(signal);
      return work.promise;
    };
    const controller = new AbortController();
    const leaving = cache.getOrSet('k', 60, produce, { signal: controller.signal });
    const staying = cache.getOrSet('k', 60, produce);
    const signal = await begun.promise;
    controller.abort('I have to go');
    await expect(leaving).rejects.toBe('I have to go');
    expect(signal.aborted).toBe(false);
    work.resolve('worth it');
    expect(await staying).toBe('worth it');
    expect(await cache.get('k')).toMatchObject({ value: 'worth it' });
  });

  test('as the last one aborts the producer, and its result is not cached', async () => {
    const { cache, reported } = start();
    const work = pending<string>();
    const begun = pending<AbortSignal>();
    const produce = (signal: AbortSignal) => {
      begun.resolve(signal);
      return work.promise;
    };
    const controllers = [new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }) => cache.getOrSet('k', 60, produce, { signal }));
    const settled = Promise.allSettled(calls);
    const signal = await begun.promise;
    controllers[0]?.abort();
    expect(signal.aborted).toBe(false);
    controllers[1]?.abort();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(signal.aborted).toBe(true);
    // Whoever comes now does not wait for what was given up.
    expect(await cache.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    work.resolve('half of it');
    await sleep(50);
    expect(await cache.get('k')).toMatchObject({ value: 'of the next' });
    expect(reported).toEqual([]);
  });

  test('during the lookup ends the lookup, and nothing is produced', async () => {
    const server = await script('hang');
    const { cache, reported } = start({ url: server.url });
    const produce = vi.fn(() => 1);
    const controller = new AbortController();
    const call = cache.getOrSet('k', 60, produce, { signal: controller.signal, timeoutMs: 60_000 });
    await expect.poll(() => server.asked.length).toBe(1);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await sleep(50);
    expect(produce).not.toHaveBeenCalled();
    expect(reported).toEqual([]);
  });

  test('after it has its value does not abort the producer', async () => {
    const { cache } = start();
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const produce = (signal: AbortSignal) => {
      seen = signal;
      return 1;
    };
    await cache.getOrSet('k', 60, produce, { signal: controller.signal });
    controller.abort();
    expect(seen?.aborted).toBe(false);
  });
});
