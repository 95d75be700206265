import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCESS_STRING, ACCESS_STRING_WITH_WAIT } from '../../infra/stack/backend/access-string.ts';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { compileGlob } from '../../lib/store/glob.ts';
import { openStore } from '../../lib/store/open.ts';
import { type CacheStore, noObserver } from '../../lib/store/store.ts';
import { inBatches, soon } from '../conformance/backends.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import { findClusterEngine } from '../support/engines/find.ts';
import { type CommandStats, commandStats, masters, withRawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';

const USER = 'cache-service-prod';
const PASSWORD = 'secret';

// The engines stand in for ElastiCache, whose access strings have the same syntax as their ACL rules.
describe.each(['single server', 'cluster', 'cluster with replicas'] as const)(
  'the user of the cache, %s',
  (kind) => {
    const hasReplicas = kind === 'cluster with replicas';
    const accessString = hasReplicas ? ACCESS_STRING_WITH_WAIT : ACCESS_STRING;
    /** The commands in the user's access string. Only the client of a cluster uses the CLUSTER commands. */
    const granted = [...accessString.matchAll(/\+([a-z]+)(?= |$)/g)].map(([, command = '']) => command);
    let engine: Server | TestCluster;
    let url: string;
    let store: CacheStore;
    let used: CommandStats;

    beforeAll(async () => {
      engine =
        kind === 'single server'
          ? await startServer({ engine: await findClusterEngine() })
          : await startCluster(3, { replicas: hasReplicas ? 1 : 0 });
      await withRawClient(engine.url, async (client) => {
        for (const node of masters(client)) {
          await node.call('ACL', 'SETUSER', USER, ...accessString.split(' '), `>${PASSWORD}`);
        }
      });
      url = engine.url.replace('://', `://${USER}:${PASSWORD}@`);
      const config = readConfig({
        ...PATIENT,
        DRAGONFLY_URL: url,
        LOG_LEVEL: 'ERROR',
        WAIT_REPLICAS: hasReplicas ? '1' : '0',
      });
      store = await openStore(config, createLog(config), noObserver, (tenant) => ({
        maxEntries: tenant === 'limited' ? 160 : undefined,
        maxBytes: tenant === 'limited' ? 1024 ** 2 : undefined,
      }));
    });

    afterAll(async () => {
      await store?.close();
      await engine?.stop();
    });

    it('may run every operation of the service', async () => {
      const keys = Array.from({ length: 3_000 }, (_, index) => `user:${index}`);
      await inBatches(keys, (key) => store.set('acme', key, '"value"', 60));
      // One TTL longer than those of the shard's other entries, and one so short that the expired entry is removed from the index.
      await store.set('acme', 'user:0', '1.0', 600);
      expect(await store.get('acme', 'user:0')).toMatchObject({ value: '1.0' });
      expect(await store.touch('acme', 'user:0', 900)).toBe(true);
      expect(await store.get('acme', 'other')).toBeUndefined();
      expect(await store.delete('acme', 'user:0')).toBe(true);
      expect(await store.invalidate('acme', compileGlob('user:1*'), soon())).toEqual({
        count: 1111,
        complete: true,
      });
      // A set that restores keys which the server has evicted.
      await withRawClient(url, (client) => client.del('{cache:acme:0}:lex'));
      expect(await store.usage('acme')).toMatchObject({ entries: 3_000 - 1 - 1111, sampled: 256 });
      expect(await store.clear('acme', soon())).toBe(3_000 - 1 - 1111);
      expect(await store.get('acme', 'user:2')).toBeUndefined();
      await store.ping();
      await inBatches(keys.slice(0, 500), (key) =>
        store.set('limited', key, JSON.stringify('x'.repeat(2000)), 60),
      );
      expect((await store.usage('limited')).entries).toBeLessThan(170);
      await store.takeRequests('acme', { perSecond: 10, burst: 10 }, 1);
      // A clear that finds an entry which was set again before its memory was reclaimed.
      await withRawClient(url, (client) => client.getrange('{cache:acme:0}:e:key', 0, 7));
      used = await commandStats(engine.url);
    });

    it("may access the service's keys only", async () => {
      await withRawClient(url, async (client) => {
        await expect(client.set('other', '1')).rejects.toThrow(/^NOPERM/);
        await expect(client.get('cache:acme')).rejects.toThrow(/^NOPERM/);
        await expect(client.mget('{cache:acme:0}:gen', '{acme}')).rejects.toThrow(/^NOPERM|CROSSSLOT/);
        await expect(client.rename('{cache:acme:0}:gen', '{cach:acme:0}:gen')).rejects.toThrow(
          /^NOPERM|CROSSSLOT/,
        );
        const script = "return redis.call('GET', KEYS[1])";
        await expect(client.eval(script, 1, 'other')).rejects.toThrow(/NOPERM|can't access/i);
        expect(await client.get('{cache:acme:0}:gen')).toBeNull();
      });
    });

    it('has the same restrictions inside scripts', async () => {
      const key = '{cache:acme:0}:gen';
      await withRawClient(url, async (client) => {
        for (const call of ["'FLUSHALL'", "'KEYS', '*'", "'CONFIG', 'GET', '*'", "'GET', 'other'"]) {
          await expect(client.eval(`return redis.call(${call})`, 1, key), call).rejects.toThrow();
        }
      });
    });

    it.each([
      'FLUSHALL',
      'FLUSHDB',
      'KEYS *',
      'SCAN 0',
      'RANDOMKEY',
      'DBSIZE',
      'CONFIG GET *',
      'ACL LIST',
      'ACL SETUSER cache-service-prod +@all',
      'CLIENT LIST',
      'CLIENT KILL TYPE normal',
      'CLUSTER RESET',
      'LATENCY RESET',
      'MONITOR',
      'SHUTDOWN NOSAVE',
      'SCRIPT FLUSH',
      'FUNCTION LIST',
      'SUBSCRIBE news',
      'PUBLISH news now',
      'DUMP {cache:acme:0}:gen',
      'LPUSH {cache:acme:0}:gen 1',
    ])('may not %s', async (line) => {
      const [command = '', ...args] = line.split(' ');
      await withRawClient(url, async (client) => {
        for (const node of masters(client))
          await expect(node.call(command, ...args)).rejects.toThrow(/^NOPERM/);
      });
    });

    it('has no permission for an unused command', () => {
      expect(granted).toContain(hasReplicas ? 'wait' : 'zadd');
      expect(granted.filter((command) => !(command in used))).toEqual([]);
    });
  },
);
