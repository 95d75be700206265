import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseBackendUrl } from '../../lib/config/backend-url.ts';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log/log.ts';
import { MAX_STORED_TAGS } from '../../lib/store/lease.ts';
import { Connection } from '../../lib/store/redis/connection/connection.ts';
import type { Access } from '../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../lib/store/redis/connection/profiles.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { newTenant } from '../conformance/backends.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import type { Server } from '../support/engines/server.ts';
import { onNode, ownerOf, startMoving } from '../support/engines/topology.ts';
import { PATIENT } from '../support/patience.ts';
import { proxiedCluster } from './proxied.ts';
import { DEFAULT_TIMEOUT, type Environment, healed, open, QUICK_TO_NOTICE, unavailable } from './store.ts';

describe.each<Environment>(['local server', 'Lambda'])('a cluster that fails, %s', (on) => {
  let cluster: TestCluster;
  let store: CacheStore;

  beforeAll(async () => {
    cluster = await startCluster();
    // A long timeout: some requests must succeed while others fail.
    store = await open(cluster.url, on, { settings: { BACKEND_TIMEOUT_MS: '3000' } });
  });
  afterAll(async () => {
    await store.close();
    await cluster.stop();
  });

  test('returns BackendUnavailableError for keys of a stopped node, and recovers when the node continues', async () => {
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
      .poll(() =>
        Promise.all(keys.map((key) => store.get(tenant, key))).then((hits) => hits.filter(Boolean).length),
      )
      .toBe(64);
  });

  test('fails the health check while a killed node is down, and passes it when the node is back', async () => {
    const tenant = newTenant();
    const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
    await Promise.all(keys.map((key) => store.set(tenant, key, '1', 60)));
    await store.ping();
    const node = cluster.nodes[1] as Server;
    await node.kill();
    // Give the client time to notice, with no request in flight that would make it look for the node.
    await sleep(200);
    for (let time = 0; time < 3; time++) {
      await Promise.all([unavailable(store.ping()), unavailable(store.servers())]);
    }
    await node.restart();
    await expect.poll(() => store.ping().then(() => 'well', String)).toBe('well');
    await expect.poll(() => store.servers().then(({ length }) => length, String)).toBe(3);
  });

  test('connects later when it was unreachable at the start', async () => {
    for (const node of cluster.nodes) node.pause();
    const early = await open(cluster.url, on, DEFAULT_TIMEOUT);
    await unavailable(early.get('t', 'k'));
    await unavailable(early.set('t', 'k', '1', 60));
    for (const node of cluster.nodes) node.resume();
    await healed(early, newTenant());
    await early.close();
  });
});

test('no request fails when all connections to a cluster went silent while the function was frozen', async () => {
  const backend = await proxiedCluster();
  const store = await open(backend.url, 'Lambda', QUICK_TO_NOTICE);
  const tenant = newTenant();
  const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
  try {
    for (let round = 0; round < 5; round++) {
      // Opens a connection to every node.
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

test('a slot that is migrating to an unresponsive node does not end the process', async () => {
  const cluster = await startCluster();
  const store = await open(cluster.url, 'local server', DEFAULT_TIMEOUT);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const tenant = newTenant();
    const [witness] = cluster.nodes as [Server];
    const slot = await onNode(witness, (node) => node.cluster('KEYSLOT', `{cache:${tenant}:0}`));
    const from = await ownerOf(cluster, slot, witness);
    const to = cluster.nodes.find((node) => node !== from) as Server;
    await startMoving(slot, from, to);
    to.pause();
    // Enough keys that every shard gets some.
    const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
    const outcomes = await Promise.allSettled(keys.map((key) => store.get(tenant, key)));
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
  } finally {
    process.off('unhandledRejection', note);
    await store.close();
    await cluster.stop();
  }
  expect(unhandled).toEqual([]);
});

describe('a slot that has begun to move', () => {
  let cluster: TestCluster;
  let store: CacheStore;
  let tenant: string;

  beforeAll(async () => {
    cluster = await startCluster();
    store = await open(cluster.url, 'local server', { settings: { ...PATIENT, CACHE_SHARDS: '1' } });
  });
  afterAll(async () => {
    await store.close();
    await cluster.stop();
  });
  beforeEach(() => {
    tenant = newTenant();
  });

  /** Begins to move the tenant's only slot. All its keys are still on the old owner. */
  async function move(): Promise<void> {
    const [witness] = cluster.nodes as [Server];
    const slot = await onNode(witness, (node) => node.cluster('KEYSLOT', `{cache:${tenant}:0}`));
    const from = await ownerOf(cluster, slot, witness);
    await startMoving(slot, from, cluster.nodes.find((node) => node !== from) as Server);
  }

  test('accepts a set that shortens the life of an entry', async () => {
    await store.set(tenant, 'k', '1', 600);
    await move();
    await store.set(tenant, 'k', '2', 60);
    expect(await store.get(tenant, 'k')).toMatchObject({ value: '2' });
  });

  test('grants a lease that replaces a stale value', async () => {
    // More than a stale value and its lease can have together.
    const tags = (prefix: string) => Array.from({ length: MAX_STORED_TAGS }, (_, i) => `${prefix}:${i}`);
    await store.set(tenant, 'k', '1', 1, { graceSeconds: 600, tags: tags('a') });
    await sleep(1100);
    await move();
    expect(await store.lease(tenant, 'k', 60, tags('b'))).toEqual({ lease: expect.anything() });
    expect(await store.get(tenant, 'k')).toBeUndefined();
  });
});

describe.each<Environment>(['local server', 'Lambda'])(
  'a replica that has not received a removal, %s',
  (on) => {
    let cluster: TestCluster;
    let store: CacheStore;
    let primary: Server;
    const tenant = newTenant();

    beforeEach(async () => {
      cluster = await startCluster(1, { replicas: 1, nodeTimeoutMs: 30_000 });
      const [first, replica] = cluster.nodes as [Server, Server];
      primary = first;
      store = await open(cluster.url, on, { settings: { BACKEND_TIMEOUT_MS: '3000' } });
      await store.set(tenant, 'k', '1', 60);
      // Four keys: the entry, two indexes and the generation.
      await expect.poll(() => onNode(replica, (node) => node.dbsize())).toBe(4);
      // An unknown user, so that the replica cannot reconnect to its primary.
      await onNode(replica, (node) => node.config('SET', 'masteruser', 'nobody'));
      await onNode(replica, (node) => node.config('SET', 'masterauth', 'nothing'));
      await onNode(primary, (node) => node.call('CLIENT', 'KILL', 'TYPE', 'replica'));
      expect(await store.delete(tenant, 'k')).toBe(true);
    });
    afterEach(async () => {
      await store.close();
      await cluster.stop();
    });

    test('is not read from after the client lost its connection to the primary', async () => {
      await onNode(primary, (node) => node.call('CLIENT', 'KILL', 'TYPE', 'normal'));
      // Give the client time to notice, with no request in flight that would make it look for the primary.
      await sleep(200);
      for (let time = 0; time < 10; time++) {
        expect(await store.get(tenant, 'k')).toBeUndefined();
        await sleep(20);
      }
    });

    test('is not read from while its primary is unavailable', async () => {
      await primary.kill();
      for (let time = 0; time < 3; time++) await unavailable(store.get(tenant, 'k'));
    });
  },
);

test('a batch of deletes counts the deleted keys of all nodes although one connection has gone silent', async () => {
  const backend = await proxiedCluster();
  // A long socket timeout, which a busy machine does not reach: after a lost reply the retry finds nothing left to count.
  const store = await open(backend.url, 'Lambda', { timeouts: { socketTimeoutMs: 3000 } });
  try {
    const tenant = newTenant();
    const keys = Array.from({ length: 64 }, (_, i) => `k:${i}`);
    await store.setMany(
      tenant,
      keys.map((key) => ({ key, value: '1', ttlSeconds: 60 })),
    );
    const [proxy] = backend.proxies;
    proxy?.drop();
    proxy?.heal();
    expect(await store.deleteMany(tenant, keys)).toBe(64);
  } finally {
    await store.close();
    await backend.stop();
  }
});

test('a connection that is closed while it is silent stays closed', async () => {
  const backend = await proxiedCluster();
  let logins = 0;
  const access: Access = {
    address: parseBackendUrl(backend.url),
    ca: undefined,
    loginLifetimeMs: undefined,
    login: () => {
      logins++;
      return { username: undefined, password: undefined };
    },
  };
  const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });
  const lambda = profileFor(readConfig({ ...PATIENT, AWS_LAMBDA_FUNCTION_NAME: 'get' }));
  const profile = { ...lambda, socketTimeoutMs: 400 };
  const connection = new Connection(async () => access, profile, log);
  try {
    await connection.run((client) => client.get('k'));
    for (const proxy of backend.proxies) {
      proxy.drop();
      proxy.heal();
    }
    const pending = connection.run((client) => client.get('k')).catch(() => {});
    await connection.close();
    const before = logins;
    await pending;
    // The client's socket timeout passes after the connection was closed.
    await sleep(profile.socketTimeoutMs + 200);
    expect(logins).toBe(before);
  } finally {
    await connection.close();
    await backend.stop();
  }
});
