import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import { connectToBroker, NearCache } from '../examples/near-cache.ts';
import { type FaultProxy, startProxy } from '../faults/proxy.ts';
import { Client } from '../http/client.ts';
import { type Service, startService } from '../http/service.ts';
import { type NatsServer, startNats } from '../support/engines/nats.ts';
import { subscribe } from './subscriber.ts';

let nats: NatsServer;
let proxy: FaultProxy;
let service: Service;
let broker: Awaited<ReturnType<typeof connectToBroker>>;
let client: Client;
let near: NearCache;
const realFetch = globalThis.fetch;
const requests = vi.spyOn(globalThis, 'fetch');

beforeAll(async () => {
  nats = await startNats();
  proxy = await startProxy(nats.port);
  service = await startService({ ENABLE_NATS: 'true', NATS_URL: nats.url });
});
afterAll(async () => {
  await service?.stop();
  await proxy?.stop();
  await nats?.stop();
});

beforeEach(async () => {
  client = new Client(service, `near.${newTenant()}`);
  near = new NearCache(service.url, client.tenant);
  broker = await connectToBroker(proxy.url.replace('redis:', 'nats:'));
  await near.listen(broker);
  requests.mockClear();
});
afterEach(() => broker.close());

const cache = () => new CacheClient({ url: service.url, tenant: client.tenant });

/** Whether a get is answered without a request to the service. True only after the events of earlier changes have arrived. */
async function isNear(key: string): Promise<boolean> {
  const before = requests.mock.calls.length;
  await near.get(key);
  return requests.mock.calls.length === before;
}

/** Starts a get and holds back the response of the service. @returns a function that releases it and returns the value */
async function readSlowly(key: string): Promise<() => Promise<unknown>> {
  const responded = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  requests.mockImplementationOnce(async (...request) => {
    const response = await realFetch(...request);
    responded.resolve();
    await release.promise;
    return response;
  });
  const reading = near.get(key);
  await responded.promise;
  return () => {
    release.resolve();
    return reading;
  };
}

test('a hit is kept in the near cache, and a miss is not', async () => {
  await client.set('k', '{"n":1}');
  await expect.poll(() => isNear('k')).toBe(true);
  expect(await near.get('k')).toEqual({ n: 1 });
  expect(await isNear('absent')).toBe(false);
  expect(await isNear('absent')).toBe(false);
});

test.each<[string, () => Promise<unknown>, unknown]>([
  ['set', () => client.set('k', '2'), 2],
  ['deleted', () => client.delete('k'), undefined],
  ['invalidated', () => client.invalidate({ pattern: 'k*' }), undefined],
  ['invalidated by a tag', () => cache().invalidateTags(['other', 'a']), undefined],
  ['cleared', () => client.clear(), undefined],
])('an entry that another client has %s is read from the service again', async (_, change, expected) => {
  await cache().set('k', 1, { tags: ['a'] });
  await expect.poll(() => isNear('k')).toBe(true);
  await change();
  await expect.poll(() => near.get('k')).toBe(expected);
});

test('a value that changes during the read is not kept', async () => {
  const subscriber = await subscribe(nats.url, `cache.events.${client.tenant.replaceAll('.', '%2E')}`);
  /** After one connection has received an event, another connection has received it when its ping is answered. */
  const received = async (count: number) => {
    await expect.poll(() => subscriber.received.length).toBe(count);
    await broker.flush();
  };
  await client.set('k', '"old"');
  await received(1);
  const reading = await readSlowly('k');
  await client.set('k', '"new"');
  await received(2);
  expect(await reading()).toBe('old');
  expect(await near.get('k')).toBe('new');
  expect(await isNear('k')).toBe(true);
  await subscriber.stop();
});

test.each<[string, () => Promise<void>, () => Promise<void>]>([
  [
    'before the near cache subscribes',
    async () => {
      near = new NearCache(service.url, client.tenant);
    },
    () => near.listen(broker),
  ],
  [
    'while the connection to the broker is lost',
    async () => {
      await proxy.refuse();
      proxy.reset();
      await expect.poll(() => isNear('other')).toBe(false);
    },
    async () => {
      await proxy.accept();
      await expect.poll(() => isNear('other')).toBe(true);
    },
  ],
])('a value that changes %s is not kept from a response sent before', async (_, disconnect, reconnect) => {
  await client.set('k', '"old"');
  await client.set('other', '1');
  await expect.poll(() => isNear('other')).toBe(true);
  await disconnect();
  const reading = await readSlowly('k');
  await client.set('k', '"new"');
  await reconnect();
  expect(await reading()).toBe('old');
  expect(await near.get('k')).toBe('new');
});

test('no value is kept while the connection to the broker is lost, and values are kept again afterwards', async () => {
  await client.set('k', '1');
  await expect.poll(() => isNear('k')).toBe(true);
  await proxy.refuse();
  proxy.reset();
  await expect.poll(() => isNear('k')).toBe(false);
  await client.set('k', '2');
  expect(await near.get('k')).toBe(2);
  expect(await isNear('k')).toBe(false);
  await proxy.accept();
  await expect.poll(() => isNear('k')).toBe(true);
  await client.set('k', '3');
  await expect.poll(() => near.get('k')).toBe(3);
});
