import { describe, expect, test } from 'vitest';
import { CacheClient, type FetchRequest, PayloadTooLargeError } from '../../lib/client/index.ts';
import { describeOnBackends } from '../http/client.ts';
import { failure, script, success } from './scripted.ts';

const MIB = 1024 ** 2;
const names = (count: number) => Array.from({ length: count }, (_, i) => `k:${i}`);

/** How many keys or items each request had. */
const sizes = (bodies: string[]) =>
  bodies.map((body) => {
    const { keys, items } = JSON.parse(body) as { keys?: unknown[]; items?: unknown[] };
    return (keys ?? items ?? []).length;
  });

describeOnBackends('a client with more items than fit into a batch', {}, (connect) => {
  const client = () => {
    const { port, tenant } = connect();
    const bodies: string[] = [];
    const watching = (url: string, request: FetchRequest) => {
      bodies.push(request.body ?? '');
      return fetch(url, request);
    };
    const url = `http://127.0.0.1:${port}`;
    return { bodies, cache: new CacheClient({ url, tenant, fetch: watching, timeoutMs: 20_000 }) };
  };

  test('sends several batches, and returns results in the order of the request', async () => {
    const { cache, bodies } = client();
    const keys = names(350);
    const entries = keys.map((key, i) => ({ key, value: i, ttl: 1000 + i }));
    expect(await cache.setMany(entries)).toEqual(keys.map((key, i) => ({ key, ttl: 1000 + i })));
    expect(sizes(bodies.splice(0)).sort()).toEqual([100, 100, 100, 50].sort());
    const asked = [...keys.toReversed(), 'absent'];
    const found = await cache.getMany<number>(asked);
    expect(found.map(({ key }) => key)).toEqual(asked);
    expect(found.map((item) => item.found && item.value)).toEqual([...[...keys.keys()].toReversed(), false]);
  });

  test('adds up the deletions of all batches', async () => {
    const { cache, bodies } = client();
    await cache.setMany(names(250).map((key) => ({ key, value: 1 })));
    bodies.length = 0;
    expect(await cache.deleteMany([...names(250), ...names(250)])).toBe(250);
    expect(await cache.getMany(names(250))).toEqual(names(250).map((key) => ({ found: false, key })));
  });

  test('sets the last of two entries of one key, even if they are far apart', async () => {
    const { cache } = client();
    const entries = [...names(150), ...names(150)].map((key, i) => ({ key, value: i, ttl: 1000 + i }));
    const results = await cache.setMany(entries);
    expect(results).toHaveLength(300);
    expect(results[0]).toEqual({ key: 'k:0', ttl: 1150 });
    const found = await cache.getMany<number>(names(150));
    expect(found.map((item) => item.found && item.value)).toEqual(names(150).map((_, i) => 150 + i));
  });

  test('splits values that are too large for one batch, whatever they contain', async () => {
    const { cache, bodies } = client();
    const values = [
      'x'.repeat(2 * MIB),
      '"'.repeat(MIB),
      '\\'.repeat(MIB),
      'é'.repeat(MIB),
      '\n'.repeat(MIB),
      'y',
    ];
    await cache.setMany(values.map((value, i) => ({ key: `k:${i}`, value })));
    expect(bodies.length).toBeGreaterThan(1);
    for (const [i, value] of values.entries()) {
      const found = await cache.get(`k:${i}`);
      // Compared before it is shown: a difference in a megabyte is no message.
      expect(found.found && found.value === value).toBe(true);
    }
  });

  test('splits gets whose values are too large for one response', async () => {
    const { cache, bodies } = client();
    const keys = names(7);
    for (const [i, key] of keys.entries()) await cache.set(key, `${i}`.repeat(2 * MIB));
    bodies.length = 0;
    const asked = ['absent', ...keys, 'k:0'];
    const found = await cache.getMany<string>(asked);
    expect(found.map((item) => (item.found ? [item.value[0], item.value.length] : null))).toEqual([
      null,
      ...[...keys.keys(), 0].map((i) => [String(i), 2 * MIB]),
    ]);
    expect(Math.max(...sizes(bodies))).toBe(9);
    await cache.clear();
  });

  test('gets validation issues with the index in its own list', async () => {
    const { cache } = client();
    const keys = [...names(205), '', ...names(300)];
    const message = 'must not be empty';
    const entries = keys.map((key) => ({ key, value: 1 }));
    await expect(cache.getMany(keys)).rejects.toMatchObject({ issues: [{ field: 'keys.205', message }] });
    await expect(cache.deleteMany(keys)).rejects.toMatchObject({ issues: [{ field: 'keys.205', message }] });
    await expect(cache.setMany(entries)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      status: 400,
      issues: [{ field: 'items.205.key', message }],
    });
    const twice = [...entries.slice(0, 3), { key: 'k:0', value: 1, ttl: 0 }];
    await expect(cache.setMany(twice)).rejects.toMatchObject({ issues: [{ field: 'items.3.ttl' }] });
  });

  test('invalidates any number of tags, and gets validation issues with the index in its own list', async () => {
    const { cache, bodies } = client();
    await cache.setMany(names(40).map((key) => ({ key, value: 1, tags: [key, 'all'] })));
    bodies.length = 0;
    expect(await cache.invalidateTags(names(35))).toBe(35);
    expect(bodies.map((body) => JSON.parse(body).tags.length)).toEqual([16, 16, 3]);
    expect(await cache.invalidateTags(['all', ...names(40)])).toBe(5);
    const message = 'must not be empty';
    await expect(cache.invalidateTags([...names(20), ''])).rejects.toMatchObject({
      issues: [{ field: 'tags.20', message }],
    });
    const entries = names(205).map((key, index) => ({
      key,
      value: 1,
      tags: index < 204 ? ['a'] : ['a', ''],
    }));
    await expect(cache.setMany(entries)).rejects.toMatchObject({
      issues: [{ field: 'items.204.tags.1', message }],
    });
  });

  test('sets entries with the most and longest tags, whatever they contain', async () => {
    const { cache } = client();
    const tags = Array.from({ length: 16 }, (_, i) => `${i % 10}`.padEnd(256, '"'));
    const entries = names(100).map((key) => ({ key, value: 1, tags }));
    expect(await cache.setMany(entries)).toHaveLength(100);
    const listed: string[][] = [];
    for await (const { tags } of cache.keys()) listed.push(tags);
    expect(listed).toEqual(Array(100).fill([...new Set(tags)]));
    expect(await cache.invalidateTags(tags)).toBe(100);
  });

  test("rejects with the service's error for a value that is too large", async () => {
    const { cache } = client();
    const value = 'x'.repeat(5 * MIB);
    await expect(cache.setMany([{ key: 'k', value }])).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      maxBytes: 5 * MIB,
      fitting: undefined,
    });
  });
});

describe('a client whose batches do not fit', () => {
  test('fails if not even the first item fits', async () => {
    const server = await script(failure(413, 'PAYLOAD_TOO_LARGE', { max_bytes: 1, fitting: 0 }));
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await expect(cache.getMany(['a', 'b'])).rejects.toThrow(PayloadTooLargeError);
    expect(server.asked).toHaveLength(1);
  });

  test('splits them repeatedly', async () => {
    const server = await script(({ body }) => {
      const { keys } = JSON.parse(body) as { keys: string[] };
      if (keys.length > 3)
        return failure(413, 'PAYLOAD_TOO_LARGE', { max_bytes: 1, fitting: keys.length - 1 });
      return success({ items: keys.map((key) => ({ key, found: false })) });
    });
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    expect(await cache.getMany(names(8))).toEqual(names(8).map((key) => ({ found: false, key })));
  });

  test('keeps the indexes of its list after a split', async () => {
    const server = await script(
      failure(413, 'PAYLOAD_TOO_LARGE', { max_bytes: 1, fitting: 2 }),
      success({ items: [] }),
      failure(400, 'VALIDATION_ERROR', { issues: [{ field: 'keys.1', message: 'x' }, { field: 'body' }] }),
    );
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await expect(cache.getMany(names(8))).rejects.toMatchObject({
      message: 'It is VALIDATION_ERROR: keys.3 x',
      correlationId: 'c',
      issues: [{ field: 'keys.3', message: 'x' }, { field: 'body' }],
    });
  });

  test('sends at most four at a time, and aborts the others when one fails', async () => {
    let most = 0;
    let now = 0;
    let ended = 0;
    const waiting: (() => void)[] = [];
    const cache = new CacheClient({
      url: 'http://localhost',
      tenant: 't',
      retries: 0,
      fetch: (_, { signal }) => {
        most = Math.max(most, ++now);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            ended++;
            reject(signal.reason);
          });
          waiting.push(() => reject(new TypeError('fetch failed')));
          if (now === 4) waiting[0]?.();
        });
      },
    });
    await expect(cache.deleteMany(names(1000))).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    expect({ most, sent: waiting.length, ended }).toEqual({ most: 4, sent: 4, ended: 4 });
  });
});
