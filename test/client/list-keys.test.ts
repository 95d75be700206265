import { expect, test } from 'vitest';
import { CacheClient, type ClientOptions, type ListedKey } from '../../lib/client/index.ts';
import { type Asked, failure, type Move, script, success } from './scripted.ts';

const PAGES = 5;

/** A server with five pages of two keys. The cursor of a page is the number of the next one. */
const page: Move = ({ target }: Asked) => {
  const number = Number(new URLSearchParams(target.split('?')[1]).get('cursor') ?? 1);
  const keys = ['a', 'b'].map((name) => ({ key: `${number}${name}`, ttl: 60, stale: false, tags: [] }));
  return success({ keys, cursor: number < PAGES ? String(number + 1) : null });
};

async function start(moves: [Move, ...Move[]] = [page], options: Partial<ClientOptions> = {}) {
  const server = await script(...moves);
  return { server, cache: new CacheClient({ url: server.url, tenant: 'team 1', ...options }) };
}

const namesOf = async (keys: AsyncIterable<ListedKey>) => {
  const names: string[] = [];
  for await (const { key } of keys) names.push(key);
  return names;
};

test('keys requests each page with the cursor of the one before, and the same pattern, tag and limit', async () => {
  const { server, cache } = await start();
  const names = await namesOf(cache.keys({ pattern: 'a*&', tag: 'b c', limit: 2 }));
  expect(names).toEqual(['1a', '1b', '2a', '2b', '3a', '3b', '4a', '4b', '5a', '5b']);
  const query = 'pattern=a*%26&tag=b%20c&limit=2';
  const path = '/api/v1/cache/tenant/team%201/keys';
  expect(server.asked.map(({ method, target }) => `${method} ${target}`)).toEqual([
    `GET ${path}?${query}`,
    ...[2, 3, 4, 5].map((cursor) => `GET ${path}?${query}&cursor=${cursor}`),
  ]);
});

test('keys requests a page only when its first key is needed, and none after the loop has ended', async () => {
  const { server, cache } = await start();
  const keys = cache.keys();
  expect(server.asked).toHaveLength(0);
  for (const [name, requests] of [
    ['1a', 1],
    ['1b', 1],
    ['2a', 2],
  ] as const) {
    expect((await keys.next()).value).toMatchObject({ key: name });
    expect(server.asked).toHaveLength(requests);
  }
  for await (const { key } of keys) if (key === '3b') break;
  expect(await keys.next()).toEqual({ done: true, value: undefined });
  expect(server.asked).toHaveLength(3);
});

test('keys continues after a page without keys', async () => {
  const empty = success({ keys: [], cursor: '5' });
  const { cache } = await start([empty, page]);
  expect(await namesOf(cache.keys())).toEqual(['5a', '5b']);
});

test('keys ends with the reason of its signal, during a request and between two keys', async () => {
  const { server, cache } = await start([page, 'hang']);
  const controller = new AbortController();
  const { signal } = controller;
  const walk = namesOf(cache.keys({ signal }));
  await expect.poll(() => server.asked.length).toBe(2);
  controller.abort('enough');
  await expect(walk).rejects.toBe('enough');
  await expect(cache.keys({ signal }).next()).rejects.toBe('enough');
  const next = new AbortController();
  const { cache: other } = await start();
  const keys = other.keys({ signal: next.signal });
  await keys.next();
  next.abort('enough');
  await expect(keys.next()).rejects.toBe('enough');
});

test('keys gives each request its own time, and retries it', async () => {
  const busy = failure(503, 'BACKEND_UNAVAILABLE');
  const { server, cache } = await start([page, busy, page, 'hang'], { timeoutMs: 600_000 });
  const names: string[] = [];
  const walk = (async () => {
    for await (const { key } of cache.keys({ timeoutMs: 1000 })) names.push(key);
  })();
  await expect(walk).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(names).toEqual(['1a', '1b', '2a', '2b']);
  expect(server.asked).toHaveLength(4);
});

test('all requests of a walk have one correlation id, and headers of one call', async () => {
  let calls = 0;
  const { server, cache } = await start([page], { headers: () => ({ traceparent: `${++calls}` }) });
  await namesOf(cache.keys());
  const values = (name: string) => new Set(server.asked.map(({ headers }) => headers[name]));
  expect([values('x-correlation-id').size, values('traceparent').size]).toEqual([1, 1]);
  expect(values('x-request-id').size).toBe(PAGES);
});

test("keys converts numbers of the caller's own parse", async () => {
  const parse = (text: string) =>
    JSON.parse(text, (_, value) => (typeof value === 'number' ? `${value}` : value));
  const { cache } = await start([page], { parse });
  expect((await cache.keys().next()).value).toEqual({ key: '1a', ttl: 60, stale: false, tags: [] });
});
