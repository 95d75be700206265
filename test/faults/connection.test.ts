import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
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

describe.each<Environment>(['local server', 'Lambda'])('a store on a failing connection, %s', (on) => {
  let server: Server;
  let proxy: FaultProxy;
  /** Connected through the proxy, for operations that are expected to succeed. */
  let store: CacheStore;
  /** Connected through the proxy, for operations that are expected to fail. */
  let failing: CacheStore;
  /** Connected to the server without the proxy. */
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
    // Both stores are connected and have read the server's time.
    await healed(failing, tenant);
    await store.set(tenant, 'k', '"before"', 60);
  });
  afterEach(async () => {
    await store.close();
    await failing.close();
    await proxy.stop();
  });

  test('fails no request when the connection was reset while idle', async () => {
    for (let round = 0; round < 10; round++) {
      proxy.reset();
      // In every other round the process has time to notice.
      if (round % 2) await sleep(20);
      expect((await store.get(tenant, 'k'))?.value).toBe('"before"');
      await store.set(tenant, `k:${round}`, '1', 60);
    }
  });

  test('fails no request when the connection is reset under load', async () => {
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

  test('fails no request when the connection has gone silent, as after a freeze', async () => {
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

  test('fails within the deadline while connections are refused, and reconnects when they are accepted', async () => {
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

  test('fails within the deadline when the network drops all bytes', async () => {
    proxy.drop();
    await unavailable(failing.get(tenant, 'k'));
    await unavailable(failing.set(tenant, 'k', '1', 60));
    proxy.heal();
    await healed(failing, tenant);
  });

  /** Invalidates the entry, lets the proxy deliver the delayed set, and expects that the entry stays removed. */
  async function expectGoneForGood(sender: CacheStore): Promise<void> {
    expect((await direct.invalidate(tenant, compileGlob('k*'), soon())).complete).toBe(true);
    proxy.release();
    await healed(sender, tenant);
    expect(await direct.get(tenant, 'k')).toBeUndefined();
  }

  test('does not apply a set that failed with a timeout and arrives late', async () => {
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"late"', 60));
    await expectGoneForGood(failing);
    expect((await direct.invalidate(tenant, compileGlob('*'), soon())).count).toBe(1);
  });

  test('does not apply a touch that failed with a timeout and arrives late', async () => {
    await direct.set(tenant, 'k', '"before"', 60);
    // Loads the script, so that the touch below is a single EVALSHA.
    await direct.touch(tenant, 'k', 60);
    proxy.hold();
    await unavailable(failing.touch(tenant, 'k', 3600));
    await direct.set(tenant, 'k', '"short lived"', 10);
    proxy.release();
    await healed(failing, tenant);
    expect((await direct.get(tenant, 'k'))?.ttl).toBeLessThanOrEqual(10);
  });

  test('applies a retried fill once, and does not apply the late first attempt after a removal', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await store.lease(tenant, 'k', 300);
    proxy.strand();
    expect(await store.set(tenant, 'k', '"filled"', 60, { lease: lease?.token })).toBe(true);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"filled"');
    await expectGoneForGood(store);
  });

  test('rejects a fill that failed with a timeout and arrives after its lease has ended', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"late"', 60, { lease: lease?.token }));
    await expectGoneForGood(failing);
  });

  test('accepts the retry of a fill that failed with a timeout but was applied', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.hold();
    await unavailable(failing.set(tenant, 'k', '"filled"', 60, { lease: lease?.token }));
    proxy.release();
    await healed(failing, tenant);
    expect(await failing.set(tenant, 'k', '"filled"', 60, { lease: lease?.token })).toBe(true);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"filled"');
  });

  test('fails a lease request, a fill and a release within the deadline when the network drops all bytes', async () => {
    await direct.delete(tenant, 'k');
    const { lease } = await failing.lease(tenant, 'k', 300);
    proxy.drop();
    await unavailable(failing.set(tenant, 'k', '1', 60, { lease: lease?.token }));
    await unavailable(failing.release(tenant, 'k', lease?.token ?? ''));
    await unavailable(failing.lease(tenant, 'k', 300));
    proxy.heal();
    await healed(failing, tenant);
  });

  test('does not apply a late set although the clock of this process was 20 s ahead when it was sent', async () => {
    const { now } = Date;
    const monotonicNow = performance.now.bind(performance);
    try {
      // Less than the age at which the server's time is read again. Both clocks, because a step of only one is detected.
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

  test('does not apply the late first attempt of a retried set after an invalidation', async () => {
    // Bytes on this connection arrive only after it was abandoned, and after the retry on the next connection.
    proxy.strand();
    await store.set(tenant, 'k', '"sent twice"', 60);
    await expectGoneForGood(store);
  });

  test('does not apply a set after an invalidation if it was in flight when the connection was reset', async () => {
    proxy.strand();
    const set = store.set(tenant, 'k', '"sent twice"', 60);
    await sleep(50);
    proxy.resetClients();
    await set;
    await expectGoneForGood(store);
  });

  test('does not apply a set after an invalidation if it was sent shortly before the connection was abandoned', async () => {
    proxy.strand();
    // The get starts the socket timeout. It expires while the first attempt of the set may still take effect.
    const before = store.get(tenant, 'k').catch(() => undefined);
    await sleep(750);
    await store.set(tenant, 'k', '"sent twice"', 60);
    await expectGoneForGood(store);
    await before;
  });

  test('does not apply a set that failed with a timeout on a stopped server when the server continues', async () => {
    server.pause();
    await unavailable(failing.set(tenant, 'k', '"late"', 60));
    server.resume();
    await healed(direct, tenant);
    expect((await direct.get(tenant, 'k'))?.value).toBe('"before"');
  });

  test('succeeds after SCRIPT FLUSH', async () => {
    await direct.clear(tenant, soon());
    await direct.set(tenant, 'k', '1', 60);
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    await Promise.all(['a', 'b', 'c'].map((key) => direct.set(tenant, key, '1', 60)));
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    expect(await direct.delete(tenant, 'k')).toBe(true);
    expect(await direct.clear(tenant, soon())).toBe(3);
  });

  test('can be opened before the server is available', async () => {
    await proxy.refuse();
    proxy.reset();
    const early = await open(proxy.url, on, DEFAULT_TIMEOUT);
    await unavailable(early.get(tenant, 'k'));
    await proxy.accept();
    await healed(early, tenant);
    await early.close();
  });
});

test('a server that has lost all its data is an empty cache', async () => {
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

/** Closes all other connections to the server in another process, while this one cannot run. */
function closeConnectionsDuringFreeze({ port }: Server): void {
  const script = `require('node:net').connect(${port}, '127.0.0.1', function () {
    this.once('data', () => this.destroy()).write('CLIENT KILL TYPE normal SKIPME yes\\r\\n');
  })`;
  execFileSync(process.execPath, ['-e', script]);
}

test('on Lambda, a command after a freeze is not sent on a connection that the server closed meanwhile', async () => {
  const server = await startServer();
  const config = readConfig({ ...PATIENT, DRAGONFLY_URL: server.url, AWS_LAMBDA_FUNCTION_NAME: 'set' });
  const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });
  const connection = new Connection(accessSource(config), profileFor(config), log);
  try {
    await connection.ping();
    for (let round = 0; round < 5; round++) {
      closeConnectionsDuringFreeze(server);
      let attempts = 0;
      await connection.run((client) => {
        attempts++;
        return (client as Redis).ping();
      });
      expect(attempts).toBe(1);
    }
  } finally {
    await connection.close();
    await server.stop();
  }
});

test('a programming error with an error code is thrown at once, and the commands are not retried', async () => {
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

test('a server whose clock differs widely from the clock of this process accepts sets', async () => {
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

test('a value is stale when its TTL has passed by the clock of the server, although the clock of this process was changed', async () => {
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

test('a value that is stale only by the clock of the process is fresh for a lease request, which gets no lease', async () => {
  const server = await startServer();
  const store = await open(server.url, 'Lambda');
  const { now } = Date;
  const monotonicNow = performance.now.bind(performance);
  try {
    await store.set('t', 'k', '1', 60, { graceSeconds: 100 });
    // Both clocks, because a step of only one is detected.
    Date.now = () => now() + 61_000;
    performance.now = () => monotonicNow() + 61_000;
    expect(await store.lease('t', 'k', 300)).toEqual({ hit: { value: '1', bytes: 1, ttl: 1 } });
  } finally {
    Date.now = now;
    performance.now = monotonicNow;
    await store.close();
    await server.stop();
  }
});
