import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { compileGlob } from '../../lib/store/glob.ts';
import { openStore } from '../../lib/store/open.ts';
import { removedPerScript } from '../../lib/store/redis/keyspace.ts';
import { type CacheStore, noObserver } from '../../lib/store/store.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import { commandsDuring } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';
import { inBatches, soon } from './backends.ts';

// The engine counts the commands. It also counts commands inside scripts, so that the tests compare the number of script calls.
const keys = Array.from({ length: 300 }, (_, i) => `k:${i}`);

test.each([
  [1, 400],
  [4, 400],
  [8, 200],
  [16, 100],
  [1024, 100],
])('with %i shards, one script removes at most %i entries', (shards, most) => {
  expect(removedPerScript(shards)).toBe(most);
});

describe.each(['single server', 'cluster'] as const)('commands to the backend, %s', (kind) => {
  let engine: Server | TestCluster;
  let store: CacheStore;
  const during = (action: () => Promise<unknown>) => commandsDuring(engine.url, action);

  beforeAll(async () => {
    engine = kind === 'cluster' ? await startCluster() : await startServer();
    const config = readConfig({ ...PATIENT, DRAGONFLY_URL: engine.url, CACHE_SHARDS: '16' });
    store = await openStore(config, createLog({ ...config, logLevel: 'ERROR' }));
    // Connects to every node, and loads the scripts there.
    await inBatches(keys, (key) => store.set('warm', key, '1', 60));
    await inBatches(keys, (key) => store.delete('warm', key));
    await inBatches(keys, async (key) => {
      const { lease } = await store.lease('warm', key, 1);
      await store.release('warm', key, lease?.token ?? '');
    });
  });
  afterAll(async () => {
    await store.close();
    await engine.stop();
  });

  test('a set is one script', async () => {
    const sent = await during(() => inBatches(keys, (key) => store.set('t', key, '"value"', 60)));
    expect(sent).toMatchObject({ evalsha: 300, set: expect.any(Number) });
    expect(Object.keys(sent)).not.toContain('eval');
  });

  test('a set after a pause sends TIME first, which checks the connection', async () => {
    const { now } = Date;
    const set = () => during(() => store.set('t', 'k:1', '"value"', 60));
    expect(await set()).toMatchObject({ evalsha: 1 });
    try {
      Date.now = () => now() + 60_000;
      expect(await set()).toMatchObject({ evalsha: 1, time: 2 });
      expect(await set()).toMatchObject({ evalsha: 1, time: 1 });
    } finally {
      Date.now = now;
      // Measures the difference between the clocks again, for the following tests.
      await set();
    }
  });

  test('a get is one MGET, hit or miss', async () => {
    const hits = await during(() => inBatches(keys, (key) => store.get('t', key)));
    expect(hits).toEqual({ mget: 300 });
    const misses = await during(() => inBatches(keys, (key) => store.get('t', `absent ${key}`)));
    expect(misses).toEqual({ mget: 300 });
  });

  test('a lease request for a fresh value is one MGET without a script', async () => {
    const sent = await during(() => inBatches(keys, (key) => store.lease('t', key, 300)));
    expect(sent).toEqual({ mget: 300 });
  });

  test('a lease request for a missing value is one MGET and one script', async () => {
    const few = keys.slice(0, 100).map((key) => `leased ${key}`);
    const granted = await during(() => inBatches(few, (key) => store.lease('t', key, 300)));
    expect(granted).toMatchObject({ mget: 100, evalsha: 100 });
    expect(Object.keys(granted)).not.toContain('eval');
    const held = await during(() => inBatches(few, (key) => store.lease('t', key, 300)));
    expect(held).toEqual({ mget: 100 });
  });

  test('a fill and a release are one script each', async () => {
    const { lease } = await store.lease('t', 'filled', 300);
    const options = { lease: lease?.token };
    const filled = await during(() => store.set('t', 'filled', '1', 60, options));
    expect(filled).toMatchObject({ evalsha: 1, set: 1 });
    const again = await during(() => store.set('t', 'filled', '1', 60, options));
    expect(again.evalsha).toBe(1);
    const other = await store.lease('t', 'released', 300);
    const released = await during(() => store.release('t', 'released', other.lease?.token ?? ''));
    expect(released).toMatchObject({ evalsha: 1, unlink: 1 });
  });

  test('a batch of lease requests is one MGET for each shard, and one script for each with missing values', async () => {
    const batch = keys.slice(0, 100).map((key) => `batch ${key}`);
    expect(await during(() => store.leaseMany('t', batch, 300, 1e6))).toMatchObject({
      mget: 16,
      evalsha: 16,
    });
    expect(await during(() => store.leaseMany('t', batch, 300, 1e6))).toEqual({ mget: 16 });
  });

  test('an invalidation of a tag is two scripts for each shard with entries of the tag, and one for each other shard', async () => {
    await inBatches(keys, (key) => store.set('tags', key, '1', 60, { tags: ['a', key] }));
    const few = await during(() => store.invalidateTags('tags', ['k:1'], soon()));
    expect(few.evalsha).toBeLessThanOrEqual(18);
    const many = await during(() => store.invalidateTags('tags', ['a'], soon()));
    expect(many.evalsha).toBe(32);
    const none = await during(() => store.invalidateTags('tags', ['a'], soon()));
    expect(none.evalsha).toBe(16);
  });

  test('an invalidation of many tags that the same entries have removes each entry once', async () => {
    const tags = Array.from({ length: 16 }, (_, i) => `t${i}`);
    await inBatches(keys, (key) => store.set('tags', key, '1', 60, { tags }));
    const sent = await during(() => store.invalidateTags('tags', tags, soon()));
    // For each shard: a script that reads the names of each tag, one that removes the entries of the first, and the empty indexes.
    expect(sent).toMatchObject({ evalsha: 16 * 17, unlink: keys.length + 16 });
  });

  test('of concurrent sets above a limit, one evicts from a shard, and the limit holds afterwards', async () => {
    const config = readConfig({ ...PATIENT, DRAGONFLY_URL: engine.url, CACHE_SHARDS: '1' });
    const log = createLog({ ...config, logLevel: 'ERROR' });
    const limited = await openStore(config, log, noObserver, () => ({
      maxEntries: 100,
      maxBytes: undefined,
    }));
    try {
      // Connects, and loads the code and the script of an eviction.
      await inBatches(keys.slice(0, 150), (key) => limited.set('evicted-before', key, '1', 60));
      const setAll = () => Promise.all(keys.map((key) => limited.set('evicted', key, '1', 60)));
      const { evalsha = 0 } = await during(setAll);
      // A script for each set, and one for each page of 100 evicted entries. If every set evicted, there would be twice as many.
      expect(evalsha).toBeGreaterThan(keys.length);
      expect(evalsha).toBeLessThan(keys.length * 1.5);
      expect((await limited.usage('evicted')).entries).toBeLessThanOrEqual(105);
    } finally {
      await limited.close();
    }
  });

  test('an invalidation of many entries removes at most 100 with each script', async () => {
    const items = Array.from({ length: 4000 }, (_, i) => ({
      key: `k:${i}`,
      value: '1',
      ttlSeconds: 60,
      tags: ['a'],
    }));
    const invalidations = [
      () => store.invalidateTags('large', ['a'], soon()),
      () => store.invalidate('large', compileGlob('k:*'), soon()),
    ];
    for (const invalidate of invalidations) {
      for (let at = 0; at < items.length; at += 100) await store.setMany('large', items.slice(at, at + 100));
      const sent = await during(invalidate);
      expect(sent.evalsha).toBeGreaterThanOrEqual(16 + items.length / 100);
    }
  });

  test('a page of keys is one script for each shard to read names, and one to read entries', async () => {
    await inBatches(keys, (key) => store.set('list', key, '1', 60));
    const filter = { pattern: compileGlob('*'), limit: 100 };
    const sent = await during(() => store.listKeys('list', filter, soon()));
    expect(sent.evalsha).toBeLessThanOrEqual(48);
    for (const command of ['scan', 'keys', 'get', 'mget'])
      expect(Object.keys(sent)).not.toContain(command === 'get' ? 'scan' : command);
  });

  test('a page of numbered keys, which the shards share unequally, reads the names of each shard once', async () => {
    const items = Array.from({ length: 20_000 }, (_, i) => ({
      key: `item:${i}`,
      value: '1',
      ttlSeconds: 60,
    }));
    for (let at = 0; at < items.length; at += 100) await store.setMany('numbered', items.slice(at, at + 100));
    for (const limit of [100, 1000]) {
      const filter = { pattern: compileGlob('*'), limit };
      const sent = await during(() => store.listKeys('numbered', filter, soon()));
      expect(sent, `a page of ${limit}`).toMatchObject({ evalsha: 32 });
    }
  });

  test('a page of few keys that match among many others takes few scripts', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({ key: `k:${i}`, value: '1', ttlSeconds: 60 }));
    for (let at = 0; at < many.length; at += 100) await store.setMany('sparse', many.slice(at, at + 100));
    const list = () => store.listKeys('sparse', { pattern: compileGlob('k:*99999'), limit: 1 }, soon());
    expect((await during(list)).evalsha).toBeLessThan(200);
    expect(await list()).toEqual({ keys: [], next: undefined });
  });

  test('a delete is one script', async () => {
    const sent = await during(() => inBatches(keys.slice(0, 100), (key) => store.delete('t', key)));
    expect(sent.evalsha).toBe(100);
    expect(Object.keys(sent)).not.toContain('eval');
  });

  test('a batch of gets is one MGET for each shard', async () => {
    const batch = keys.slice(0, 100);
    expect(await during(() => store.getMany('t', batch, 1e6))).toEqual({ mget: 16 });
    expect(await during(() => store.getMany('t', ['k:1', 'k:1'], 1e6))).toEqual({ mget: 1 });
  });

  test('a batch of sets or deletes is one script for each shard', async () => {
    const batch = keys.slice(0, 100).map((key) => ({ key, value: '1', ttlSeconds: 60 }));
    const set = await during(() => store.setMany('t', batch));
    expect(set).toMatchObject({ evalsha: 16, set: 100 });
    const removed = await during(() => store.deleteMany('t', keys.slice(0, 100)));
    expect(removed).toMatchObject({ evalsha: 16, unlink: 16 });
    for (const sent of [set, removed]) expect(Object.keys(sent)).not.toContain('eval');
  });

  test('an invalidation is two scripts for each shard with matches, and one for each other shard', async () => {
    await store.invalidate('t', compileGlob('k:*'), soon());
    await inBatches(keys, (key) => store.set('t', key, '1', 60));
    const many = await during(() => store.invalidate('t', compileGlob('k:*'), soon()));
    expect(many.evalsha).toBe(32);
    const none = await during(() => store.invalidate('t', compileGlob('k:*'), soon()));
    expect(none.evalsha).toBe(16);
    await store.set('t', 'k', '1', 60);
    const literal = await during(() => store.invalidate('t', compileGlob('k'), soon()));
    expect(literal.evalsha).toBe(1);
  });

  test('the usage of any number of entries is two scripts for each shard, which read the lengths of 256 entries', async () => {
    await inBatches(keys, (key) => store.set('few', key, '1', 60));
    const many = Array.from({ length: 3000 }, (_, i) => `k:${i}`);
    await inBatches(many, (key) => store.set('many', key, '1', 60));
    for (const tenant of ['few', 'many']) {
      const sent = await during(() => store.usage(tenant));
      expect(sent, tenant).toMatchObject({ evalsha: 32, zcount: 16, zcard: 16 });
      expect(sent.strlen, tenant).toBeLessThanOrEqual(256);
    }
    expect(await during(() => store.usage('many'))).toMatchObject({ strlen: 256, zrange: 256 });
  });

  test('the first batch sends the command of each shard once, to the right server', async () => {
    const sent = await during(async () => {
      const config = readConfig({ ...PATIENT, DRAGONFLY_URL: engine.url, CACHE_SHARDS: '16' });
      const fresh = await openStore(config, createLog({ ...config, logLevel: 'ERROR' }));
      await fresh.getMany('t', keys.slice(0, 100), 1e6);
      await fresh.close();
    });
    // A redirected command would cause another CLUSTER SLOTS.
    expect(sent).toMatchObject(kind === 'cluster' ? { mget: 16, 'cluster|slots': 1 } : { mget: 16 });
  });

  test('no operation sends a command that scans keys', async () => {
    const sent = await during(async () => {
      await inBatches(keys, (key) => store.set('t', key, '1', 60));
      await store.invalidate('t', compileGlob('*7'), soon());
      await store.clear('t', soon());
    });
    for (const command of ['scan', 'keys', 'flushall', 'flushdb']) expect(sent).not.toHaveProperty(command);
  });
});
