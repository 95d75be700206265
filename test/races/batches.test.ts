import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AUTO_SHARDS, readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log/log.ts';
import { compileGlob } from '../../lib/store/glob.ts';
import { openStore } from '../../lib/store/open.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { backends, newTenant, soon } from '../conformance/backends.ts';
import { startProxy } from '../faults/proxy.ts';
import { startCluster } from '../support/engines/cluster.ts';
import { commandsDuring, masters, withRawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { moveSlot, onNode, ownerOf } from '../support/engines/topology.ts';
import { PATIENT } from '../support/patience.ts';

const keys = Array.from({ length: 100 }, (_, i) => `k:${i}`);
const itemsOf = (value: string) => keys.map((key) => ({ key, value, ttlSeconds: 100 }));

function open(url: string, settings: Record<string, string> = PATIENT): Promise<CacheStore> {
  const config = { ...readConfig({ ...settings, DRAGONFLY_URL: url, LOG_LEVEL: 'ERROR' }), onLambda: true };
  return openStore(config, createLog(config));
}

const valuesOf = async (store: CacheStore, tenant: string) =>
  (await store.getMany(tenant, keys, 1e9)).map((hit) => hit?.value);

describe.each(backends)('batch operations that run at the same time as others, $name', ({ open }) => {
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());

  beforeAll(async () => {
    ({ store } = await open());
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('a batch that is set before an invalidation or a clear has only misses after it', async () => {
    for (const end of [() => glob('k:*'), () => glob('*'), () => store.clear(tenant, soon())]) {
      await store.setMany(tenant, itemsOf('1'));
      await end();
      expect(await valuesOf(store, tenant)).toEqual(keys.map(() => undefined));
    }
  });

  test('a batch that is set during an invalidation leaves the new value of each key or a miss, never an older value', async () => {
    for (let round = 0; round < 20; round++) {
      const [older, newer] = [`"${round} before"`, `"${round}"`];
      await store.setMany(tenant, itemsOf(older));
      const invalidated = glob(round % 2 ? 'k:*' : '*');
      const set = store.setMany(tenant, itemsOf(newer));
      const during = valuesOf(store, tenant);
      await set;
      for (const value of await valuesOf(store, tenant)) expect([undefined, newer]).toContain(value);
      // This read was sent before the set and the invalidation were answered.
      for (const value of await during) expect([undefined, newer, older]).toContain(value);
      await invalidated;
      for (const value of await valuesOf(store, tenant)) expect([undefined, newer]).toContain(value);
    }
  });

  test('batch sets of the same keys by concurrent writers leave one of the written values for each key', async () => {
    const values = Array.from({ length: 10 }, (_, i) => String(i));
    await Promise.all(values.map((value) => store.setMany(tenant, itemsOf(value))));
    for (const value of await valuesOf(store, tenant)) expect(values).toContain(value);
    expect(await store.deleteMany(tenant, keys)).toBe(100);
  });
});

describe('a batch set on a server', () => {
  let server: Server;
  let store: CacheStore;

  beforeAll(async () => {
    server = await startServer();
    store = await open(server.url);
  });
  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  test('that failed does not apply later, not even in part', async () => {
    const proxy = await startProxy(server.port);
    const behind = await open(proxy.url, {});
    const tenant = newTenant();
    // After this set the store is connected and knows the server's time.
    await expect
      .poll(() => behind.setMany(tenant, itemsOf('"before"')).then(() => 'set', String))
      .toBe('set');
    proxy.hold();
    await expect(behind.setMany(tenant, itemsOf('"late"'))).rejects.toThrow(BackendUnavailableError);
    expect(await store.deleteMany(tenant, keys)).toBe(100);
    proxy.release();
    await expect.poll(() => behind.set(tenant, 'healed', '1', 60).then(() => true, String)).toBe(true);
    expect(await valuesOf(store, tenant)).toEqual(keys.map(() => undefined));
    await behind.close();
    await proxy.stop();
  });

  test('whose clock differs from ours is sent again once, as a whole', async () => {
    const tenant = newTenant();
    const { now } = Date;
    const monotonicNow = performance.now.bind(performance);
    try {
      // Both clocks, since a step of one of them is noticed.
      Date.now = () => now() - 3_600_000;
      performance.now = () => monotonicNow() - 3_600_000;
      // 100 SETs for the entries, and one for the generation of each shard.
      const sent = await commandsDuring(server.url, () => store.setMany(tenant, itemsOf('1')));
      expect(sent).toMatchObject({ evalsha: 2 * AUTO_SHARDS, set: 100 + AUTO_SHARDS });
      const again = await commandsDuring(server.url, () => store.setMany(tenant, itemsOf('2')));
      expect(again).toMatchObject({ evalsha: AUTO_SHARDS });
    } finally {
      Date.now = now;
      performance.now = monotonicNow;
    }
    expect(await valuesOf(store, tenant)).toEqual(keys.map(() => '2'));
  });

  test('that has lost its scripts succeeds', async () => {
    const tenant = newTenant();
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    await store.setMany(tenant, itemsOf('1'));
    await withRawClient(server.url, (client) => client.script('FLUSH'));
    expect(await store.deleteMany(tenant, keys)).toBe(100);
  });

  test('whose indexes of one shard were evicted makes the entries of that shard misses, and no others', async () => {
    const tenant = newTenant();
    await store.setMany(tenant, itemsOf('"before"'));
    await withRawClient(server.url, (client) =>
      client.del(`{cache:${tenant}:3}:lex`, `{cache:${tenant}:3}:exp`),
    );
    await store.setMany(tenant, itemsOf('"after"').slice(0, 50));
    const values = await valuesOf(store, tenant);
    expect(values.slice(0, 50)).toEqual(Array(50).fill('"after"'));
    const later = values.slice(50);
    expect(later).toContain('"before"');
    expect(later).toContain(undefined);
    await store.invalidate(tenant, compileGlob('k*'), soon());
    expect(await valuesOf(store, tenant)).toEqual(keys.map(() => undefined));
  });
});

test('a batch in a cluster succeeds after one of its shards was moved to another node', async () => {
  const cluster = await startCluster();
  const store = await open(cluster.url);
  try {
    const tenant = newTenant();
    await store.setMany(tenant, itemsOf('1'));
    const [first] = cluster.nodes as [Server];
    const slot = await onNode(first, (node) => node.cluster('KEYSLOT', `{cache:${tenant}:3}`));
    const from = await ownerOf(cluster, slot, first);
    const to = cluster.nodes.find((node) => node !== from) as Server;
    await moveSlot(cluster, slot, from, to);
    expect(await valuesOf(store, tenant)).toEqual(keys.map(() => '1'));
    await store.setMany(tenant, itemsOf('2'));
    expect(await valuesOf(store, tenant)).toEqual(keys.map(() => '2'));
    expect(await store.deleteMany(tenant, keys)).toBe(100);
    await withRawClient(cluster.url, async (client) => {
      for (const node of masters(client)) expect(await node.dbsize()).toBe(0);
    });
  } finally {
    await store.close();
    await cluster.stop();
  }
});
