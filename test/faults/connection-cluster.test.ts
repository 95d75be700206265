import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CacheStore } from '../../lib/cache/store.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { newTenant } from '../conformance/backends.ts';
import { startCluster, type TestCluster } from '../engines/cluster.ts';
import { proxiedCluster } from './proxied.ts';
import { type Environment, healed, open, unavailable } from './store.ts';

describe.each<Environment>(['local server', 'Lambda'])('a cluster that fails, %s', (on) => {
  let cluster: TestCluster;
  let store: CacheStore;

  beforeAll(async () => {
    cluster = await startCluster();
    store = await open(cluster.url, on);
  });
  afterAll(async () => {
    await store.close();
    await cluster.stop();
  });

  test('is unavailable where a node is stopped, and well again when it goes on', async () => {
    const tenant = newTenant();
    const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
    await Promise.all(keys.map((key) => store.set(tenant, key, '1', 60)));
    cluster.nodes[1]?.pause();
    const outcomes = await Promise.all(
      keys.map((key) =>
        store.get(tenant, key).then(
          () => 'hit',
          (error) => error,
        ),
      ),
    );
    cluster.nodes[1]?.resume();
    expect(outcomes.filter((outcome) => outcome === 'hit').length).toBeGreaterThan(0);
    const failures = outcomes.filter((outcome) => outcome !== 'hit');
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(failure).toBeInstanceOf(BackendUnavailableError);
    await expect
      .poll(
        () =>
          Promise.all(keys.map((key) => store.get(tenant, key))).then((hits) => hits.filter(Boolean).length),
        { timeout: 20_000 },
      )
      .toBe(64);
  });

  test('heals when it was unreachable from the start', async () => {
    for (const node of cluster.nodes) node.pause();
    const early = await open(cluster.url, on);
    await unavailable(early.get('t', 'k'));
    await unavailable(early.set('t', 'k', '1', 60));
    for (const node of cluster.nodes) node.resume();
    await healed(early, newTenant());
    await early.close();
  });
});

test('connections to a cluster that have all gone dark while a function was frozen cost no request', async () => {
  const backend = await proxiedCluster();
  const store = await open(backend.url, 'Lambda');
  const tenant = newTenant();
  const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
  try {
    for (let round = 0; round < 5; round++) {
      // So that there is a connection to every node.
      await Promise.all(keys.map((key) => store.set(tenant, key, '1', 60)));
      for (const proxy of backend.proxies) {
        proxy.drop();
        proxy.heal();
      }
      expect((await store.get(tenant, `k:${round}`))?.value).toBe('1');
    }
  } finally {
    await store.close();
    await backend.stop();
  }
});
