import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import { compileGlob } from '../../../lib/store/glob.ts';
import type { CacheStore } from '../../../lib/store/store.ts';
import { newTenant, soon } from '../../conformance/backends.ts';
import { findClusterEngine } from '../../support/engines/find.ts';
import { infoFields } from '../../support/engines/inspect.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { followed, onNode } from '../../support/engines/topology.ts';
import { DEFAULT_TIMEOUT, type Environment, open, unavailable } from '../store.ts';

const confirmed = { WAIT_REPLICAS: '1' };

/** With a long confirmation timeout, because a replica on a busy machine may be slow. */
const PATIENT_WITH_REPLICAS = { settings: confirmed, timeouts: { confirmTimeoutMs: 4000 } };

/** With the default timeout, for removals that are expected to fail. */
const DEFAULT_WITH_REPLICAS = { settings: { ...DEFAULT_TIMEOUT.settings, ...confirmed } };

describe.each<Environment>(['local server', 'Lambda'])(
  'a removal that one replica must confirm, %s',
  (on) => {
    let primary: Server;
    let replica: Server;
    let store: CacheStore;
    let failing: CacheStore;
    const tenant = newTenant();

    beforeAll(async () => {
      const engine = await findClusterEngine();
      [primary, replica] = await Promise.all([startServer({ engine }), startServer({ engine })]);
      await onNode(replica, (node) => node.replicaof(primary.host, primary.port));
      await followed(replica);
      store = await open(primary.url, on, PATIENT_WITH_REPLICAS);
      failing = await open(primary.url, on, DEFAULT_WITH_REPLICAS);
    });
    afterAll(async () => {
      await store?.close();
      await failing?.close();
      await Promise.all([primary?.stop(), replica?.stop()]);
    });
    afterEach(() => replica.resume());

    const removals: [string, (from: CacheStore) => Promise<unknown>][] = [
      ['a delete', (from) => from.delete(tenant, 'k')],
      ['an invalidation', (from) => from.invalidate(tenant, compileGlob('k*'), soon())],
      ['a clear', (from) => from.clear(tenant, soon())],
    ];

    test.each(removals)('%s succeeds once the replica has applied it', async (_, remove) => {
      await store.set(tenant, 'k', '1', 60);
      await remove(store);
      replica.pause();
      expect(await store.get(tenant, 'k')).toBeUndefined();
      await expect.poll(() => onNode(primary, (node) => node.dbsize())).toBe(0);
    });

    test.each(removals)(
      '%s fails while the replica is unavailable, also when it is retried',
      async (_, remove) => {
        await store.set(tenant, 'k', '1', 60);
        replica.pause();
        for (let time = 0; time < 2; time++) await unavailable(remove(failing));
        replica.resume();
        await remove(store);
        expect(await store.get(tenant, 'k')).toBeUndefined();
      },
    );

    test('gets and sets succeed without the replica', async () => {
      replica.pause();
      await store.set(tenant, 'k', '1', 60);
      expect(await store.get(tenant, 'k')).toBeDefined();
    });
  },
);

test('WAIT_REPLICAS on a server without WAIT fails at startup, and the error names the setting', async () => {
  const engine = await findClusterEngine();
  const server = await startServer({ engine, args: ['--rename-command', 'WAIT', ''] });
  try {
    await expect(open(server.url, 'local server', { settings: confirmed })).rejects.toThrow(
      /^WAIT_REPLICAS must be 0 here/,
    );
    const store = await open(server.url, 'local server');
    expect(await store.delete('t', 'k')).toBe(false);
    await store.close();
  } finally {
    await server.stop();
  }
});

test('a removal whose server becomes a replica while it waits fails with BackendUnavailableError', async () => {
  const engine = await findClusterEngine();
  const server = await startServer({ engine });
  const store = await open(server.url, 'local server', { settings: confirmed });
  try {
    const tenant = newTenant();
    await store.set(tenant, 'k', '1', 60);
    await onNode(server, async (node) => {
      let isPrimary = true;
      const removals = (async () => {
        const outcomes: unknown[] = [];
        while (isPrimary) outcomes.push(await store.delete(tenant, 'k').catch((error) => error));
        return outcomes;
      })();
      await expect
        .poll(() => infoFields(node, 'clients'), { interval: 5 })
        .toMatchObject({ blocked_clients: '1' });
      await node.replicaof(server.host, server.port);
      isPrimary = false;
      for (const outcome of await removals) expect(outcome).toBeInstanceOf(BackendUnavailableError);
    });
  } finally {
    await store.close();
    await server.stop();
  }
});
