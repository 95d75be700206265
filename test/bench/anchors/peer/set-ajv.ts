import middy from '@middy/core';
import httpJsonBodyParser from '@middy/http-json-body-parser';
import validator from '@middy/validator';
import { transpileSchema } from '@middy/validator/transpile';
import { common, type Event, type RequestContext, type Response } from './service.ts';
import { MAX_TTL_SECONDS, type SetBody, setEntry } from './set.ts';

const schema = {
  type: 'object',
  required: ['headers', 'body'],
  properties: {
    headers: {
      type: 'object',
      required: ['x-tenant-id'],
      properties: { 'x-tenant-id': { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' } },
    },
    body: {
      type: 'object',
      required: ['key', 'value'],
      properties: {
        key: { type: 'string', minLength: 1, maxLength: 1024, pattern: '^\\P{Cc}*$' },
        value: {},
        ttl: { type: 'integer', nullable: true, minimum: 1, maximum: MAX_TTL_SECONDS },
      },
    },
  },
};

/** A set with @middy/validator, which uses ajv. */
export const handler = middy<Event, Response, Error, RequestContext>()
  .use(common)
  .use(httpJsonBodyParser())
  .use(validator({ eventSchema: transpileSchema(schema) }))
  .handler((event, context) => setEntry(context, event.body as unknown as SetBody));
