import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
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

/** Whether the answer comes without a request; it is one once the events of earlier changes have come. */
async function isNear(key: string): Promise<boolean> {
  const before = requests.mock.calls.length;
  await near.get(key);
  return requests.mock.calls.length === before;
}

/** Begins to read and gets as far as the service's answer, which goes no further until what this gives is called. */
async function readSlowly(key: string): Promise<() => Promise<unknown>> {
  const answered = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  requests.mockImplementationOnce(async (...request) => {
    const answer = await realFetch(...request);
    answered.resolve();
    await released.promise;
    return answer;
  });
  const reading = near.get(key);
  await answered.promise;
  return () => {
    released.resolve();
    return reading;
  };
}

test('what was read once is near', async () => {
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
  ['cleared', () => client.clear(), undefined],
])('what somebody else has %s is read anew', async (_, change, expected) => {
  await client.set('k', '1');
  await expect.poll(() => isNear('k')).toBe(true);
  await change();
  await expect.poll(() => near.get('k')).toBe(expected);
});

test('what changes while it is being read is not kept', async () => {
  const subscriber = await subscribe(nats.url, `cache.events.${client.tenant.replaceAll('.', '%2E')}`);
  /** What one connection was sent, the others were sent before their ping is answered. */
  const heard = async (count: number) => {
    await expect.poll(() => subscriber.received.length).toBe(count);
    await broker.flush();
  };
  await client.set('k', '"old"');
  await heard(1);
  const reading = await readSlowly('k');
  await client.set('k', '"new"');
  await heard(2);
  expect(await reading()).toBe('old');
  expect(await near.get('k')).toBe('new');
  expect(await isNear('k')).toBe(true);
  await subscriber.stop();
});

test.each<[string, () => Promise<void>, () => Promise<void>]>([
  [
    'before events are heard',
    async () => {
      near = new NearCache(service.url, client.tenant);
    },
    () => near.listen(broker),
  ],
  [
    'while events cannot be heard',
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
])('what changes %s is not kept of an answer from before', async (_, deafen, hear) => {
  await client.set('k', '"old"');
  await client.set('other', '1');
  await expect.poll(() => isNear('other')).toBe(true);
  await deafen();
  const reading = await readSlowly('k');
  await client.set('k', '"new"');
  await hear();
  expect(await reading()).toBe('old');
  expect(await near.get('k')).toBe('new');
});

test('nothing is kept while events cannot be heard, and again when they can', async () => {
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
