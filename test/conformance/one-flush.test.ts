import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { type FaultProxy, startProxy } from '../faults/proxy.ts';
import { infoFields, rawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';
import { leftOf } from './backends.ts';

const keys = Array.from({ length: 100 }, (_, i) => `k:${i}`);
const items = keys.map((key) => ({ key, value: `"${key}"`, ttlSeconds: 60 }));

/** With the settings of a function and of the local server. Only the client of the local server pipelines commands automatically. */
describe.each([true, false])('a batch, on Lambda: %s', (onLambda) => {
  let server: Server;
  let proxy: FaultProxy;
  let store: CacheStore;
  /** Connected without the proxy. */
  let direct: CacheStore;
  let raw: Redis;

  beforeAll(async () => {
    server = await startServer();
    raw = (await rawClient(server.url)) as Redis;
    proxy = await startProxy(Number(new URL(server.url).port));
    const open = (url: string) => {
      const config = { ...readConfig({ ...PATIENT, DRAGONFLY_URL: url, LOG_LEVEL: 'ERROR' }), onLambda };
      return openStore(config, createLog(config));
    };
    store = await open(proxy.url);
    direct = await open(server.url);
    // Loads the scripts on the server.
    await store.setMany('t', items);
    await store.deleteMany('t', keys);
  });
  afterAll(async () => {
    await store.close();
    await direct.close();
    await raw.quit();
    await proxy.stop();
    await server.stop();
  });

  const batches: [name: string, send: (store: CacheStore) => Promise<unknown>, answer: unknown][] = [
    ['sets', (store) => store.setMany('t', items), items.map(() => true)],
    [
      'gets',
      (store) => store.getMany('t', keys, 1e6),
      items.map(({ value }) => ({ value, bytes: Buffer.byteLength(value), ttl: leftOf(60) })),
    ],
    ['deletes', (store) => store.deleteMany('t', keys), 100],
  ];

  test.each(batches)('of %s needs one round trip', async (_, send, answer) => {
    await store.setMany('t', items);
    proxy.hold();
    const answered = send(store);
    await sleep(150);
    // If the process was suspended, it reads the received data only now.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    // Commands sent after the first reply are held by the proxy, so that a second round trip would not complete.
    proxy.release();
    proxy.hold();
    try {
      expect(await answered).toEqual(answer);
    } finally {
      proxy.release();
    }
  });

  test('and the usage, whose second round trip needs the reply of the first, is two writes', async () => {
    const reads = async () => Number((await infoFields(raw, 'stats')).total_reads_processed);
    await store.setMany('t', items);
    await direct.usage('t');
    const before = await reads();
    const own = (await reads()) - before;
    expect(await direct.usage('t')).toMatchObject({ entries: 100, sampled: 100 });
    expect((await reads()) - before - 2 * own).toBe(2);
  });

  test.each(batches)('of %s is one write', async (_, send) => {
    const reads = async () => Number((await infoFields(raw, 'stats')).total_reads_processed);
    await store.setMany('t', items);
    const before = await reads();
    // Reading the count adds to the count.
    const own = (await reads()) - before;
    await send(direct);
    expect((await reads()) - before - 2 * own).toBe(1);
  });
});
