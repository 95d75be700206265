import { entryKey, type RequestContext, type Response, redis, respond } from './service.ts';

export const DEFAULT_TTL_SECONDS = 300;
export const MAX_TTL_SECONDS = 2_592_000;

/** The checked body of a set. */
export interface SetBody {
  key: string;
  value?: unknown;
  ttl?: number | null | undefined;
}

/** The part of a set that does not depend on the library that checks the body. */
export async function setEntry(context: RequestContext, { key, value, ttl }: SetBody): Promise<Response> {
  const ttlSeconds = ttl ?? DEFAULT_TTL_SECONDS;
  await redis.set(entryKey(context.tenant, key), JSON.stringify(value), 'EX', ttlSeconds);
  const data = { key, status: 'set', ttl: ttlSeconds };
  return respond(context, { operation: 'set', status: 201, data, count: 'Sets' });
}
