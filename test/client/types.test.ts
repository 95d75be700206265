import { describe, expectTypeOf, test } from 'vitest';
import {
  type Authorize,
  bearer,
  CacheClient,
  CacheError,
  ConnectionError,
  type ErrorContext,
  type Fetch,
  type Lease,
  type LeaseLookup,
  type ListedKey,
  type Lookup,
  PayloadTooLargeError,
  type Signal,
  sigV4,
  ValidationError,
  type WasSet,
} from '../../lib/client/index.ts';

interface User {
  name: string;
  tags?: string[];
}

declare const cache: CacheClient;
declare const something: unknown;
const user: User = { name: 'John' };

/** What stands in it is looked at by the compiler and never run. */
const compiled = (_code: () => unknown): void => {};

describe('the types of a client', () => {
  test('allow access to a value only after a check of found', () => {
    compiled(async () => {
      const lookup = await cache.get<User>('k');
      expectTypeOf(lookup).toEqualTypeOf<Lookup<User>>();
      // @ts-expect-error: a miss has no value
      lookup.value;
      if (lookup.found) {
        expectTypeOf(lookup.value).toEqualTypeOf<User>();
        expectTypeOf(lookup.ttl).toEqualTypeOf<number>();
      }
      expectTypeOf(await cache.getMany<User>(['a', 'b'])).toEqualTypeOf<Lookup<User>[]>();
      const untyped = await cache.get('k');
      if (untyped.found) expectTypeOf(untyped.value).toBeUnknown();
    });
  });

  test('accept values of any type, and are exact about the rest', () => {
    compiled(async () => {
      expectTypeOf(await cache.set('k', user, { ttl: 60 })).toEqualTypeOf<WasSet>();
      await cache.set('k', null);
      await cache.set('k', [1, 'two', { three: 3 }] as const);
      await cache.set('k', something);
      await cache.setMany([{ key: 'k', value: something, ttl: 1, tags: ['a'] }]);
      await cache.set('k', user, { tags: ['a', 'b'] as const });
      // @ts-expect-error: tags must be a list
      await cache.set('k', user, { tags: 'a' });
      // @ts-expect-error: a TTL must be a number
      await cache.set('k', user, { ttl: '60' });
      // @ts-expect-error: the option does not exist
      await cache.set('k', user, { tll: 60 });
    });
  });

  test("return the producer's type from getOrSet", () => {
    compiled(async () => {
      expectTypeOf(await cache.getOrSet('k', 60, () => 1)).toEqualTypeOf<number>();
      expectTypeOf(await cache.getOrSet('k', 60, async () => user)).toEqualTypeOf<User>();
      expectTypeOf(await cache.getOrSet<User>('k', 60, async () => ({ name: 'Ann' }))).toEqualTypeOf<User>();
      expectTypeOf(await cache.getOrSet('k', 60, async () => something)).toEqualTypeOf<unknown>();
      expectTypeOf(await cache.getOrSet('k', 60, async () => null)).toEqualTypeOf<null>();
      await cache.getOrSet('k', 60, async (signal) => {
        expectTypeOf(signal).toEqualTypeOf<Signal>();
        return (await fetch('http://localhost', { signal })).json();
      });
      expectTypeOf(await cache.getOrSet('k', 60, () => 1, { produceTimeoutMs: 1 })).toEqualTypeOf<number>();
      // @ts-expect-error: of another type
      await cache.getOrSet<User>('k', 60, () => 1);
    });
  });

  test('accept the options of leases in getOrSet', () => {
    compiled(async () => {
      const ctx = {} as { waitUntil(promise: Promise<unknown>): void };
      const waitUntil = (promise: Promise<unknown>) => ctx.waitUntil(promise);
      const options = { grace: 60, lease: 30, tags: ['a'] as const, waitUntil };
      expectTypeOf(await cache.getOrSet('k', 60, () => 1, options)).toEqualTypeOf<number>();
      const tagsOf = ({ tags = [] }: User) => tags;
      expectTypeOf(await cache.getOrSet('k', 60, async () => user, { tagsOf })).toEqualTypeOf<User>();
      await cache.getOrSet('k', 60, async () => user, {
        tagsOf: (value, key) => {
          expectTypeOf(value).toEqualTypeOf<User>();
          return [value.name, key];
        },
      });
      expectTypeOf(await cache.getOrSetMany(['k'], 60, () => [user], { tagsOf })).toEqualTypeOf<User[]>();
      // @ts-expect-error: `tagsOf` expects another type of value
      await cache.getOrSet('k', 60, () => 1, { tagsOf });
      // @ts-expect-error: `lease` must be a number of seconds, not a token
      await cache.getOrSet('k', 60, () => 1, { lease: 'token' });
      // @ts-expect-error: `waitUntil` must be a function
      await cache.getOrSet('k', 60, () => 1, { waitUntil: Promise.resolve() });
    });
  });

  test("return the producer's type from getOrSetMany", () => {
    compiled(async () => {
      expectTypeOf(await cache.getOrSetMany(['a'], 60, async () => [1])).toEqualTypeOf<number[]>();
      const keys = ['a', 'b'] as const;
      const produced = await cache.getOrSetMany(keys, 60, async (missing, signal) => {
        expectTypeOf(missing).toEqualTypeOf<string[]>();
        expectTypeOf(signal).toEqualTypeOf<Signal>();
        return missing.map((): User => user);
      });
      expectTypeOf(produced).toEqualTypeOf<User[]>();
      const readonly: readonly User[] = [user];
      expectTypeOf(await cache.getOrSetMany(keys, 60, () => readonly)).toEqualTypeOf<User[]>();
      // @ts-expect-error: one value for all keys
      await cache.getOrSetMany(keys, 60, async () => 1);
    });
  });

  test('tell hits, stale values and misses of a lease request apart', () => {
    compiled(async () => {
      const lookup = await cache.lease<User>('k', { lease: 30 });
      expectTypeOf(lookup).toEqualTypeOf<LeaseLookup<User>>();
      expectTypeOf(lookup.lease).toEqualTypeOf<Lease | undefined>();
      if (lookup.found) expectTypeOf(lookup.stale).toBeBoolean();
      else expectTypeOf(lookup.retryAfterMs).toEqualTypeOf<number | undefined>();
      expectTypeOf(await cache.set('k', user, { lease: lookup.lease?.token })).toEqualTypeOf<WasSet>();
      expectTypeOf(await cache.release('k', 'token')).toBeVoid();
      // @ts-expect-error: the token, not the lease
      await cache.set('k', user, { lease: lookup.lease });
    });
  });

  test('describe what onError receives', () => {
    compiled(() => {
      const onError = (_: unknown, about: ErrorContext) => {
        expectTypeOf(about.operation).toEqualTypeOf<'get' | 'set' | 'produce'>();
        expectTypeOf(about.keys).toEqualTypeOf<readonly string[] | undefined>();
      };
      return new CacheClient({ url: 'http://localhost', tenant: 't', onError });
    });
  });

  test('allow generic wrappers', () => {
    const wrapped = <T>(key: string, produce: () => Promise<T>): Promise<T> =>
      cache.getOrSet(key, 60, produce);
    expectTypeOf(wrapped<User>).returns.resolves.toEqualTypeOf<User>();
    const generic = <T>(value: T): Promise<WasSet> => cache.set('k', value);
    expectTypeOf(generic<User>).returns.resolves.toEqualTypeOf<WasSet>();
  });

  test('describe the results of the other methods', () => {
    compiled(async () => {
      expectTypeOf(await cache.delete('k')).toBeVoid();
      expectTypeOf(await cache.deleteMany(['k'])).toBeNumber();
      expectTypeOf(await cache.invalidate('k*')).toBeNumber();
      // @ts-expect-error: a pattern is required
      await cache.invalidate();
      expectTypeOf(await cache.invalidateTags(['a'] as const)).toBeNumber();
      // @ts-expect-error: tags are required
      await cache.invalidateTags();
      for await (const listed of cache.keys({ pattern: 'k*', tag: 'a', limit: 10, timeoutMs: 1 }))
        expectTypeOf(listed).toEqualTypeOf<ListedKey>();
      expectTypeOf(await cache.clear()).toBeVoid();
      expectTypeOf(await cache.setMany([{ key: 'k', value: 1 }])).toEqualTypeOf<WasSet[]>();
      expectTypeOf((await cache.usage()).bytes.estimated).toBeNumber();
      expectTypeOf((await cache.health()).status).toEqualTypeOf<'healthy' | 'unhealthy'>();
      expectTypeOf(cache.forTenant('other')).toEqualTypeOf<CacheClient>();
    });
  });

  test("accept the signal of an AbortController, and the runtime's fetch", () => {
    expectTypeOf<AbortSignal>().toExtend<Signal>();
    expectTypeOf<Signal>().toExtend<AbortSignal>();
    expectTypeOf<typeof fetch>().toExtend<Fetch>();
    compiled(() => new CacheClient({ url: 'http://localhost', tenant: 't', fetch }));
    // @ts-expect-error: no tenant
    compiled(() => new CacheClient({ url: 'http://localhost' }));
  });

  test("accept an authorize function, the client's own or a custom one", () => {
    expectTypeOf(bearer).returns.toEqualTypeOf<Authorize>();
    compiled(() => bearer(async () => 'token'));
    expectTypeOf(sigV4).returns.toEqualTypeOf<Authorize>();
    compiled(() =>
      sigV4({ region: 'eu-central-1', credentials: { accessKeyId: 'a', secretAccessKey: 's' } }),
    );
    // @ts-expect-error: no secret
    compiled(() => sigV4({ region: 'eu-central-1', credentials: { accessKeyId: 'a' } }));
    expectTypeOf((_request: { url: string }) => ({ 'x-api-key': 'k' })).toExtend<Authorize>();
  });

  test('narrow errors by class and by code', () => {
    compiled((error: unknown = something) => {
      if (error instanceof ValidationError) expectTypeOf(error.code).toEqualTypeOf<'VALIDATION_ERROR'>();
      if (error instanceof PayloadTooLargeError)
        expectTypeOf(error.fitting).toEqualTypeOf<number | undefined>();
      if (error instanceof ConnectionError) expectTypeOf(error.maybeSent).toBeBoolean();
      if (error instanceof CacheError) expectTypeOf(error.retryAfterMs).toEqualTypeOf<number | undefined>();
    });
  });
});
