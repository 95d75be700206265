/**
 * A gateway's cache of model responses, with `getOrSet`: one request to the model at a time for all who ask the same of one
 * client, and a cache that is down is as if it were empty.
 *
 * Only requests whose answer can stand for the next one are cached: those at temperature 0. Streams are not: what reaches the
 * caller piece by piece is whole only at the end, and may never get there.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

export interface ModelRequest {
  model: string;
  messages: { role: string; content: string }[];
  temperature?: number;
  stream?: boolean;
  /** Who asks, for the model's provider. */
  user?: string;
  /** `max_tokens`, `tools`, `seed` … */
  [parameter: string]: unknown;
}

/** `choices`, `usage` … */
export type ModelResponse = Record<string, unknown>;

/** The caller's own. It throws what should not be cached, such as a refusal for too many requests. */
export type Model = (request: ModelRequest, signal?: AbortSignal) => Promise<ModelResponse>;

const TTL_SECONDS = 24 * 3600;

/**
 * The model's response to a request, or that to the same request before.
 *
 * @param signal ends this caller's wait, and the request to the model if nobody else waits for it
 * @throws what the model throws, or the reason of the signal; never because of the cache
 */
export async function complete(
  cache: CacheClient,
  model: Model,
  request: ModelRequest,
  signal?: AbortSignal,
): Promise<ModelResponse> {
  if (request.temperature !== 0 || request.stream) return model(request, signal);
  return cache.getOrSet(keyOf(request), TTL_SECONDS, (unwanted) => model(request, unwanted), { signal });
}

/** The same for all requests that ask the same, in whatever order their members stand and whoever asks. */
function keyOf({ user: _, ...asked }: ModelRequest): string {
  return `llm:${asked.model}:${createHash('sha256').update(canonical(asked)).digest('hex')}`;
}

/** JSON whose objects have their members in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
