import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { CacheClient, ErrorContext, GetOrSetOptions } from '../../lib/client/index.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import {
  type Asked,
  failure,
  type Move,
  pathsOf,
  type Reply,
  released,
  script,
  success,
  TOKEN,
  wasSet,
} from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

/** A lease that no test outlives: a caller that gets it has not waited for its end. */
const LONG = { lease: 300 };

const names = (count: number) => Array.from({ length: count }, (_, i) => `k:${i}`);
const made = (key: string) => `made of ${key}`;

/** Makes a value for each key, and remembers the keys of each call. */
function producer() {
  const calls: string[][] = [];
  return {
    calls,
    produce: vi.fn(async (keys: string[], _signal: AbortSignal) => {
      calls.push(keys);
      return keys.map(made);
    }),
  };
}

/** A producer that waits for the test. */
function slowProducer() {
  const work = Promise.withResolvers<string[]>();
  const begun = Promise.withResolvers<AbortSignal>();
  const produce = vi.fn((_: string[], signal: AbortSignal) => {
    begun.resolve(signal);
    return work.promise;
  });
  return { ...work, produce, begun: begun.promise };
}

/** Two clients that share nothing, as in different processes. */
function two() {
  const { cache: one, reported } = start();
  const { cache: other } = start({ tenant: one.tenant });
  return { one, other, reported };
}

type Item = Record<string, unknown>;

/** Replies to a batch of lease requests with what `itemOf` returns for each key, and sets every value. */
const batches =
  (itemOf: (key: string) => Item, set: Move = batchSet) =>
  (asked: Asked): Move => {
    if (asked.target.endsWith('/batch/set')) return set;
    if (asked.target.endsWith('/release')) return released;
    if (!asked.target.endsWith('/batch/get')) return wasSet;
    const { keys } = JSON.parse(asked.body) as { keys: string[] };
    return success({ items: keys.map((key) => ({ key, ...itemOf(key) })) });
  };

const batchSet = ({ body }: Asked): Reply => {
  const { items } = JSON.parse(body) as { items: { key: string }[] };
  return success({ items: items.map(({ key }) => ({ key, status: 'set', ttl: 60 })) }, 201);
};

const lease = { token: TOKEN, ttl: 30 };
const missing = { found: false };
const granted = { ...missing, lease };
const staleOf = (value: string, rest: object = { lease }) => ({
  found: true,
  value,
  ttl: 0,
  stale: true,
  ...rest,
});

describe('getOrSetMany', () => {
  test('returns cached and produced values in the order of the keys, any number of them', async () => {
    const { cache, reported } = start();
    await cache.setMany([100, 3, 249].map((i) => ({ key: `k:${i}`, value: `cached ${i}` })));
    const { produce, calls } = producer();
    const keys = [...names(250), 'k:3', 'k:0'];
    const values = await cache.getOrSetMany(keys, 60, produce);
    const expected = (key: string) =>
      ['k:100', 'k:3', 'k:249'].includes(key) ? key.replace('k:', 'cached ') : made(key);
    expect(values).toEqual(keys.map(expected));
    expect(calls).toEqual([names(250).filter((key) => !expected(key).startsWith('cached'))]);
    expect(await cache.getOrSetMany(keys, 60, produce)).toEqual(values);
    expect(calls).toHaveLength(1);
    expect(await cache.get('k:7')).toMatchObject({ value: 'made of k:7' });
    expect(reported).toEqual([]);
  });

  test('sends nothing for an empty list', async () => {
    const server = await script('reset');
    const { produce } = producer();
    expect(await start({ url: server.url }).cache.getOrSetMany([], 60, produce)).toEqual([]);
    expect(server.asked).toEqual([]);
    expect(produce).not.toHaveBeenCalled();
  });

  test('produces each key once across processes', async () => {
    const clients = [start()];
    while (clients.length < 5) clients.push(start({ tenant: clients[0]?.cache.tenant as string }));
    const { produce, calls } = producer();
    const ranges = clients.map((_, i) => names(150).slice(i * 20, i * 20 + 70));
    const all = await Promise.all(
      clients.map(({ cache }, i) => cache.getOrSetMany(ranges[i] as string[], 60, produce, LONG)),
    );
    expect(all).toEqual(ranges.map((keys) => keys.map(made)));
    expect(calls.flat().sort()).toEqual(names(150).sort());
    expect(clients.flatMap(({ reported }) => reported)).toEqual([]);
  });

  test('produces its own keys while it waits for those of others', async () => {
    const { one, other } = two();
    const held = await other.lease('b', LONG);
    const { produce, calls } = producer();
    const call = one.getOrSetMany(['a', 'b', 'c'], 60, produce, LONG);
    await expect.poll(async () => (await other.get('c')).found).toBe(true);
    expect(calls).toEqual([['a', 'c']]);
    await other.set('b', 'of the other', { lease: held.lease?.token });
    expect(await call).toEqual(['made of a', 'of the other', 'made of c']);
    expect(calls).toHaveLength(1);
  });

  test('produces a key when it gets the lease of another process', async () => {
    const { one, other } = two();
    const held = await other.lease('b', LONG);
    const { produce, calls } = producer();
    const call = one.getOrSetMany(['a', 'b'], 60, produce, LONG);
    await expect.poll(() => calls).toEqual([['a']]);
    await other.release('b', held.lease?.token as string);
    expect(await call).toEqual(['made of a', 'made of b']);
    expect(calls).toEqual([['a'], ['b']]);
    expect(await other.get('b')).toMatchObject({ value: 'made of b' });
  });

  test('shares leases with getOrSet', async () => {
    const { one, other } = two();
    const { produce, begun, resolve } = slowProducer();
    const many = one.getOrSetMany(['a', 'b'], 60, produce, LONG);
    await begun;
    const never = vi.fn();
    const single = other.getOrSet('b', 60, never, LONG);
    resolve(['1', '2']);
    expect(await Promise.all([many, single])).toEqual([['1', '2'], '2']);
    expect(never).not.toHaveBeenCalled();
  });

  test('returns a value that was invalidated while it was produced, and does not cache it', async () => {
    const { one, other, reported } = two();
    const { produce, begun, resolve } = slowProducer();
    const call = one.getOrSetMany(['a', 'b'], 60, produce);
    await begun;
    await other.invalidate('b');
    resolve(['1', '2']);
    expect(await call).toEqual(['1', '2']);
    expect(await other.getMany(['a', 'b'])).toMatchObject([{ value: '1' }, { found: false }]);
    expect(reported).toEqual([]);
  });
});

describe('produceMissing', () => {
  const failures: [string, (keys: string[]) => Promise<string[]>, string, GetOrSetOptions][] = [
    ['throws', () => Promise.reject(new Error('the model is down')), 'the model is down', {}],
    ['times out', () => new Promise(() => {}), 'produce took longer than 50 ms', { produceTimeoutMs: 50 }],
    [
      'returns too few values',
      async (keys) => keys.slice(1),
      'produceMissing must return an array with a value for each of its 2 keys',
      {},
    ],
    [
      'returns no array',
      async () => 'ab' as unknown as string[],
      'produceMissing must return an array with a value for each of its 2 keys',
      {},
    ],
  ];

  test.each(failures)(
    'rejects the call and releases its leases if it %s',
    async (_, produce, message, options) => {
      const { one, other, reported } = two();
      await expect(one.getOrSetMany(['a', 'b'], 60, produce, { ...LONG, ...options })).rejects.toThrow(
        message,
      );
      expect(await other.getOrSetMany(['a', 'b'], 60, async (keys) => keys.map(made))).toEqual(
        ['a', 'b'].map(made),
      );
      expect(reported).toEqual([]);
    },
  );

  test.each(failures)(
    'leads to stale values if it %s and there is one for each key',
    async (_, fail, message, options) => {
      const server = await script(batches((key) => staleOf(`old ${key}`)));
      const errors: [unknown, ErrorContext][] = [];
      const { cache } = start({ url: server.url, onError: (...args) => errors.push(args) });
      expect(await cache.getOrSetMany(['a', 'b'], 60, fail, options)).toEqual(['old a', 'old b']);
      expect(pathsOf(server)).toEqual(['batch/get', 'lease/release', 'lease/release']);
      const expected = expect.objectContaining({ message });
      expect(errors).toEqual([[expected, { operation: 'produce', key: 'a', keys: ['a', 'b'] }]]);
    },
  );

  test('rejects the call if it throws and a key has no stale value', async () => {
    const server = await script(batches((key) => (key === 'a' ? staleOf('old') : granted)));
    const { cache, reported } = start({ url: server.url });
    const failed = new Error('the model is down');
    await expect(cache.getOrSetMany(['a', 'b'], 60, () => Promise.reject(failed))).rejects.toBe(failed);
    expect(reported).toEqual([]);
  });

  test('rejects a call that still waits for other values', async () => {
    const { one, other } = two();
    await other.lease('b', LONG);
    const failed = new Error('the model is down');
    await expect(one.getOrSetMany(['a', 'b'], 60, () => Promise.reject(failed))).rejects.toBe(failed);
    expect(await other.lease('a')).toHaveProperty('lease');
  });

  test('is aborted when the call is, and its leases are released', async () => {
    const { one, other, reported } = two();
    await other.lease('waits', LONG);
    const { produce, begun } = slowProducer();
    const controller = new AbortController();
    const { signal } = controller;
    const call = one.getOrSetMany(['a', 'b', 'waits'], 60, produce, { ...LONG, signal });
    const seen = await begun;
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(seen.aborted).toBe(true);
    expect(await other.getOrSetMany(['a', 'b'], 60, async (keys) => keys.map(made))).toEqual(
      ['a', 'b'].map(made),
    );
    expect(reported).toEqual([]);
  });

  test('receives the keys of other callers after a wait of produceTimeoutMs; their values are not set', async () => {
    const { one, other } = two();
    await other.lease('b', LONG);
    const produce = vi.fn(async (keys: string[]) => keys.map(made));
    const options = { produceTimeoutMs: 200 };
    expect(await one.getOrSetMany(['a', 'b'], 60, produce, options)).toEqual(['a', 'b'].map(made));
    expect(produce.mock.calls.map(([keys]) => keys)).toEqual([['a'], ['b']]);
    expect(await other.get('b')).toMatchObject({ found: false });
  });

  test('can change its argument', async () => {
    const { cache } = start();
    const produce = async (keys: string[]) => keys.splice(0).map(made);
    await expect(cache.getOrSetMany(['a', 'b'], 60, produce)).resolves.toEqual(['a', 'b'].map(made));
    expect(await cache.get('b')).toMatchObject({ value: 'made of b' });
  });
});

describe('a stale value', () => {
  test('is returned to callers without the lease, and produced again by the one with it', async () => {
    const server = await script(batches((key) => staleOf(`old ${key}`, key === 'mine' ? { lease } : {})));
    const { cache } = start({ url: server.url });
    const { produce, calls } = producer();
    expect(await cache.getOrSetMany(['mine', 'theirs'], 60, produce)).toEqual(['made of mine', 'old theirs']);
    expect(calls).toEqual([['mine']]);
    expect(pathsOf(server)).toEqual(['batch/get', '']);
  });

  test('is returned at once with waitUntil, while missing values are produced before', async () => {
    const server = await script(batches((key) => (key === 'stale' ? staleOf('old') : granted)));
    const { cache } = start({ url: server.url });
    const { produce, calls } = producer();
    const promises: Promise<unknown>[] = [];
    const waitUntil = (promise: Promise<unknown>) => void promises.push(promise);
    expect(await cache.getOrSetMany(['a', 'stale'], 60, produce, { waitUntil })).toEqual([
      'made of a',
      'old',
    ]);
    await Promise.all(promises);
    expect(promises).toHaveLength(1);
    expect(calls.sort()).toEqual([['a'], ['stale']]);
  });
});

describe('the requests of a getOrSetMany', () => {
  const bodies = (server: { asked: { body: string }[] }) => server.asked.map(({ body }) => JSON.parse(body));

  test('are batches with leases, grace and tags', async () => {
    const server = await script(batches(() => granted));
    const { cache } = start({ url: server.url });
    await cache.getOrSetMany(['a', 'b'], 60, producer().produce, { grace: 5, tags: ['t'] });
    const item = (key: string) => ({ key, value: made(key), ttl: 60, grace: 5, lease: TOKEN, tags: ['t'] });
    expect(bodies(server)).toEqual([
      { keys: ['a', 'b'], lease: 60, tags: ['t'] },
      { items: [item('a'), item('b')] },
    ]);
  });

  test('repeat the set after a connection that breaks', async () => {
    let breaks = true;
    const once = (): Move => {
      const move: Move = breaks ? 'reset' : batchSet;
      breaks = false;
      return move;
    };
    const server = await script(batches(() => granted, once));
    const { cache, reported } = start({ url: server.url });
    await cache.getOrSetMany(['a', 'b'], 60, producer().produce);
    expect(pathsOf(server)).toEqual(['batch/get', 'batch/set', 'batch/set']);
    expect(reported).toEqual([]);
  });

  test('contain no set if the service cannot store leases', async () => {
    const server = await script(
      batches((key) => (key === 'a' ? { ...staleOf('x'), ttl: 9, stale: false } : missing)),
    );
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSetMany(['b', 'c'], 60, producer().produce)).toEqual(['b', 'c'].map(made));
    expect(pathsOf(server).filter((path) => path.includes('set'))).toEqual([]);
    expect(reported).toEqual([]);
  });

  test('release the lease of a value that JSON cannot represent, and set the others', async () => {
    const server = await script(batches(() => granted));
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSetMany<unknown>(['a', 'b'], 60, () => [undefined, 'b'])).toEqual([
      undefined,
      'b',
    ]);
    expect(pathsOf(server)).toEqual(['batch/get', '', 'lease/release']);
    expect(bodies(server)[2]).toEqual({ key: 'a', lease: TOKEN });
    expect(reported).toEqual([{ code: undefined, operation: 'set', key: 'a' }]);
  });

  test('release the leases of values that could not be set', async () => {
    const server = await script(batches(() => granted, failure(400, 'VALIDATION_ERROR')));
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSetMany(['a', 'b'], 60, producer().produce)).toEqual(['a', 'b'].map(made));
    expect(pathsOf(server)).toEqual(['batch/get', 'batch/set', 'lease/release', 'lease/release']);
    expect(reported).toEqual([{ code: 'VALIDATION_ERROR', operation: 'set', key: 'a', keys: ['a', 'b'] }]);
  });

  test('are not reported if some leases were lost, unless producing took longer than a lease', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const items = [
      { key: 'a', status: 'set', ttl: 60 },
      { key: 'b', status: 'lease_lost' },
    ];
    const server = await script(batches(() => granted, success({ items }, 201)));
    const { cache, reported } = start({ url: server.url });
    const { produce } = producer();
    expect(await cache.getOrSetMany(['a', 'b'], 60, produce)).toEqual(['a', 'b'].map(made));
    expect(reported).toEqual([]);
    await cache.getOrSetMany(['a', 'b'], 60, (keys, signal) => {
      vi.advanceTimersByTime(30_000);
      return produce(keys, signal);
    });
    expect(reported).toEqual([{ code: 'LEASE_LOST', operation: 'set', key: 'b' }]);
    expect(pathsOf(server)).not.toContain('lease/release');
  });

  test('split a batch whose values do not fit into one response, and keep the leases', async () => {
    const answer = batches(() => granted);
    const server = await script((asked) => {
      const { keys } = JSON.parse(asked.body) as { keys?: string[] };
      return keys && keys.length > 2 ? failure(413, 'PAYLOAD_TOO_LARGE', { fitting: 2 }) : answer(asked);
    });
    const { cache, reported } = start({ url: server.url });
    const { produce, calls } = producer();
    expect(await cache.getOrSetMany(names(4), 60, produce)).toEqual(names(4).map(made));
    expect(calls).toEqual([names(4)]);
    expect(pathsOf(server)).toEqual(['batch/get', 'batch/get', 'batch/get', 'batch/set']);
    expect(reported).toEqual([]);
  });

  test('are none while the cache is down: all values are produced, and the failure is reported once', async () => {
    const { cache, reported } = start({ url: `http://${LOOPBACK}:${await freePort()}` });
    const { produce, calls } = producer();
    expect(await cache.getOrSetMany(names(3), 60, produce)).toEqual(names(3).map(made));
    expect(await cache.getOrSetMany(names(3), 60, produce)).toEqual(names(3).map(made));
    expect(calls).toEqual([names(3), names(3)]);
    expect(reported).toEqual([{ code: 'CONNECTION_FAILED', operation: 'get', key: 'k:0', keys: names(3) }]);
  });

  test('lose no leases of one batch if another one fails', async () => {
    const answer = batches(() => granted);
    const server = await script((asked) => {
      const { keys } = JSON.parse(asked.body) as { keys?: string[] };
      return keys?.includes('k:150') ? failure(500, 'INTERNAL_SERVER_ERROR') : answer(asked);
    });
    const { cache, reported } = start({ url: server.url });
    const { produce } = producer();
    expect(await cache.getOrSetMany(names(200), 60, produce)).toEqual(names(200).map(made));
    const sets = server.asked.filter(({ target }) => target.endsWith('/batch/set'));
    const items = sets.flatMap(({ body }) => JSON.parse(body).items as { key: string }[]);
    expect(items.map(({ key }) => key)).toEqual(names(100));
    expect(reported).toMatchObject([{ operation: 'get', key: 'k:100' }]);
  });
});

describe('with a service that is older than leases', () => {
  /** Ignores `lease` in a batch. */
  const older = () =>
    script((asked) =>
      asked.target.endsWith('/lease') ? failure(405, 'METHOD_NOT_ALLOWED') : batches(() => missing)(asked),
    );
  const ask = (cache: CacheClient) => cache.getOrSetMany(['a', 'b'], 60, producer().produce);

  test('a call detects it by one lease request, and sets without leases', async () => {
    const server = await older();
    const { cache, reported } = start({ url: server.url });
    expect(await ask(cache)).toEqual(['a', 'b'].map(made));
    expect(pathsOf(server)).toEqual(['batch/get', 'lease', 'batch/set']);
    expect(JSON.parse(server.asked[2]?.body ?? '').items[0]).toEqual({ key: 'a', value: made('a'), ttl: 60 });
    expect(reported).toEqual([]);
  });

  test('later calls get and set without leases', async () => {
    const server = await older();
    const { cache } = start({ url: server.url });
    await ask(cache);
    await ask(cache.forTenant('other'));
    expect(pathsOf(server).slice(3)).toEqual(['batch/get', 'batch/set']);
    expect(JSON.parse(server.asked[3]?.body ?? '')).toEqual({ keys: ['a', 'b'] });
  });
});
