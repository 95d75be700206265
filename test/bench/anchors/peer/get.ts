import middy from '@middy/core';
import * as z from 'zod';
import {
  common,
  type Event,
  entryKey,
  type RequestContext,
  type Response,
  redis,
  respond,
} from './service.ts';
import { keySchema, tenantSchema, validated } from './zod.ts';

const requestSchema = z.object({ tenant: tenantSchema, key: keySchema });

/** A get with zod. */
export const handler = middy<Event, Response, Error, RequestContext>()
  .use(common)
  .handler(async (event, context) => {
    const given = {
      tenant: context.tenant,
      key: event.pathParameters?.key ?? event.queryStringParameters?.key,
    };
    const { tenant, key } = validated(requestSchema, given);
    const name = entryKey(tenant, key);
    const results = await redis.pipeline().get(name).pttl(name).exec();
    for (const [error] of results ?? []) if (error) throw error;
    const [text, ttlMs] = (results ?? []).map(([, result]) => result) as [string | null, number];
    const data =
      text === null
        ? { key, found: false }
        : { key, value: JSON.parse(text), found: true, ttl: Math.ceil(ttlMs / 1000) };
    return respond(context, {
      operation: 'get',
      status: 200,
      data,
      count: text === null ? 'Misses' : 'Hits',
    });
  });
