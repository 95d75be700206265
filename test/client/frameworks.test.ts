import { afterEach, describe, expect, test, vi } from 'vitest';
import { CacheClient, type ClientOptions, type FetchRequest } from '../../lib/client/index.ts';
import { granted, miss, script } from './scripted.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe('the HTTP cache of a runtime', () => {
  /** What `fetch` is given by a client that has not looked at the runtime yet. */
  async function requestOf(): Promise<FetchRequest> {
    const { CacheClient: Fresh } = await import('../../lib/client/client.ts');
    const server = await script(miss);
    const asked: FetchRequest[] = [];
    const watching = (url: string, request: FetchRequest) => {
      asked.push(request);
      return fetch(url, request);
    };
    await new Fresh({ url: server.url, tenant: 't', fetch: watching }).get('k');
    return asked[0] as FetchRequest;
  }

  test('gets cache: no-store, because Next.js would store responses forever', async () => {
    expect(await requestOf()).toMatchObject({ cache: 'no-store' });
  });

  test.each([
    ['throws, as in Cloudflare Workers of a compatibility date before 2024-11-11', 'throw'],
    ['is ignored, as in React Native and Deno', 'ignore'],
  ])('gets no option if the runtime %s', async (_, reaction) => {
    class OtherRequest {
      constructor(_url: string, init: RequestInit) {
        if (reaction === 'throw' && 'cache' in init) {
          throw new Error("The 'cache' field on 'RequestInitializerDict' is not implemented.");
        }
      }
    }
    vi.stubGlobal('Request', OtherRequest);
    expect(await requestOf()).not.toHaveProperty('cache');
  });

  test('gets no option if there is no Request', async () => {
    vi.stubGlobal('Request', undefined);
    expect(await requestOf()).not.toHaveProperty('cache');
  });
});

describe('an error by which a framework ends a render', () => {
  const errors = [
    ...['DYNAMIC_SERVER_USAGE', 'BAILOUT_TO_CLIENT_SIDE_RENDERING', 'HANGING_PROMISE_REJECTION'],
    ...['NEXT_PRERENDER_INTERRUPTED', 'NEXT_REDIRECT;replace;/login;307;', 'NEXT_HTTP_ERROR_FALLBACK;404'],
  ].map((digest) => Object.assign(new Error(digest), { digest }));
  // Next.js gives this one a code instead.
  errors.push(
    Object.assign(new Error('static'), { code: 'NEXT_STATIC_GEN_BAILOUT', digest: undefined as never }),
  );

  const start = (options: Partial<ClientOptions>) => {
    const onError = vi.fn();
    return { onError, cache: new CacheClient({ url: 'http://localhost', tenant: 't', onError, ...options }) };
  };

  test.each(errors)('is passed on unchanged and not retried: $message', async (error) => {
    const fails = vi.fn(async () => {
      throw error;
    });
    const { cache, onError } = start({ fetch: fails });
    const produce = vi.fn(() => 1);
    await expect(cache.get('k')).rejects.toBe(error);
    await expect(cache.set('k', 1)).rejects.toBe(error);
    await expect(cache.getOrSet('k', 60, produce)).rejects.toBe(error);
    // Neither does it say that the cache is down.
    await expect(cache.getOrSet('k', 60, produce)).rejects.toBe(error);
    expect(fails).toHaveBeenCalledTimes(4);
    expect(produce).not.toHaveBeenCalled();
    expect(onError).not.toHaveBeenCalled();
  });

  test('is also passed on from the set of a getOrSet, from headers and from authorize', async () => {
    const [error] = errors;
    const fail = () => {
      throw error;
    };
    const server = await script(granted);
    const failingSet = (url: string, request: FetchRequest) =>
      url.endsWith('/lease') ? fetch(url, request) : fail();
    for (const options of [{ fetch: failingSet }, { headers: fail }, { authorize: fail }]) {
      const { cache, onError } = start({ url: server.url, ...options });
      await expect(cache.getOrSet('k', 60, () => 1)).rejects.toBe(error);
      expect(onError).not.toHaveBeenCalled();
    }
  });
});
