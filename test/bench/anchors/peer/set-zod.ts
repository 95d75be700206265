import middy from '@middy/core';
import httpJsonBodyParser from '@middy/http-json-body-parser';
import * as z from 'zod';
import { common, type Event, type RequestContext, type Response } from './service.ts';
import { MAX_TTL_SECONDS, setEntry } from './set.ts';
import { keySchema, tenantSchema, validated } from './zod.ts';

const requestSchema = z.object({
  tenant: tenantSchema,
  body: z.object({
    key: keySchema,
    value: z.unknown().refine((value) => value !== undefined, 'is required'),
    ttl: z.int().min(1).max(MAX_TTL_SECONDS).nullish(),
  }),
});

/** A set with zod. */
export const handler = middy<Event, Response, Error, RequestContext>()
  .use(common)
  .use(httpJsonBodyParser())
  .handler((event, context) => {
    const { body } = validated(requestSchema, { tenant: context.tenant, body: event.body });
    return setEntry(context, body);
  });
