import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import type { Operation } from '../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../bundles/events.ts';
import { startFunction } from '../bundles/lambda.ts';
import { startProxy } from '../faults/proxy.ts';
import { startNats } from '../support/engines/nats.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { createStopAfterTest } from './resources.ts';
import { type Subscriber, subscribe } from './subscriber.ts';

const stopAfterTest = createStopAfterTest();

/** The bound is 20 ms; the rest is for busy machines. All other timeouts are at least as long. */
const BOUNDED_MS = 1000;

/** A connection that has not confirmed for this long, in milliseconds, is replaced. */
const UNCONFIRMED_MS = 1200;

async function sandbox(operation: Operation, natsUrl: string) {
  const tenant = `functions.${randomUUID()}`;
  const instance = await stopAfterTest(
    startFunction(operation, {
      DRAGONFLY_URL: inject('singleUrl'),
      ENABLE_NATS: 'true',
      NATS_URL: natsUrl,
    }),
  );
  /** @returns the status, and the duration in milliseconds */
  const invoke = async (request: ApiRequest) => {
    const event = eventFor(operation, { headers: { 'X-Tenant-ID': tenant }, ...request });
    const begun = performance.now();
    const { statusCode } = await instance.invoke(event);
    return { status: statusCode, ms: performance.now() - begun };
  };
  const set = (key: string) => invoke({ body: { key, value: key } });
  return {
    tenant,
    output: instance.output,
    invoke,
    set,
    /** Sets a key. @returns the tenant's keys in the events that the subscriber has received, without repetitions */
    async keysAfter(key: string, { received }: Subscriber) {
      await set(key);
      const mine = received.filter(({ event }) => event.tenant_id === tenant);
      return [...new Set(mine.map(({ event }) => event.key))];
    },
  };
}

describe('a function', () => {
  test.each<[Operation, ApiRequest, number, object]>([
    ['set', { body: { key: 'k', value: 1 } }, 201, { event_type: 'cache.set', key: 'k' }],
    ['delete', { query: 'key=k' }, 204, { event_type: 'cache.deleted', key: 'k' }],
    ['batch-delete', { body: { keys: ['k'] } }, 200, { event_type: 'cache.deleted', key: 'k' }],
    ['batch-set', { body: { items: [{ key: 'k', value: 1 }] } }, 201, { event_type: 'cache.set', key: 'k' }],
    [
      'invalidate',
      { body: { pattern: 'k*' } },
      200,
      { event_type: 'cache.invalidated', pattern: 'k*', count: 0 },
    ],
    [
      'invalidate',
      { body: { tags: ['doc:1'] } },
      200,
      { event_type: 'cache.invalidated', tags: ['doc:1'], count: 0 },
    ],
    ['clear-tenant', {}, 204, { event_type: 'cache.cleared', count: 0 }],
  ])('sends its event before it is frozen: %s', async (operation, request, status, expected) => {
    const nats = await stopAfterTest(startNats());
    const subscriber = await stopAfterTest(subscribe(nats.url));
    const { invoke, tenant } = await sandbox(operation, nats.url);
    // On a busy machine, the first response may be sent before the function is connected.
    await expect
      .poll(async () => {
        const parameters = operation === 'clear-tenant' ? { tenant_id: tenant } : undefined;
        expect((await invoke({ ...request, ...(parameters && { parameters }) })).status).toBe(status);
        return subscriber.received.map(({ event }) => event);
      })
      .toContainEqual(expect.objectContaining({ tenant_id: tenant, ...expected }));
  });

  test('keeps its connection from one invocation to the next', async () => {
    const nats = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(nats.port));
    const subscriber = await stopAfterTest(subscribe(nats.url));
    const { set, keysAfter } = await sandbox('set', proxy.url.replace('redis:', 'nats:'));
    await expect.poll(() => keysAfter('k', subscriber)).toEqual(['k']);
    await proxy.refuse();
    for (let number = 0; number < 5; number++) {
      await sleep(50);
      await set(`k${number}`);
    }
    await expect.poll(() => keysAfter('k', subscriber)).toHaveLength(6);
  });

  test('keeps its connection if it was frozen when a confirmation arrived, even if it reads the confirmation late', async () => {
    const nats = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(nats.port));
    const subscriber = await stopAfterTest(subscribe(nats.url));
    const { set, keysAfter } = await sandbox('set', proxy.url.replace('redis:', 'nats:'));
    await expect.poll(() => keysAfter('0', subscriber)).toEqual(['0']);
    proxy.delay(200);
    await set('1');
    await sleep(UNCONFIRMED_MS);
    proxy.delay(0);
    // If the function had closed its connection, it could not connect again.
    await proxy.refuse();
    await expect.poll(() => keysAfter('2', subscriber)).toEqual(['0', '1', '2']);
  });

  test.each<[string, boolean]>([
    ['reset', false],
    ['silently lost', true],
  ])('sends all events although its connection was %s while it was frozen', async (_, dark) => {
    const nats = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(nats.port));
    const subscriber = await stopAfterTest(subscribe(nats.url));
    const { set, keysAfter } = await sandbox('set', proxy.url.replace('redis:', 'nats:'));
    await expect.poll(() => keysAfter('0', subscriber)).toEqual(['0']);
    if (dark) {
      proxy.drop();
      proxy.heal();
    } else proxy.reset();
    expect(await set('1')).toMatchObject({ status: 201 });
    await sleep(UNCONFIRMED_MS);
    await expect.poll(() => keysAfter('2', subscriber)).toEqual(['0', '1', '2']);
  });

  test('sends events again if its broker was restarted while it was frozen', async () => {
    const nats = await stopAfterTest(startNats());
    const before = await stopAfterTest(subscribe(nats.url));
    const { keysAfter } = await sandbox('set', nats.url);
    await expect.poll(() => keysAfter('0', before)).toEqual(['0']);
    await nats.restart();
    const after = await stopAfterTest(subscribe(nats.url));
    await expect.poll(() => keysAfter('1', after)).toEqual(['1']);
  });

  test.each(['absent', 'silent', 'paused'])('succeeds without delay while its broker is %s', async (how) => {
    const nats = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(nats.port));
    if (how === 'silent') proxy.drop();
    const url =
      how === 'absent'
        ? `nats://u:hunter2@${LOOPBACK}:${await freePort()}`
        : `nats://${LOOPBACK}:${proxy.port}`;
    const { set, output } = await sandbox('set', url);
    await set('first');
    if (how === 'paused') nats.pause();
    const times: number[] = [];
    for (let number = 0; number < 20; number++) {
      const { status, ms } = await set(`k${number}`);
      expect(status).toBe(201);
      times.push(ms);
    }
    // The median: a busy machine may delay some of them.
    expect(times.sort((a, b) => a - b)[times.length / 2]).toBeLessThan(BOUNDED_MS);
    expect(output()).not.toMatch(/hunter2|k19/);
  });
});
