/**
 * Caches the model responses of a gateway with `getOrSet`: concurrent callers with the same request, in all processes, share one request to
 * the model. If the model is down, its last response is returned. If the cache is down, every request goes to the model.
 *
 * Only requests with temperature 0 are cached, because their response can be used again. Streams are not cached: a streamed
 * response is complete only at its end, and the stream may be aborted before that.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

export interface ModelRequest {
  model: string;
  messages: { role: string; content: string }[];
  temperature?: number;
  stream?: boolean;
  /** The end user, for the model's provider. */
  user?: string;
  /** `max_tokens`, `tools`, `seed` … */
  [parameter: string]: unknown;
}

/** `choices`, `usage` … */
export type ModelResponse = Record<string, unknown>;

/** Implemented by the caller. Throws for responses that must not be cached, such as a rate limit error. */
export type Model = (request: ModelRequest, signal?: AbortSignal) => Promise<ModelResponse>;

const TTL_SECONDS = 24 * 3600;

/** A response that is a week old is better than an error. */
const GRACE_SECONDS = 7 * 24 * 3600;

/** The model takes less. After this time, another process calls it. */
const LEASE_SECONDS = 60;

/**
 * Returns the cached response to a request, or calls the model and caches its response.
 *
 * @param signal ends the wait of this caller, and the request to the model if no other caller of this process waits for it
 * @throws what the model throws if there is no older response, or the reason of the signal; never an error of the cache
 */
export async function complete(
  cache: CacheClient,
  model: Model,
  request: ModelRequest,
  signal?: AbortSignal,
): Promise<ModelResponse> {
  if (request.temperature !== 0 || request.stream) return model(request, signal);
  const options = { grace: GRACE_SECONDS, lease: LEASE_SECONDS, signal };
  return cache.getOrSet(keyOf(request), TTL_SECONDS, (unwanted) => model(request, unwanted), options);
}

/** The key does not depend on the order of the members or on the user. */
function keyOf({ user: _, ...asked }: ModelRequest): string {
  return `llm:${asked.model}:${createHash('sha256').update(canonical(asked)).digest('hex')}`;
}

/** JSON with the members of every object sorted by name. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
