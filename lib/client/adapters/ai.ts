/**
 * Language model middleware for the AI SDK 7:
 * `wrapLanguageModel({ model, middleware: cacheMiddleware(cache, { ttl: 3600 }) })`.
 *
 * A result is cached under the provider, the model and all parameters of the call except `abortSignal` and `headers`. `getOrSet` lets one
 * caller in all processes call the model. That caller gets the model's own result, and a stream while it is generated. The others get the
 * cached result when it is complete.
 *
 * The cache never fails a call: whatever it throws, the model is called.
 */
import { checkGetOrSetOptions, checkTtl } from '../checks.ts';
import { type Signal, sha256 } from '../runtime.ts';
import type { GetOrSetOptions } from '../types.ts';
import { type Cache, checkAdapter, storedKey } from './limits.ts';
import { canonicalText, decode, encode } from './tagged-json.ts';

/** Options of `getOrSet`, which apply to each call. */
export interface CacheMiddlewareOptions extends Omit<GetOrSetOptions, 'signal' | 'tagsOf'> {
  /** Whole seconds. */
  ttl: number;
  /** Start of every key, which continues with the provider's and the model's name. Default: `ai:`. */
  prefix?: string | undefined;
}

// The types of the SDK, as far as they are used. They have no dependency on it, and accept its later versions.

interface Call {
  params: { abortSignal?: Signal | undefined };
  model: { provider: string; modelId: string };
}

interface GenerateCall<Result> extends Call {
  doGenerate: () => PromiseLike<Result>;
}

interface StreamCall<Result> extends Call {
  doStream: () => PromiseLike<Result>;
}

interface GenerateResult {
  finishReason: FinishReason;
  request?: unknown;
  response?: { headers?: unknown; body?: unknown } | undefined;
}

interface StreamResult {
  stream: ReadableStream<unknown>;
}

type FinishReason = { unified: string };

type StreamPart = { type: 'finish'; finishReason: FinishReason } | { type: 'error' } | { type: 'other' };

export interface CacheMiddleware {
  readonly specificationVersion: 'v4';
  wrapGenerate<Result extends GenerateResult>(call: GenerateCall<Result>): Promise<Result>;
  wrapStream<Result extends StreamResult>(call: StreamCall<Result>): Promise<Result>;
}

/**
 * Returns the middleware. Results that end with an error or an interruption are returned and not cached.
 *
 * A cached result has no `request`, and no `headers` and `body` in its `response`. Its usage is that of the original call. A cached stream
 * consists of the original parts, without the time between them. The stream of the call that produces ends when its parts are cached, which
 * takes at most `timeoutMs` after its last part. It is also cached if its caller stops reading, but not if it ends by `abortSignal`.
 *
 * @throws TypeError for options of the wrong type
 */
export function cacheMiddleware(
  cache: Cache<'getOrSet'>,
  // The default is for callers without a type checker: the error names `ttl`.
  { prefix = 'ai:', ttl, ...options }: CacheMiddlewareOptions = {} as CacheMiddlewareOptions,
): CacheMiddleware {
  checkTtl('ttl', ttl);
  checkAdapter(cache, { ttl });
  checkGetOrSetOptions(options);

  async function getOrSet<T>(
    kind: 'generate' | 'stream',
    { model, params }: Call,
    produce: (signal: Signal) => Promise<T>,
  ): Promise<T> {
    const parameters = { ...params, abortSignal: undefined, headers: undefined };
    const digest = await sha256(canonicalText(parameters));
    const key = await storedKey(`${prefix}${model.provider}:${model.modelId}:${kind}:${digest}`);
    return cache.getOrSet(key, ttl, produce, { ...options, signal: params.abortSignal });
  }

  return {
    specificationVersion: 'v4',

    async wrapGenerate<Result extends GenerateResult>(call: GenerateCall<Result>) {
      const own: { pending?: PromiseLike<Result>; result?: Result } = {};
      const produce = async () => {
        own.pending = call.doGenerate();
        own.result = await own.pending;
        return encode(cacheable(own.result));
      };
      try {
        const cached = await getOrSet('generate', call, produce);
        return own.result ?? (decode(cached) as Result);
      } catch (error) {
        if (call.params.abortSignal?.aborted) throw error;
        // The model's own error, a result that is not cached, or the failure of a call in another place that this one waited for.
        return own.pending ?? call.doGenerate();
      }
    },

    async wrapStream<Result extends StreamResult>(call: StreamCall<Result>) {
      const own: { pending?: PromiseLike<Result> } = {};
      let start: (result: Result) => void = () => {};
      const started = new Promise<Result>((resolve) => {
        start = resolve;
      });
      const produce = async (unwanted: Signal) => {
        own.pending = call.doStream();
        const result = await own.pending;
        const [live, copy] = result.stream.tee();
        const untilCached = new TransformStream({ flush: () => cached.then(ignore, ignore) });
        start({ ...result, stream: live.pipeThrough(untilCached) });
        return encode(await collect(copy, unwanted));
      };
      const cached = getOrSet('stream', call, produce);
      const replayed = cached.then((parts) => ({ stream: streamOf(decode(parts) as unknown[]) }) as Result);
      try {
        return await Promise.race([started, replayed]);
      } catch (error) {
        if (call.params.abortSignal?.aborted) throw error;
        if (!own.pending) return call.doStream();
        await own.pending;
        return started;
      }
    },
  };
}

/** @returns the result without what concerns only the call that produced it @throws Error for a result that must not be cached */
function cacheable({ request: _, ...result }: GenerateResult): object {
  requireFinished(result.finishReason);
  if (!result.response) return result;
  const { headers: _headers, body: _body, ...response } = result.response;
  return { ...result, response };
}

/** @returns all parts of a stream @throws Error for a stream that must not be cached, and the reason of `signal` */
async function collect(stream: ReadableStream<unknown>, signal: Signal): Promise<unknown[]> {
  const parts: unknown[] = [];
  let reason: FinishReason | undefined;
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (signal.aborted) throw signal.reason;
      const part = value as StreamPart;
      if (part.type === 'error') throw new Error('The stream contains an error and is not cached');
      if (part.type === 'finish') reason = part.finishReason;
      parts.push(part);
    }
    requireFinished(reason);
    return parts;
  } finally {
    // Otherwise the stream would keep what the other reader reads. It settles when that reader has ended as well.
    reader.cancel().catch(ignore);
  }
}

function requireFinished(reason: FinishReason | undefined): void {
  const unified = reason?.unified ?? 'interrupted';
  if (unified === 'error' || unified === 'interrupted') {
    throw new Error(`The result has the finish reason ${unified} and is not cached`);
  }
}

function streamOf(parts: readonly unknown[]): ReadableStream<unknown> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

function ignore(): void {}
