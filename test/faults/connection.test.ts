import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { compileGlob } from '../../lib/store/glob.ts';
import type { Client } from '../../lib/store/redis/connection/client.ts';
import { Connection } from '../../lib/store/redis/connection/connection.ts';
import { accessSource } from '../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../lib/store/redis/connection/profiles.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { newTenant, soon } from '../conformance/backends.ts';
import { withRawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';
import { type FaultProxy, startProxy } from './proxy.ts';
import { DEFAULT_TIMEOUT, type Environment, healed, open, QUICK_TO_NOTICE, unavailable } from './store.ts';

describe.each<Environment>(['local server', 'Lambda'])('a connection that fails, %s', (on) => {
  let server: Server;
  let proxy: FaultProxy;
  /** Through the proxy, for operations that are to succeed. */
  let store: CacheStore;
  /** Through the proxy, for operations that are to fail. */
  let failing: CacheStore;
  /** With nothing in between. */
  let direct: CacheStore;
  let tenant: string;

  beforeAll(async () => {
    server = await startServer();
    direct = await open(server.url, on);
  });
  afterAll(async () => {
    await direct.close();
    await server.stop();
  });
  beforeEach(async () => {
    tenant = newTenant();
    proxy = await startProxy(server.port);
    store = await open(proxy.url, on, QUICK_TO_NOTICE);
    failing = await open(proxy.url, on, DEFAULT_TIMEOUT);
    // Both are connected and know the server's time.
    await healed(failing, tenant);
    await store.set(tenant, 'k', '"before"', 60);
  });
  afterEach(async () => {
    await store.close();
    await failing.close();
    await proxy.stop();
  });

  test('costs no request when it was reset while idle', async () => {
    for (let round = 0; round < 10; round++) {
      proxy.reset();
      // With and without time for the process to notice.
      if (round % 2) await sleep(20);
      expect((await store.get(tenant, 'k'))?.value).toBe('"before"');
      await store.set(tenant, `k:${round}`, '1', 60);
    }
  });

  test('costs no request when it was reset under load', async () => {
    const requests = Array.from({ length: 200 }, async (_, i) => {
      await sleep(i);
      await store.set(tenant, `k:${i}`, '1', 60);
      expect((await store.get(tenant, `k:${i}`))?.value).toBe('1');
    });
    for (let round = 0; round < 4; round++) {
      await sleep(50);
      proxy.reset();
    }
    await Promise.all(requests);
  });

  test('costs no request when it has gone dark, as after a freeze', async () => {
    for (let round = 0; round < 2; round++) {
      proxy.drop();
      proxy.heal();
      expect((await store.get(tenant, 'k'))?.value).toBe('"before"');
    }
    proxy.drop();
    proxy.heal();
    await store.set(tenant, 'k', '"after"', 60);
    expect((await store.get(tenant, 'k'))?.value).toBe('"after"');
  });

  test('is told within its deadline when nothing answers, and made anew when something does', async () => {
    await proxy.refuse();
    proxy.reset();
    await unavailable(failing.get(tenant, 'k'));
    await unavailable(failing.set(tenant, 'k', '1', 60));
    await unavailable(failing.delete(tenant, 'k'));
    await unavailable(failing.invalidate(tenant, compileGlob('k*'), soon()));
    await unavailable(failing.clear(tenant, soon()));
    await unavailable(failing.ping());
    await proxy.accept();
    await healed(failing, tenant);
  });

  test('is told within its deadline when the network swallows everything', async () => {
    proxy.drop();
    await unavailable(failing.get(tenant, 'k'));
    await unavailable(failing.set(tenant, 'k', '1', 60));
    proxy.heal();
    await healed(failing, tenant);
  });

  /** Invalidates what a set may have left, lets the network deliver what it holds back, and looks whether that brought it back. */
  async function expectGoneForGood(sender: CacheStore): Promise<void> {
    expect((await direct.invalidate(tenant, compileGlob('k*'), soon())).complete).toBe(true);
    proxy.release();
    await healed(sender, tenant);
    expect(await direct.get(tenant, 'k')).toBeUndefined();
  }

  test('does not make a set appear that was answered with a failure and came late', async () => {
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"late"', 60));
    await expectGoneForGood(failing);
    expect((await direct.invalidate(tenant, compileGlob('*'), soon())).count).toBe(1);
  });

  test('does not apply a touch that was answered with a failure and came late', async () => {
    await direct.set(tenant, 'k', '"before"', 60);
    // From now on the server has the script, so that its hash alone suffices.
    await direct.touch(tenant, 'k', 60);
    proxy.hold();
    await unavailable(failing.touch(tenant, 'k', 3600));
    await direct.set(tenant, 'k', '"short lived"', 10);
    proxy.release();
    await healed(failing, tenant);
    expect((await direct.get(tenant, 'k'))?.ttl).toBeLessThanOrEqual(10);
  });

  test('applies a fill once that had to be sent again, and a late one not after a removal', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await store.lease(tenant, 'k', 300);
    proxy.strand();
    expect(await store.set(tenant, 'k', '"filled"', 60, { lease: lease?.token })).toBe(true);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"filled"');
    await expectGoneForGood(store);
  });

  test('rejects a fill that was answered with a failure and came late, if its lease has ended', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"late"', 60, { lease: lease?.token }));
    await expectGoneForGood(failing);
  });

  test('accepts a fill again that was answered with a failure, whether or not it was applied', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"filled"', 60, { lease: lease?.token }));
    proxy.release();
    await healed(failing, tenant);
    expect(await failing.set(tenant, 'k', '"filled"', 60, { lease: lease?.token })).toBe(true);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"filled"');
  });

  test('is told within its deadline to a lease request, a fill and a release', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.drop();
    await unavailable(failing.set(tenant, 'k', '1', 60, { lease: lease?.token }));
    await unavailable(failing.release(tenant, 'k', lease?.token ?? ''));
    await unavailable(failing.lease(tenant, 'k', 300));
    proxy.heal();
    await healed(failing, tenant);
  });

  test('does not make a set appear that came late when our clock had been put forward', async () => {
    const { now } = Date;
    const monotonicNow = performance.now.bind(performance);
    try {
      // Less than a pause after which the server's time is asked for anew. Both clocks, since a step of one of them is noticed.
      Date.now = () => now() + 20_000;
      performance.now = () => monotonicNow() + 20_000;
      proxy.hold();
      await unavailable(failing.set(tenant, 'k', '"late"', 60));
    } finally {
      Date.now = now;
      performance.now = monotonicNow;
    }
    await expectGoneForGood(failing);
  });

  test('does not let a set that had to be sent again undo an invalidation made after it was answered', async () => {
    // What goes out on this connection arrives only after it was given up, and after what went out on the next one.
    proxy.strand();
    await store.set(tenant, 'k', '"sent twice"', 60);
    await expectGoneForGood(store);
  });

  test('does not let one do so either that was on its way when the connection was reset', async () => {
    proxy.strand();
    const set = store.set(tenant, 'k', '"sent twice"', 60);
    await sleep(50);
    proxy.resetClients();
    await set;
    await expectGoneForGood(store);
  });

  test('does not let one do so either that went out on a connection shortly before it was given up', async () => {
    proxy.strand();
    // With it the silence begins: the set behind it is sent again while the first one may still take effect.
    const before = store.get(tenant, 'k').catch(() => undefined);
    await sleep(750);
    await store.set(tenant, 'k', '"sent twice"', 60);
    await expectGoneForGood(store);
    await before;
  });

  test('does not make a set appear that met a stopped server', async () => {
    server.pause();
    await unavailable(failing.set(tenant, 'k', '"late"', 60));
    server.resume();
    await healed(direct, tenant);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"before"');
  });

  test('finds its scripts forgotten and goes on', async () => {
    await direct.clear(tenant, soon());
    await direct.set(tenant, 'k', '1', 60);
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    await Promise.all(['a', 'b', 'c'].map((key) => direct.set(tenant, key, '1', 60)));
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    expect(await direct.delete(tenant, 'k')).toBe(true);
    expect(await direct.clear(tenant, soon())).toBe(3);
  });

  test('may be to a server that is not there yet', async () => {
    await proxy.refuse();
    proxy.reset();
    const early = await open(proxy.url, on, DEFAULT_TIMEOUT);
    await unavailable(early.get(tenant, 'k'));
    await proxy.accept();
    await healed(early, tenant);
    await early.close();
  });
});

test('a server that lost all its data is a cache that is empty', async () => {
  const server = await startServer();
  const store = await open(server.url, 'Lambda');
  await store.set('t', 'k', '1', 60);
  const { lease } = await store.lease('t', 'leased', 300);
  await server.restart();
  expect(await store.get('t', 'k')).toBeUndefined();
  expect(await store.set('t', 'leased', '1', 60, { lease: lease?.token })).toBe(false);
  await store.set('t', 'k', '2', 60);
  expect((await store.get('t', 'k'))?.value).toBe('2');
  await store.close();
  await server.stop();
});

test('a programming error that has a code is thrown at once, and the commands are not sent again', async () => {
  const server = await startServer();
  const config = readConfig({ ...PATIENT, DRAGONFLY_URL: server.url });
  const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });
  const connection = new Connection(accessSource(config), profileFor(config), log);
  let attempts = 0;
  const commands = async (client: Client) => {
    attempts++;
    return client.get(Buffer.from(undefined as unknown as string));
  };
  try {
    await expect(connection.run(commands)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(attempts).toBe(1);
  } finally {
    await connection.close();
    await server.stop();
  }
});

test('a server whose clock is far from ours takes sets all the same', async () => {
  const server = await startServer();
  const store = await open(server.url, 'Lambda');
  const { now } = Date;
  try {
    for (const offset of [-3_600_000, 3_600_000]) {
      Date.now = () => now() + offset;
      await store.set('t', 'k', String(offset), 60);
      expect(await store.get('t', 'k')).toMatchObject({ value: String(offset) });
    }
  } finally {
    Date.now = now;
    await store.close();
    await server.stop();
  }
});

test('a value is stale when its TTL has passed by the clock of the server, also if ours is changed meanwhile', async () => {
  const server = await startServer();
  const store = await open(server.url, 'Lambda');
  const { now } = Date;
  try {
    await store.set('t', 'k', '1', 1, { graceSeconds: 100 });
    Date.now = () => now() - 20_000;
    await sleep(1100);
    expect(await store.get('t', 'k')).toBeUndefined();
    expect((await store.lease('t', 'k', 300)).hit).toEqual({ value: '1', bytes: 1, ttl: 0 });
  } finally {
    Date.now = now;
    await store.close();
    await server.stop();
  }
});
