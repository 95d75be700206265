import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider';
import { generateText, streamText, wrapLanguageModel } from 'ai';
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test';
import { describe, expect, test } from 'vitest';
import { type CacheMiddlewareOptions, cacheMiddleware } from '../../lib/client/adapters/ai.ts';
import { CacheClient } from '../../lib/client/index.ts';
import { leftOf } from '../conformance/backends.ts';
import { describeWithCaches, unreachableCache } from './caches.ts';

type Generated = Awaited<ReturnType<LanguageModelV4['doGenerate']>>;

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 2, text: 2, reasoning: undefined },
};
const stop = { unified: 'stop', raw: undefined } as const;

function resultOf(text: string, more: Partial<Generated> = {}): Generated {
  return { content: [{ type: 'text', text }], finishReason: stop, usage, warnings: [], ...more };
}

function partsOf(text: string): LanguageModelV4StreamPart[] {
  return [
    { type: 'stream-start', warnings: [] },
    { type: 'response-metadata', id: 'r1', timestamp: new Date(0), modelId: 'm' },
    { type: 'text-start', id: '1' },
    ...text
      .split(' ')
      .map((delta): LanguageModelV4StreamPart => ({ type: 'text-delta', id: '1', delta: `${delta} ` })),
    { type: 'text-end', id: '1' },
    { type: 'file', mediaType: 'image/png', data: { type: 'data', data: new Uint8Array([0, 128, 255]) } },
    { type: 'finish', finishReason: stop, usage },
  ];
}

/** A model that gives another answer to each call. */
function numberedModel(): MockLanguageModelV4 {
  const model: MockLanguageModelV4 = new MockLanguageModelV4({
    doGenerate: async () => resultOf(`answer ${model.doGenerateCalls.length}`),
    doStream: async () => ({
      stream: simulateReadableStream({ chunks: partsOf(`streamed answer ${model.doStreamCalls.length}`) }),
    }),
  });
  return model;
}

function wrap(
  cache: Pick<CacheClient, 'getOrSet'>,
  model: LanguageModelV4,
  options: Partial<CacheMiddlewareOptions> = {},
) {
  return wrapLanguageModel({
    model,
    middleware: cacheMiddleware(cache, { ttl: 3600, timeoutMs: 20_000, ...options }),
  });
}

const call = (text = 'why?', more: Partial<LanguageModelV4CallOptions> = {}): LanguageModelV4CallOptions => ({
  prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
  ...more,
});

const textOf = ({ content: [first] }: Generated) => (first?.type === 'text' ? first.text : undefined);

async function readAll<T>(stream: ReadableStream<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

/** A stream whose parts the test sends. */
function manualStream() {
  let controller!: ReadableStreamDefaultController<LanguageModelV4StreamPart>;
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start: (given) => {
      controller = given;
    },
  });
  return { stream, controller };
}

/** A promise that the test settles. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((...functions) => {
    [resolve, reject] = functions;
  });
  return { promise, resolve, reject };
}

describeWithCaches('cacheMiddleware', (open, url) => {
  /** A client that shares nothing with the given one but its tenant, as in another process. */
  const elsewhere = ({ tenant }: CacheClient) => new CacheClient({ url: url(), tenant, timeoutMs: 20_000 });

  test('generateText calls the model once for the same prompt and settings', async () => {
    const inner = numberedModel();
    const model = wrap(open(), inner);
    const ask = async (prompt: string, temperature = 0) =>
      (await generateText({ model, prompt, temperature })).text;
    expect([await ask('why?'), await ask('why?')]).toEqual(['answer 1', 'answer 1']);
    expect(await ask('another?')).toBe('answer 2');
    expect(await ask('why?', 1)).toBe('answer 3');
    expect(inner.doGenerateCalls).toHaveLength(3);
  });

  test('streamText calls the model once, and replays its parts', async () => {
    const inner = numberedModel();
    const model = wrap(open(), inner);
    const ask = async () => {
      const { stream, text } = streamText({ model, prompt: 'why?' });
      const types = (await readAll(stream)).map(({ type }) => type);
      return { types, text: await text };
    };
    const first = await ask();
    expect(first.text).toBe('streamed answer 1 ');
    expect(await ask()).toEqual(first);
    expect(inner.doStreamCalls).toHaveLength(1);
  });

  test('a cached result has dates, bytes and URLs, and not the request, headers and body of the original', async () => {
    const id = { id: 'r1', timestamp: new Date(0), modelId: 'm' };
    const original = resultOf('because', {
      content: [
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data: new Uint8Array([0, 128, 255]) } },
        {
          type: 'file',
          mediaType: 'image/png',
          data: { type: 'url', url: new URL('https://example.com/a') },
        },
        { type: 'tool-call', toolCallId: 'c1', toolName: 'search', input: '{"q":"a"}' },
      ],
      providerMetadata: { mock: { $type: 'date', value: 'text', list: [null, { $type: 'object' }] } },
      request: { body: { secret: 1 } },
      response: { ...id, headers: { 'set-cookie': 'secret' }, body: { secret: 1 } },
    });
    const model = wrap(open(), new MockLanguageModelV4({ doGenerate: [original] }));
    expect(await model.doGenerate(call())).toBe(original);
    const { request: _, ...cached } = original;
    expect(await model.doGenerate(call())).toEqual({ ...cached, response: id });
  });

  test('a cached stream has the parts of the original, with dates and bytes', async () => {
    const model = wrap(open(), numberedModel());
    const ask = async () => readAll((await model.doStream(call())).stream);
    expect(await ask()).toEqual(partsOf('streamed answer 1'));
    expect(await ask()).toEqual(partsOf('streamed answer 1'));
  });

  test.each<[string, LanguageModelV4CallOptions, LanguageModelV4CallOptions, number]>([
    ['of another seed are kept apart', call('why?', { seed: 1 }), call('why?', { seed: 2 }), 2],
    [
      'with other bytes in the prompt are kept apart',
      ...([1, 2].map((byte) => ({
        prompt: [
          {
            role: 'user',
            content: [
              {
                type: 'file',
                mediaType: 'image/png',
                data: { type: 'data', data: new Uint8Array([0, byte]) },
              },
            ],
          },
        ],
      })) as [LanguageModelV4CallOptions, LanguageModelV4CallOptions]),
      2,
    ],
    [
      'with members in another order share a result',
      call('why?', { providerOptions: { mock: { a: 1, b: { c: 2, d: 3 } } } }),
      call('why?', { providerOptions: { mock: { b: { d: 3, c: 2 }, a: 1 } } }),
      1,
    ],
    [
      'with other headers and signals share a result',
      call('why?', { headers: { traceparent: '1' }, abortSignal: new AbortController().signal }),
      call('why?', { headers: { traceparent: '2' }, abortSignal: new AbortController().signal }),
      1,
    ],
  ])('calls %s', async (_, first, second, calls) => {
    const inner = numberedModel();
    const model = wrap(open(), inner);
    await model.doGenerate(first);
    await model.doGenerate(second);
    expect(inner.doGenerateCalls).toHaveLength(calls);
  });

  test('results of other models and other tenants are kept apart', async () => {
    const cache = open();
    const answer = (text: string, modelId: string) =>
      new MockLanguageModelV4({ modelId, doGenerate: resultOf(text) });
    await wrap(cache, answer('of a', 'a')).doGenerate(call());
    expect(textOf(await wrap(cache, answer('of b', 'b')).doGenerate(call()))).toBe('of b');
    expect(textOf(await wrap(open(), answer('elsewhere', 'a')).doGenerate(call()))).toBe('elsewhere');
  });

  test('sets entries with its prefix, TTL and tags; an invalidation by model or tag makes the model answer again', async () => {
    const cache = open();
    const inner = numberedModel();
    const model = wrap(cache, inner, { prefix: 'v2:', ttl: 5000, tags: ['doc:7'] });
    await model.doGenerate(call());
    const listed = await cache.keys().next();
    expect(listed.value).toMatchObject({
      key: expect.stringMatching(/^v2:mock-provider:mock-model-id:generate:[0-9a-f]{64}$/),
      ttl: leftOf(5000),
      tags: ['doc:7'],
    });
    expect(await cache.invalidateTags(['doc:7'])).toBe(1);
    expect(textOf(await model.doGenerate(call()))).toBe('answer 2');
    expect(await cache.invalidate('v2:mock-provider:mock-model-id:*')).toBe(1);
    expect(textOf(await model.doGenerate(call()))).toBe('answer 3');
  });

  test.each([
    ['the same client', false],
    ['another client', true],
  ])('concurrent generates share one call to the model, with %s', async (_, another) => {
    const cache = open();
    const answer = deferred<Generated>();
    const called = deferred<void>();
    const inner = new MockLanguageModelV4({
      doGenerate: () => {
        called.resolve();
        return answer.promise;
      },
    });
    const first = wrap(cache, inner).doGenerate(call());
    await called.promise;
    const other = wrap(another ? elsewhere(cache) : cache, inner).doGenerate(call());
    answer.resolve(resultOf('because'));
    expect([textOf(await first), textOf(await other)]).toEqual(['because', 'because']);
    expect(inner.doGenerateCalls).toHaveLength(1);
  });

  test.each([
    ['the same client', false],
    ['another client', true],
  ])(
    'a stream is passed on while it is generated, and replayed to a concurrent call of %s',
    async (_, another) => {
      const cache = open();
      const { stream, controller } = manualStream();
      const inner = new MockLanguageModelV4({ doStream: { stream } });
      const reader = (await wrap(cache, inner).doStream(call())).stream.getReader();
      const parts = partsOf('one two');
      for (const part of parts.slice(0, 4)) {
        controller.enqueue(part);
        expect(await reader.read()).toEqual({ done: false, value: part });
      }
      const other = wrap(another ? elsewhere(cache) : cache, inner).doStream(call());
      for (const part of parts.slice(4)) controller.enqueue(part);
      controller.close();
      expect(await readAll((await other).stream)).toEqual(parts);
      expect(inner.doStreamCalls).toHaveLength(1);
    },
  );

  test('a stream whose caller stops reading is cached', async () => {
    const { stream, controller } = manualStream();
    const inner = new MockLanguageModelV4({ doStream: { stream } });
    const model = wrap(open(), inner);
    const reader = (await model.doStream(call())).stream.getReader();
    controller.enqueue(partsOf('')[0] as LanguageModelV4StreamPart);
    await reader.read();
    void reader.cancel();
    for (const part of partsOf('one two').slice(1)) controller.enqueue(part);
    controller.close();
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('one two'));
    expect(inner.doStreamCalls).toHaveLength(1);
  });

  test.each<[string, LanguageModelV4StreamPart[]]>([
    ['contains an error', [{ type: 'error', error: 'overloaded' }, ...partsOf('one')]],
    ['has no end', partsOf('one').slice(0, -1)],
    [
      'was interrupted',
      [
        ...partsOf('one').slice(0, -1),
        { type: 'finish', finishReason: { unified: 'interrupted', raw: 'x' }, usage },
      ],
    ],
  ])('a stream that %s is passed on and not cached', async (_, parts) => {
    const chunks = simulateReadableStream<LanguageModelV4StreamPart>;
    const streams = [{ stream: chunks({ chunks: parts }) }, { stream: chunks({ chunks: partsOf('whole') }) }];
    const model = wrap(open(), new MockLanguageModelV4({ doStream: streams }));
    expect(await readAll((await model.doStream(call())).stream)).toEqual(parts);
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('whole'));
  });

  test('a stream that breaks off rejects for its caller and is not cached', async () => {
    const { stream, controller } = manualStream();
    const whole = simulateReadableStream({ chunks: partsOf('whole') });
    const model = wrap(open(), new MockLanguageModelV4({ doStream: [{ stream }, { stream: whole }] }));
    const first = await model.doStream(call());
    controller.error(new Error('connection reset'));
    await expect(readAll(first.stream)).rejects.toThrow('connection reset');
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('whole'));
  });

  test('a result with the finish reason error is returned and not cached', async () => {
    const failed = resultOf('half', { finishReason: { unified: 'error', raw: 'x' } });
    const model = wrap(open(), new MockLanguageModelV4({ doGenerate: [failed, resultOf('whole')] }));
    expect(textOf(await model.doGenerate(call()))).toBe('half');
    expect(textOf(await model.doGenerate(call()))).toBe('whole');
  });

  test('a result that JSON cannot represent is returned and not cached', async () => {
    const odd = resultOf('odd', { providerMetadata: { mock: { count: 1n as unknown as number } } });
    const model = wrap(open(), new MockLanguageModelV4({ doGenerate: [odd, resultOf('even')] }));
    expect(await model.doGenerate(call())).toBe(odd);
    expect(textOf(await model.doGenerate(call()))).toBe('even');
  });

  test('the error of a model that fails is passed on, after one call', async () => {
    const failure = new Error('overloaded');
    const fail = () => Promise.reject(failure);
    const inner = new MockLanguageModelV4({ doGenerate: fail, doStream: fail });
    const model = wrap(open(), inner);
    await expect(model.doGenerate(call())).rejects.toBe(failure);
    await expect(model.doStream(call())).rejects.toBe(failure);
    expect([inner.doGenerateCalls.length, inner.doStreamCalls.length]).toEqual([1, 1]);
  });

  test('with grace, the last result is returned if the model fails after the TTL', async () => {
    const cache = open();
    let fails = false;
    const inner = numberedModel();
    const { doGenerate, doStream } = inner;
    inner.doGenerate = (options) => (fails ? Promise.reject(new Error('overloaded')) : doGenerate(options));
    inner.doStream = (options) => (fails ? Promise.reject(new Error('overloaded')) : doStream(options));
    const model = wrap(cache, inner, { ttl: 1, grace: 3600 });
    await model.doGenerate(call());
    await readAll((await model.doStream(call())).stream);
    fails = true;
    const keys: string[] = [];
    for await (const { key } of cache.keys()) keys.push(key);
    expect(keys).toHaveLength(2);
    await expect
      .poll(async () => (await cache.getMany(keys)).map(({ found }) => found))
      .toEqual([false, false]);
    expect(textOf(await model.doGenerate(call()))).toBe('answer 1');
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('streamed answer 1'));
  });

  test('with grace and waitUntil, the last result is returned while the model answers in the background', async () => {
    const cache = open();
    const background: Promise<unknown>[] = [];
    const inner = numberedModel();
    const { doGenerate, doStream } = inner;
    let returned = Promise.resolve();
    inner.doGenerate = (options) => returned.then(() => doGenerate(options));
    inner.doStream = (options) => returned.then(() => doStream(options));
    const waitUntil = (promise: Promise<unknown>) => background.push(promise);
    const model = wrap(cache, inner, { ttl: 1, grace: 3600, waitUntil });
    await model.doGenerate(call());
    await readAll((await model.doStream(call())).stream);
    const keys: string[] = [];
    for await (const { key } of cache.keys()) keys.push(key);
    await expect
      .poll(async () => (await cache.getMany(keys)).map(({ found }) => found))
      .toEqual([false, false]);
    const gate = deferred<void>();
    returned = gate.promise;
    expect(textOf(await model.doGenerate(call()))).toBe('answer 1');
    const { stream } = await model.doStream(call());
    expect(await readAll(stream)).toEqual(partsOf('streamed answer 1'));
    gate.resolve();
    await Promise.all(background);
    const stored = await Promise.all(keys.map((key) => cache.lease(key)));
    expect(JSON.stringify(stored)).toContain('answer 2');
    expect([inner.doGenerateCalls.length, inner.doStreamCalls.length]).toEqual([2, 2]);
  });

  describe.each(['doGenerate', 'doStream'] as const)('%s that two calls share', (method) => {
    /** The signal ends one of two calls for the same result: the one that calls the model, or the one that waits for it. */
    async function startTwo(first: AbortSignal | undefined, second: AbortSignal | undefined) {
      const cache = open();
      let started = 0;
      const counted: Pick<CacheClient, 'getOrSet'> = {
        getOrSet: (...args) => {
          started += 1;
          return cache.getOrSet(...args);
        },
      };
      const answer = deferred<never>();
      const inner = numberedModel();
      const original = inner[method] as (options: LanguageModelV4CallOptions) => Promise<never>;
      let calls = 0;
      inner[method] = (options: LanguageModelV4CallOptions) => {
        calls += 1;
        if (calls > 1) return original(options);
        options.abortSignal?.addEventListener('abort', () => answer.reject(options.abortSignal?.reason));
        return answer.promise;
      };
      const model = wrap(counted, inner);
      const producing = model[method](call('why?', { abortSignal: first }));
      await expect.poll(() => calls).toBe(1);
      const waiting = model[method](call('why?', { abortSignal: second }));
      await expect.poll(() => started).toBe(2);
      const finish = async () => answer.resolve(await original(call()));
      return { producing, waiting, finish, callCount: () => calls };
    }

    test('is called again for the call that waits if the signal of the call that produces fires', async () => {
      const controller = new AbortController();
      const { producing, waiting, callCount } = await startTwo(controller.signal, undefined);
      controller.abort(new Error('the user left'));
      await expect(producing).rejects.toThrow('the user left');
      expect(await waiting).toBeTypeOf('object');
      expect(callCount()).toBe(2);
    });

    test('goes on if the signal of the call that waits fires', async () => {
      const controller = new AbortController();
      const { producing, waiting, finish, callCount } = await startTwo(undefined, controller.signal);
      controller.abort(new Error('the user left'));
      await expect(waiting).rejects.toThrow('the user left');
      await finish();
      expect(await producing).toBeTypeOf('object');
      expect(callCount()).toBe(1);
    });
  });

  test('a model that takes longer than produceTimeoutMs still answers', async () => {
    const model = wrap(
      open(),
      new MockLanguageModelV4({
        doGenerate: () => new Promise((resolve) => setTimeout(resolve, 100, resultOf('late'))),
        doStream: async () => ({
          stream: simulateReadableStream({ chunks: partsOf('late'), initialDelayInMs: 100 }),
        }),
      }),
      { produceTimeoutMs: 1 },
    );
    expect(textOf(await model.doGenerate(call()))).toBe('late');
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('late'));
  });
});

describe('cacheMiddleware', () => {
  test('calls the model if the service cannot be reached, and reports to onError', async () => {
    const operations: string[] = [];
    const cache = unreachableCache({ onError: (_, { operation }) => operations.push(operation) });
    const model = wrap(cache, numberedModel());
    expect(textOf(await model.doGenerate(call()))).toBe('answer 1');
    expect(await readAll((await model.doStream(call())).stream)).toEqual(partsOf('streamed answer 1'));
    expect(operations).toContain('get');
  });

  test.each([
    ['ttl', { ttl: '1' }],
    ['tags', { ttl: 1, tags: 'a' }],
    ['grace', { ttl: 1, grace: 'x' }],
    ['produceTimeoutMs', { ttl: 1, produceTimeoutMs: 0 }],
  ])('throws a TypeError that names %s if it has the wrong type', (name, options) => {
    expect(() => cacheMiddleware(unreachableCache(), options as never)).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(name) }),
    );
  });
});
